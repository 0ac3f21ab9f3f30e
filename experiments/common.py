"""What the experiments share: networks, clips, a transfer with any network, and the judge.

The measures are those of ``retimbre.metrics.measures``, and nothing optimised any of them. *Content
preservation*: its onsets and its chroma. *Style distance*: the Frechet distance of MFCC 2 to 13 and the
squared distance of long-term spectra, each as 10 log10 of its ratio to that of the content copied: 0 dB is no
nearer than the content was, negative is nearer.
"""

import argparse
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from tables import Measures, Result, draw, table
from torch import Tensor, nn
from torch.nn import functional

from retimbre import Audio, Settings, Transfer
from retimbre.apps.demo import PAIRS
from retimbre.metrics import measures, spectral
from retimbre.music.orchestra import render
from retimbre.networks.registry import Layers
from retimbre.sound.clips import normalized
from retimbre.sound.stft import Window

RATE = 22_050
WINDOW = Window(1024, 512)
"""Half the usual window: the 2-D networks compute every bin, and this halves the bins."""

N_PHASE = 32
TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"

Make = Callable[[int], nn.Module]
"""From a seed to a network; one with a ``sample_rate`` hears samples, others a spectrogram of ``WINDOW``."""


class Random(nn.Module):
    """Three random convolutions of 3 frames with ReLU (He et al. 2015), which differ in one thing at a time.

    In 1-D the bins are the input's channels; in 2-D, filters are 3 frames x 3 bins. All layers are style,
    the last is content.

    Args:
        seed: Of the weights.
        dimensions: 1 or 2.
        filters: Of each layer.
        pooling: Halves what the second and third layer see, in every dimension: ``avg`` or ``max``.
        apart: Whether frequencies are features of their own, (C' F', T'), so that the Gram matrix keeps them
            apart as in 1-D; otherwise they are positions, (C', F' T').
    """

    def __init__(
        self, seed: int, *, dimensions: int, filters: int, pooling: str = "", apart: bool = False
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self._convolve = getattr(functional, f"conv{dimensions}d")
        self._pool = getattr(functional, f"{pooling}_pool{dimensions}d") if pooling else None
        self._flat, self._apart = dimensions == 1, apart
        channels = WINDOW.n_bins if dimensions == 1 else 1
        names = ("conv1", "conv2", "conv3")
        for name in names:
            weight = torch.randn(filters, channels, *dimensions * [3], generator=generator)
            self.register_buffer(name, weight * (2 / weight[0].numel()) ** 0.5)
            channels = filters
        self.content_layers: Mapping[str, float] = {names[-1]: 1.0}
        self.style_layers: Mapping[str, float] = dict.fromkeys(names, 1 / len(names))

    def forward(self, frames: Tensor) -> Layers:
        """Map (F, T) to the layers."""
        x, found = frames if self._flat else frames[None], dict[str, Tensor]()
        for name, weight in self.named_buffers():
            if found and self._pool:
                x = self._pool(x, 2)
            x = self._convolve(x[None], weight, padding=1)[0].relu()
            found[name] = x.flatten(0, -2) if self._apart else x.flatten(1)
        return found


def tutorial() -> Any:
    """The network of ``docs/tutorial.md``, as a module made of the code in there."""
    (code,) = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("mtt_vgg")
    exec(compile(code, str(TUTORIAL), "exec"), module.__dict__)
    return module


def clips(seconds: float) -> list[tuple[str, Audio, Audio]]:
    """The demonstration's pairs: title, content and style, mono at ``RATE`` and of one loudness."""

    def clip(who: str, piece: Any) -> Audio:
        played = render(piece, who, seconds=seconds)
        mono = Audio(played.samples.mean(axis=0), played.sample_rate)
        return Audio(normalized(mono, RATE).numpy(), RATE)

    return [(pair.title, clip(*pair.content), clip(*pair.style)) for pair in PAIRS]


def transfer(network: nn.Module, content: Audio, style: Audio, settings: Settings) -> Audio:
    """Transfer with a network object; over the samples or the spectrogram, as it takes."""
    module: Any = network.requires_grad_(False)
    return Transfer(style, settings, network=module)(content).audio


def judge(output: Audio, content: Audio, style: Audio) -> Measures:
    """Measure a transfer; loudness is no part of it."""

    def decibels(distance: Callable[[Audio, Audio], float], exponent: int) -> float:
        ratio = distance(output, style) / distance(content, style)
        return 10 * exponent * math.log10(max(ratio, 1e-9))

    preservation = measures.content_preservation(output, content)
    timbre = decibels(spectral.timbre_distance, 1)  # is a square already
    return Measures(
        preservation["onsets"], preservation["chroma"], timbre, decibels(spectral.spectrum_distance, 2)
    )


def compare(
    variants: Mapping[str, tuple[Make, int]], seconds: float, strengths: Iterable[float], n_iter: int
) -> list[Result]:
    """Transfer every pair with every variant, ``(make, seeds)``, at every strength."""
    results = []
    settings = Settings(
        n_fft=WINDOW.n_fft,
        hop_length=WINDOW.hop_length,
        align="none",
        n_iter=n_iter,
        tolerance=0,
        n_iter_phase=N_PHASE,
        n_iter_waveform=0,
    )
    for title, content, style in clips(seconds):
        began = time.perf_counter()
        for variant, (make, n_seeds) in variants.items():
            for seed in range(n_seeds):
                network = make(seed)
                for strength in strengths:
                    output = transfer(network, content, style, replace(settings, strength=strength))
                    measures = judge(output, content, style)
                    results.append(Result(variant, strength, title, seed, measures))
        print(f"({title}: {time.perf_counter() - began:.0f} s)", flush=True)
    return results


def run(
    description: str,
    name: str,
    variants: Callable[[int], Mapping[str, tuple[Make, int]]],
    differences: Iterable[tuple[str, str]],
) -> None:
    """The command line of an experiment.

    Args:
        description: Its help; the first line is its picture's title.
        name: Its picture's name.
        variants: From the number of seeds to what is compared.
        differences: Pairs of variants of which the second is taken from the first.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.5, 0.8])
    parser.add_argument("--n-iter", type=int, default=30)
    parser.add_argument("--only", default="", help="leave out variants whose name does not begin so")
    parser.add_argument("-o", "--output", type=Path, default=Path(f"docs/images/{name}.png"))
    parser.add_argument("--results", type=Path, help="write every single transfer's measures, JSON lines")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = {name: v for name, v in variants(options.seeds).items() if name.startswith(options.only)}
    results = compare(chosen, options.seconds, options.strengths, options.n_iter)
    if options.results:
        rows = [asdict(r) | {"measures": r.measures._asdict()} for r in results]
        options.results.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    preserved = [
        measures.content_preservation(style, content) for _, content, style in clips(options.seconds)
    ]
    onsets, chroma = (np.mean([of_pair[name] for of_pair in preserved]) for name in ("onsets", "chroma"))
    print(f"{options.seeds} seeds, {len(PAIRS)} pairs of {options.seconds:g} s; mean ± standard error over")
    print("the pairs (in brackets the standard error that comes of the seeds alone).")
    print(f"The style itself would score {onsets:.2f} in onsets and {chroma:.2f} in chroma.\n")
    print(table(results, differences))
    draw(options.output, results, description.splitlines()[0].rstrip("."))
