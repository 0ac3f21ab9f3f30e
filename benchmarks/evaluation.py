"""One evaluation of the shallow network's objective against its matrix products alone.

    python benchmarks/evaluation.py [--seconds 10] [--filters 2048] [--repeat 5]

Counts the multiplications of one loss and gradient, times them, and times plain matrix products of
the same sizes in the same run. Repeats are interleaved and the fastest of each counts: other
programs on the machine only ever add time. The ratio is the figure; absolute times depend on
the machine.
"""

import argparse
import platform
import time
from collections.abc import Callable

import torch

from retimbre.networks import build
from retimbre.objective.losses import NetworkTerms, Objective, Style
from retimbre.settings import Settings

RATE, CPU = 22_050, torch.device("cpu")
Product = tuple[int, int, int]  # (m, k, n): an m x k times a k x n matrix


def products(settings: Settings, n_bins: int, n_frames: int) -> list[Product]:
    """Matrix products of one evaluation: loss and gradient.

    Each convolution is one product forward and one backward, to its input; weights are frozen. Each
    layer's style loss in its T x T form is two products forward and, for its gradient, one of
    the frames with the 2 T x T weights of the own and the target's frames.
    """
    sizes: list[Product] = []
    channels, filters, taps = n_bins, settings.filters, settings.taps
    for _ in range(settings.layers):
        sizes += [(n_frames, channels * taps, filters), (n_frames, filters, channels * taps)]
        channels = filters
        sizes += [(n_frames, filters, n_frames)] * 2 + [(filters, 2 * n_frames, n_frames)]
    return sizes


def floor(sizes: list[Product]) -> Callable[[], None]:
    """Plain matrix products of these sizes, with operands made beforehand, in the faster orientation."""
    operands = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in sizes]

    def run() -> None:
        for a, b in operands:
            torch.mm(a, b)

    return run


def transposed(sizes: list[Product]) -> list[Product]:
    """Give the same products as (B^T A^T): a library may be faster at one than at the other."""
    return [(n, k, m) for m, k, n in sizes]


def evaluation(settings: Settings, n_bins: int, n_frames: int) -> Callable[[], None]:
    """Loss and gradient of the objective as a transfer runs them."""
    generator = torch.Generator().manual_seed(0)
    content, style = (torch.rand(n_bins, n_frames, generator=generator) for _ in range(2))
    objective = Objective(NetworkTerms(build(settings, n_bins, CPU), content, Style([(style, 1.0)])))
    x = content.clone().requires_grad_()

    def run() -> None:
        x.grad = None
        objective.total(objective.terms(x)).backward()  # type: ignore[no-untyped-call]

    return run


def fastest(runs: dict[str, Callable[[], None]], repeat: int) -> dict[str, float]:
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--filters", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    settings = Settings(filters=arguments.filters)
    n_bins = settings.n_fft // 2 + 1
    n_frames = 1 + round(arguments.seconds * RATE) // settings.hop_length
    sizes = products(settings, n_bins, n_frames)
    operations = sum(2 * m * k * n for m, k, n in sizes)
    best = fastest(
        {
            "evaluation": evaluation(settings, n_bins, n_frames),
            "products": floor(sizes),
            "products, transposed": floor(transposed(sizes)),
        },
        arguments.repeat,
    )
    least = min(best["products"], best["products, transposed"])
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(
        f"{settings.layers} x {settings.filters} filters, {settings.taps} taps, F = {n_bins}, T = {n_frames}"
    )
    print(f"operations of one evaluation      {operations / 1e9:8.1f} G")
    for name, seconds in best.items():
        print(f"{name:<33} {1e3 * seconds:8.0f} ms  {operations / seconds / 1e9:6.0f} G/s")
    print(f"ratio of evaluation to products   {best['evaluation'] / least:8.2f}")


if __name__ == "__main__":
    main()
