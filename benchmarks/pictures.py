"""The pictures of the README and the docs, made by retimbre itself.

python -m benchmarks.pictures
"""

from pathlib import Path

import torch

from retimbre import transfer
from retimbre.losses.kernel import KernelStyle
from retimbre.losses.terms import NetworkStyle, Style
from retimbre.networks.shallow import Shallow
from study.pairs import REPORT
from study.pictures import save_spectrograms

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTHS, SEEDS, TAPS = (64, 256, 1024, 4096, 16384), 4, 3


def melody_picture() -> None:
    """Transfer a pair of the benchmark as it comes and draw it beside the answer."""
    pair = REPORT[1]
    content, style, target = pair.content(), pair.style(), pair.target()
    clips = [
        (f"content: {pair.content_instrument}", content),
        (f"style: {pair.style_instrument}", style),
        ("output", transfer(content, style).audio),
        (f"the content on {pair.style_instrument}", target),
    ]
    save_spectrograms(IMAGES / "melody.png", clips)


def kernel_picture() -> None:
    """Draw how far the terms of random networks are from the kernel's, by their number of filters."""
    from matplotlib.figure import Figure

    generator = torch.Generator().manual_seed(0)
    content, clip, x = (torch.rand(64, 60, generator=generator) ** 2 for _ in range(3))
    style = Style([(clip.square(), 1.0)])
    kernel = torch.stack([*KernelStyle(style, layers=2, taps=TAPS).terms(content)(x)])
    errors = torch.zeros(len(WIDTHS), SEEDS, 2)
    for i, width in enumerate(WIDTHS):
        for seed in range(SEEDS):
            source = torch.Generator().manual_seed(seed)
            network = Shallow(64, layers=2, filters=width, taps=TAPS, generator=source)
            terms = torch.stack([*NetworkStyle(network, style).terms(content)(x)])
            errors[i, seed] = (terms - kernel) / kernel
    spread = errors.square().mean(dim=1).sqrt()
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for n, term in enumerate(("content term", "style term")):
        axes.loglog(WIDTHS, spread[:, n], "o-", label=term)
    axes.loglog(
        WIDTHS, [float(spread[0].mean()) * (WIDTHS[0] / w) ** 0.5 for w in WIDTHS], "k:", label="1/√filters"
    )
    axes.set_xlabel("filters of each layer")
    axes.set_ylabel(f"RMS relative difference, {SEEDS} seeds")
    axes.legend(frameon=False)
    figure.savefig(IMAGES / "kernel.png", dpi=120)


def main() -> None:
    """Make all of them."""
    melody_picture()
    kernel_picture()


if __name__ == "__main__":
    main()
