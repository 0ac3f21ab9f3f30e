"""Page of the benchmark: for each kind of pairs its table, its curves, and players for some of the pairs."""

import math
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from retimbre.report.axes import Mark, marks
from retimbre.report.cards import cards
from retimbre.report.rendering import render_template, split_paragraphs
from retimbre.sound.files import read
from study.estimates import Estimate
from study.figures import FIGURES, Row, by_kind, columns, scale, table
from study.methods import REFERENCES
from study.trials import Trial

PUBLISHED = (
    ("content copied", "1 (14.62 dB)", "1 (.371)", "1 (.5365)"),
    ("Ulyanov-Lebedev, tuned", ".99", ".94", "1.01"),
    ("NMF musaicing", ".99", ".79", "1.20"),
    ("VQ-VAE, trained on thousands of instruments", ".83", ".56", "1.03"),
)
"""Cifka et al. 2021, ICASSP, synthetic test set: LSD, timbre and pitch distance to the target, as ratios to
the content copied. Other songs, and another distance of timbre."""

_N_PLAYED = {"melodic": 2, "percussive": 1, "mixed": 1, "bands": 1}
"""Pairs with players, for the size of the page."""
_ROLES = {method.name: role for method, role in zip(REFERENCES, ("Content", "Style", "Target"), strict=True)}


class _Point(NamedTuple):
    x: Estimate
    y: Estimate
    name: str


def page(title: str, trials: Sequence[Trial], folder: Path, *, intro: str = "") -> str:
    """Write the page.

    Args:
        title: Title and first heading.
        trials: Trials to show, at least one.
        folder: Folder of the page; links to the outputs are relative to it.
        intro: A paragraph under the title; blank lines divide it into several.

    Returns:
        HTML, self-contained but for these links. Every text that is given is escaped.

    Raises:
        DependencyError: ``jinja2`` or ``matplotlib`` is not installed.
    """
    kinds = by_kind(trials)
    return render_template(
        "benchmark.html.j2",
        folder=Path(__file__).parent / "templates",
        title=title,
        paragraphs=split_paragraphs(intro),
        figures=FIGURES,
        methods=list(dict.fromkeys(trial.task.method for trial in trials)),
        kinds=[_kind(kind, ours, folder) for kind, ours in kinds.items()],
        decks=[deck for kind, ours in kinds.items() for deck in _decks(ours, _N_PLAYED[kind])],
        published=PUBLISHED,
    )


def _kind(kind: str, trials: Sequence[Trial], folder: Path) -> dict[str, Any]:
    rows = table(trials)
    shown = columns(rows)
    n_pairs = max(row.n for row in rows)
    return {
        "name": kind.capitalize(),
        "n": n_pairs,
        "scale": scale(trials),
        "figures": shown,
        "rows": [
            {
                "name": row.name,
                "n": row.n,
                "reference": row.method in REFERENCES,
                "cells": [row.figures[figure.name].text(figure.digits) for figure in shown],
            }
            for row in rows
        ],
        "plots": [_plot(kind, rows, style) for style in ("timbre", "gram")],
        "links": [
            {
                "pair": pair.name[0].upper() + pair.name[1:],
                "files": [
                    (t.task.name, quote(t.file.relative_to(folder).as_posix()))
                    for t in trials
                    if t.task.pair == pair
                ],
            }
            for pair in dict.fromkeys(trial.task.pair for trial in trials)
        ],
    }


def _plot(kind: str, rows: Sequence[Row], style: str) -> dict[str, Any]:
    """Lay out style gain over content preservation, in a box of 100 by 100, y downwards.

    Preservation is 1 less the pitch distance to the score between pitched instruments, and the F1 of the
    onsets elsewhere; gain is 1 less a ratio to the content copied.
    """
    series: dict[str, list[_Point]] = {}
    for row in rows:
        if row.method.swept and row.strength is None:  # its own choice: one of its curve's strengths
            continue
        pitch, onsets, far = (row.figures[name] for name in ("pitch", "onsets", style))
        preservation = Estimate(1 - pitch.value, pitch.error, pitch.n) if kind == "melodic" else onsets
        gain = Estimate(1 - far.value, far.error, far.n)
        if not math.isnan(preservation.value + gain.value):
            series.setdefault(row.method.name, []).append(_Point(preservation, gain, row.name))
    low = min([0.0, *(math.floor(4 * p.y.value) / 4 for points in series.values() for p in points)])

    def at(x: float, y: float) -> tuple[float, float]:
        return 100 * min(max(x, 0), 1), 100 * min(max((1 - y) / (1 - low), 0), 1)

    colours = count()
    return {
        "x": marks(1.0),
        "y": [Mark((k / 4 - low) / (1 - low), f"{k / 4:g}") for k in range(round(4 * low), 5)],
        "xlabel": "content preservation: " + ("notes" if kind == "melodic" else "onsets"),
        "ylabel": "style gain: "
        + ("timbre, towards the target" if style == "timbre" else "Gram matrices, towards the style"),
        "series": [
            {
                "name": name,
                "colour": "reference" if name in _ROLES else f"colour-{next(colours) % 6}",
                "role": _ROLES.get(name, "").lower(),
                "line": " ".join("{:.2f},{:.2f}".format(*at(p.x.value, p.y.value)) for p in points),
                "points": [
                    {
                        "at": at(p.x.value, p.y.value),
                        "across": [at(x, p.y.value) for x in _span(p.x)],
                        "up": [at(p.x.value, y) for y in _span(p.y)],
                        "title": f"{p.name}: preservation {p.x.text()}, gain {p.y.text()}",
                    }
                    for p in points
                ],
            }
            for name, points in series.items()
        ],
    }


def _span(estimate: Estimate) -> tuple[float, float]:
    error = 0.0 if math.isnan(estimate.error) else estimate.error
    return estimate.value - error, estimate.value + error


def _decks(trials: Sequence[Trial], n: int) -> list[dict[str, Any]]:
    """Lay out players for the first pairs: each method once, at its own strength or the nearest to it."""
    decks = []
    for pair in list(dict.fromkeys(trial.task.pair for trial in trials))[:n]:
        ours: dict[str, Trial] = {}
        for trial in sorted((t for t in trials if t.task.pair == pair), key=_off):
            ours.setdefault(trial.task.method.name, trial)
        names = dict.fromkeys(trial.task.method.name for trial in trials if trial.task.pair == pair)
        played = {
            "Content": pair.content_instrument,
            "Style": pair.style_instrument,
            "Target": f"{pair.style_instrument}, the content's song",
        }
        shown = []
        for name in names:
            task, role = ours[name].task, _ROLES.get(name, name)
            strength = "" if task.strength is None else f", strength {task.strength:g}"
            caption = played.get(role, task.method.about + strength)
            shown.append((role, caption, "", read(ours[name].file)))
        decks.append(
            {"title": pair.name[0].upper() + pair.name[1:], "kind": pair.kind, "clips": cards(shown)}
        )
    return decks


def _off(trial: Trial) -> float:
    """Measure the distance of a trial's strength from its method's own."""
    own, strength = trial.task.method.settings.strength, trial.task.strength
    return 0.0 if strength is None else 1.0 if own is None else abs(strength - own)
