"""Measured transfers as tables with errors and as a picture.

Errors are over the pairs of clips, each the mean of its seeds: pairs are what another user would change.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

HEADS = ("onsets", "chroma", "MFCC dB", "spectrum dB")
Array = npt.NDArray[np.float64]


class Measures(NamedTuple):
    """Content preservation (1 is all) and distance from the style (dB, 0 is that of the content)."""

    onsets: float
    chroma: float
    timbre: float
    spectrum: float


@dataclass(frozen=True)
class Result:
    """One transfer, measured."""

    variant: str
    strength: float
    pair: str
    seed: int
    measures: Measures


class Estimate(NamedTuple):
    """A mean and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.error:.2f}"


def measured(results: Iterable[Result], variant: str, strength: float) -> Array:
    """Measures of one variant and strength, (pairs, seeds, 4)."""
    found = {(r.pair, r.seed): r.measures for r in results if (r.variant, r.strength) == (variant, strength)}
    pairs, seeds = (dict.fromkeys(keys) for keys in zip(*found, strict=True))
    return np.array([[found[pair, seed] for seed in seeds] for pair in pairs])


def estimates(values: Array) -> list[Estimate]:
    """Mean of the rows of (n, 4), at least two, and its standard error."""
    errors = values.std(axis=0, ddof=1) / math.sqrt(len(values))
    return [Estimate(float(m), float(e)) for m, e in zip(values.mean(axis=0), errors, strict=True)]


def table(results: Sequence[Result], differences: Iterable[tuple[str, str]]) -> str:
    """Means, and differences of two variants, pair by pair, in Markdown.

    In brackets stands the standard error that comes of the seeds alone, where there are several. A difference
    is starred where it is beyond 5 % of Student's t on the pairs (two-sided).
    """
    from scipy.stats import t

    variants, strengths = _axes(results)
    rule = "|---" * (2 + len(HEADS)) + "|"
    lines = [_row("strength", "network", HEADS), rule]
    for strength in strengths:
        for variant in variants:
            values = measured(results, variant, strength)
            cells = [str(e) for e in estimates(values.mean(axis=1))]
            if values.shape[1] > 1:
                seeds = estimates(values.mean(axis=0))
                cells = [f"{cell} ({e.error:.2f})" for cell, e in zip(cells, seeds, strict=True)]
            lines.append(_row(f"{strength:g}", variant, cells))
    differences = [pair for pair in differences if set(pair) <= set(variants)]
    if differences:
        lines += ["", _row("strength", "difference", HEADS), rule]
    for strength in strengths:
        for variant, other in differences:
            one, two = (measured(results, v, strength).mean(axis=1) for v in (variant, other))
            limit = t.ppf(0.975, len(one) - 1)
            cells = [f"{e}{'*' if abs(e.mean) > limit * e.error else ''}" for e in estimates(one - two)]
            lines.append(_row(f"{strength:g}", f"{variant} - {other}", cells))
    return "\n".join(lines)


def _axes(results: Iterable[Result]) -> tuple[list[str], list[float]]:
    """Variants as they come, strengths in order."""
    variants, strengths = zip(*((r.variant, r.strength) for r in results), strict=True)
    return list(dict.fromkeys(variants)), sorted(set(strengths))


def _row(*cells: str | Iterable[str]) -> str:
    flat = [c for cell in cells for c in ([cell] if isinstance(cell, str) else cell)]
    return "| " + " | ".join(flat) + " |"


def draw(path: Path, results: Sequence[Result], title: str) -> None:
    """Draw content preservation against the distance from the style, a line for each variant."""
    from matplotlib.figure import Figure

    variants, strengths = _axes(results)
    sizes = np.linspace(60, 15, len(strengths))[::-1]  # of a marker's area
    figure = Figure(figsize=(10, 5), layout="constrained")
    shown = ", ".join(f"{strength:g}" for strength in strengths)
    figure.suptitle(f"{title}\nstrength {shown}: the larger the marker, the higher", fontsize="medium")
    panels = (("onsets", 0, "MFCC distance", 2), ("chroma", 1, "spectrum distance", 3))
    for axes, (kept, i, reached, j) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.axhline(0, color="grey", linewidth=0.8, linestyle=":")
        for n, variant in enumerate(variants):
            points = [estimates(measured(results, variant, s).mean(axis=1)) for s in strengths]
            x, y = ([point[k].mean for point in points] for k in (i, j))
            bars = {f"{axis}err": [point[k].error for point in points] for axis, k in (("x", i), ("y", j))}
            look = {"color": f"C{n}", "zorder": 3}
            axes.errorbar(x, y, **bars, fmt="none", ecolor=f"C{n}", elinewidth=0.8, alpha=0.5)
            axes.plot(x, y, linewidth=1, **look)
            axes.scatter(x, y, s=sizes, marker="os^Dv*Px"[n % 8], label=variant, **look)
        axes.set_xlabel(f"{kept} kept (right is more of the content)")
        axes.set_ylabel(f"{reached}, dB (up is nearer to the style)")
        axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
