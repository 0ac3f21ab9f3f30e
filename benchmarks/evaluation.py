"""One evaluation of the objective (loss and gradient) against its matrix products alone.

    python benchmarks/evaluation.py [--seconds 10] [--repeat 5] [--networks kernel shallow naive]

For the kernel, the shallow network and its naive form (plain conv1d, F x F Gram matrices): the operations
of its matrix products are counted, the evaluation is timed, and plain matrix products of the same sizes are
timed in the same run. Repeats are interleaved and the fastest of each counts, because other programs on
the machine only ever add time. The ratios are the figures; absolute times depend on the machine.
"""

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.losses.gram import gram
from retimbre.losses.kernel import KernelStyle
from retimbre.losses.terms import NetworkStyle, Objective, Style, Terms
from retimbre.networks.registry import make_network
from retimbre.networks.shallow import Shallow
from retimbre.settings import Settings

RATE, CPU = 22_050, torch.device("cpu")
Product = tuple[int, int, int]  # (m, k, n): an m x k times a k x n matrix
Run = Callable[[], None]


def kernel_products(settings: Settings, n_bins: int, n_frames: int) -> list[Product]:
    """The clip with itself and with the style, and the gradient of each."""
    return [(n_frames, n_bins, n_frames)] * 2 + [(n_bins, n_frames, n_frames)] * 2


def shallow_products(settings: Settings, n_bins: int, n_frames: int) -> list[Product]:
    """Each convolution forward, and backward to its input; each layer's T x T products and their gradient."""
    sizes = _convolutions(settings, n_bins, n_frames)
    n = settings.filters
    return sizes + settings.layers * [
        (n_frames, n, n_frames),
        (n_frames, n, n_frames),
        (n, 2 * n_frames, n_frames),
    ]


def naive_products(settings: Settings, n_bins: int, n_frames: int) -> list[Product]:
    """Each convolution forward and backward; each layer's Gram matrix and its gradient."""
    n = settings.filters
    return _convolutions(settings, n_bins, n_frames) + settings.layers * [(n, n_frames, n), (n, n, n_frames)]


def _convolutions(settings: Settings, n_bins: int, n_frames: int) -> list[Product]:
    sizes, channels, filters, taps = [], n_bins, settings.filters, settings.taps
    for _ in range(settings.layers):
        sizes += [(n_frames, channels * taps, filters), (n_frames, filters, channels * taps)]
        channels = filters
    return sizes


PRODUCTS = {"kernel": kernel_products, "shallow": shallow_products, "naive": naive_products}


def floor(sizes: list[Product], *, transposed: bool) -> Run:
    """Plain matrix products of these sizes; or transposed (B^T A^T), which may be faster or slower."""
    shapes = [(n, k, m) if transposed else (m, k, n) for m, k, n in sizes]
    operands = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in shapes]

    def run() -> None:
        for a, b in operands:
            torch.mm(a, b)

    return run


def naive_terms(network: Shallow, content: Tensor, style: Tensor) -> Callable[[Tensor], Terms]:
    """Write the objective out with conv1d and whole Gram matrices."""
    weights = [w.reshape(len(w), network.taps, -1).transpose(1, 2).contiguous() for w in network.buffers()]

    def features(x: Tensor) -> list[Tensor]:
        layers = [x[None]]
        for weight in weights:
            layers.append(functional.conv1d(layers[-1], weight, padding=network.taps // 2).relu())
        return [layer[0] for layer in layers[1:]]

    with torch.no_grad():
        wanted, grams = features(content)[-1], [gram(h) for h in features(style)]
    norms = [g.square().sum() for g in grams]

    def terms(x: Tensor) -> Terms:
        heard = features(x)
        styles = [(gram(h) - g).square().sum() / n for h, g, n in zip(heard, grams, norms, strict=True)]
        return Terms((heard[-1] - wanted).square().sum() / wanted.square().sum(), torch.stack(styles).mean())

    return terms


def evaluation(name: str, settings: Settings, n_bins: int, n_frames: int) -> Run:
    """Loss and gradient as a transfer runs them."""
    generator = torch.Generator().manual_seed(0)
    content, style = (torch.rand(n_bins, n_frames, generator=generator) for _ in range(2))
    mix = Style([(style, 1.0)])
    terms: Callable[[Tensor], Terms]
    if name == "kernel":
        terms = KernelStyle(mix, layers=settings.layers, taps=settings.taps).terms(content)
    else:
        network = make_network(replace(settings, network="shallow"), n_bins, CPU)
        assert isinstance(network, Shallow)
        if name == "shallow":
            terms = NetworkStyle(network, mix).terms(content)
        else:
            terms = naive_terms(network, content, style)
    objective = Objective(terms)
    x = content.clone().requires_grad_()

    def run() -> None:
        x.grad = None
        objective.total(objective.terms(x)).backward()  # type: ignore[no-untyped-call]

    return run


def fastest(runs: dict[str, Run], repeat: int) -> dict[str, float]:
    """Seconds of the fastest of each, taken in turn after one warm-up."""
    best = dict.fromkeys(runs, float("inf"))
    for i in range(repeat + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if i:
                best[name] = min(best[name], time.perf_counter() - began)
    return best


def main() -> None:
    """Print one line per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--filters", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--networks", nargs="+", choices=list(PRODUCTS), default=list(PRODUCTS))
    arguments = parser.parse_args()
    settings = Settings(filters=arguments.filters)
    n_bins = settings.n_fft // 2 + 1
    n_frames = 1 + round(arguments.seconds * RATE) // settings.hop_length
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"2 layers, {settings.filters} filters, {settings.taps} taps, F = {n_bins}, T = {n_frames}")
    print("network   operations (G)   evaluation (ms)   its products alone (ms)   ratio")
    times = {}
    for name in arguments.networks:
        sizes = PRODUCTS[name](settings, n_bins, n_frames)
        # The fast one is repeated more often, for as steady a figure.
        best = fastest(
            {
                "evaluation": evaluation(name, settings, n_bins, n_frames),
                "products": floor(sizes, transposed=False),
                "transposed": floor(sizes, transposed=True),
            },
            arguments.repeat * (10 if name == "kernel" else 1),
        )
        least = min(best["products"], best["transposed"])
        operations = sum(2 * m * k * n for m, k, n in sizes) / 1e9
        times[name] = best["evaluation"]
        print(
            f"{name:<9} {operations:14.1f} {1e3 * best['evaluation']:17.1f} {1e3 * least:25.1f} "
            f"{best['evaluation'] / least:7.2f}"
        )
    for other in ("shallow", "naive"):
        if "kernel" in times and other in times:
            print(
                f"the kernel's evaluation is {times[other] / times['kernel']:.0f} times faster than {other}"
            )


if __name__ == "__main__":
    main()
