"""The picture of the benchmark: distances to the target over the seconds that a method takes."""

import math
import os
from collections.abc import Sequence

from retimbre._output import atomic
from retimbre.errors import DependencyError
from study.estimates import Estimate
from study.figures import Row, by_kind, table
from study.methods import METHODS, REFERENCES
from study.trials import Trial

FIGURES = {"lsd": "LSD", "timbre": "timbre"}
"""Figures on the vertical axes, as ratios to the content copied."""


def save_quality(path: str | os.PathLike[str], trials: Sequence[Trial]) -> None:
    """Draw LSD and timbre of every row over the seconds of a core for 10 s of sound, into a PNG.

    A column for each kind of pairs; better is up, on logarithmic scales. Rows of one method at several
    strengths are joined, smaller where a strength was given. Bars are standard errors, cut at .4 of the
    value. The references take no time and are left out: the content copied is the line at 1.

    Args:
        path: Where to write, whole or not at all.
        trials: Trials that are done, at least one.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import NullFormatter, NullLocator
    except ImportError as error:
        raise DependencyError("matplotlib", extra="report") from error
    kinds = {kind: _drawn(table(ours)) for kind, ours in by_kind(trials).items()}
    there = {row.method.name for rows in kinds.values() for row in rows}
    names = [method.name for method in METHODS if method.name in there]
    figure = Figure(figsize=(3.6 * len(kinds) + 1.6, 7.2), layout="constrained")
    axes = figure.subplots(len(FIGURES), len(kinds), squeeze=False)
    for column, (kind, rows) in enumerate(kinds.items()):
        for line, (key, label) in enumerate(FIGURES.items()):
            panel = axes[line][column]
            for number, name in enumerate(names):
                ours = [row for row in rows if row.method.name == name]
                if not ours:
                    continue
                swept = [row for row in ours if row.strength is not None]
                style = {"color": f"C{number % 10}", "marker": "osD^vP"[number % 6]}
                panel.plot(*_places(swept, key), markersize=3.5, linewidth=0.8, alpha=0.7, **style)
                own = [row for row in ours if row.strength is None]
                x, y = _places(own, key)
                errors = [_error(row.figures[key]) for row in own]
                panel.errorbar(x, y, yerr=errors, markersize=7, linewidth=0, elinewidth=1, **style)
            panel.axhline(1, color="0.6", linewidth=0.8, linestyle="--")
            panel.set_xscale("log")
            panel.set_yscale("log")
            low, high = panel.get_ylim()
            panel.set_ylim(high, low)
            ticks = [tick for tick in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2) if low <= tick <= high]
            panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            panel.yaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.grid(alpha=0.25)
            if line == 0:
                panel.set_title(kind)
            if column == 0:
                panel.set_ylabel(label)
    handles = [
        axes[0][0].plot([], [], color=f"C{n % 10}", marker="osD^vP"[n % 6], linewidth=0.8, label=name)[0]
        for n, name in enumerate(names)
    ]
    figure.supylabel("distance to the target, ratio to the content copied (better is up)")
    figure.supxlabel("seconds of a core for 10 s of sound")
    figure.legend(handles=handles, loc="outside right upper", fontsize=9)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=80)


def _drawn(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.method not in REFERENCES and row.figures["pace"].n]


def _places(rows: Sequence[Row], key: str) -> tuple[list[float], list[float]]:
    return [row.figures["pace"].value for row in rows], [row.figures[key].value for row in rows]


def _error(estimate: Estimate) -> float:
    return 0.0 if math.isnan(estimate.error) else min(estimate.error, 0.6 * estimate.value)
