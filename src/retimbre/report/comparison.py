"""Page of networks compared: the same pair by each, to switch between them while the music goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from retimbre.metrics import measures
from retimbre.report.cards import ClipCard, cards
from retimbre.report.loss_curve import loss_curve
from retimbre.report.rendering import render_template, require, settings_rows, split_paragraphs
from retimbre.result import Result
from retimbre.sound.audio import Audio

UNTRAINED = "untrained: random weights"
"""Weights of a network that is meant to be trained and was used without trained weights."""


@dataclass(frozen=True)
class Score:
    """Holds the measures of an output that make up its balance.

    Args:
        preservation: :func:`retimbre.metrics.measures.content_preservation`.
        gain: :func:`retimbre.metrics.measures.style_gain`.
    """

    preservation: Mapping[str, float]
    gain: Mapping[str, float]

    @classmethod
    def of(cls, output: Audio, style: Audio, content: Audio) -> "Score":
        """Measure an output."""
        names = measures.BALANCE_TERMS
        return cls(
            measures.content_preservation(output, content, names=names),
            measures.style_gain(output, style, content, names=names),
        )

    @property
    def means(self) -> tuple[float, float]:
        """Mean content preservation and mean style gain."""
        return measures.mean_balance_term(self.preservation), measures.mean_balance_term(self.gain)

    @property
    def balance(self) -> float:
        """Harmonic mean of the two means."""
        return measures.balance(self.preservation, self.gain)


@dataclass(frozen=True)
class NetworkTrial:
    """The transfer of a pair by one network.

    Args:
        network: Name of the network.
        weights: ``"trained"``, :data:`UNTRAINED`, or ``"none"``.
        result: Full run, at the best strength of the sweep.
        score: Measures of its output.
        sweep: Measures of the short runs, by strength.
        sweep_seconds: Duration of the short runs.
        file: Name of the output beside the page.
    """

    network: str
    weights: str
    result: Result
    score: Score
    sweep: Mapping[float, Score]
    sweep_seconds: float
    file: str


@dataclass(frozen=True)
class Comparison:
    """Several networks on the same pair.

    Args:
        title: Heading.
        content: The content clip.
        style: The style clip.
        trials: One per network.
        note: A sentence or two under the heading.
        files: Names of the content and the style beside the page.
    """

    title: str
    content: Audio
    style: Audio
    trials: Sequence[NetworkTrial]
    note: str = ""
    files: tuple[str, str] = ("", "")


def page(title: str, comparisons: Sequence[Comparison], *, intro: str = "") -> str:
    """Write the page.

    Args:
        title: Title and first heading.
        comparisons: Pairs to show, at least one, each with at least one trial.
        intro: A paragraph under the title; blank lines divide it into several.

    Returns:
        HTML, self-contained. Every text that is given is escaped.

    Raises:
        DependencyError: ``jinja2`` or ``matplotlib`` is not installed.
    """
    require()
    settings = comparisons[0].trials[0].result.settings
    varied = ("network", "strength", "random_weights")  # differ by network, and are in the tables
    return render_template(
        "compare.html.j2",
        title=title,
        paragraphs=split_paragraphs(intro),
        overall=_overall(comparisons) if len(comparisons) > 1 else None,
        pairs=[_view(comparison) for comparison in comparisons],
        settings=[row for row in settings_rows(settings) if row["name"] not in varied],
        untrained=UNTRAINED,
    )


def _overall(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Average over the pairs, for each network that has done them all."""
    rows = []
    for first in comparisons[0].trials:
        trials = [t for c in comparisons for t in c.trials if t.network == first.network]
        if len(trials) < len(comparisons):
            continue
        preservation, gain = zip(*(t.score.means for t in trials), strict=True)
        rows.append(
            {
                "network": first.network,
                "weights": first.weights,
                "preservation": _number(fmean(preservation)),
                "gain": _number(fmean(gain)),
                "balance": _number(fmean(t.score.balance for t in trials)),
                "pace": f"{fmean(_pace(t) for t in trials):.1f} s",
            }
        )
    return rows


def _view(comparison: Comparison) -> dict[str, Any]:
    return {
        "title": comparison.title,
        "note": comparison.note,
        "clips": _clips(comparison),
        "trials": [_trial(trial) for trial in comparison.trials],
        "strengths": [f"{strength:g}" for strength in comparison.trials[0].sweep],
    }


def _clips(comparison: Comparison) -> list[ClipCard]:
    shown = [
        ("Content", "what to keep", comparison.files[0], comparison.content),
        ("Style", "what to sound like", comparison.files[1], comparison.style),
    ]
    for trial in comparison.trials:
        caption = f"strength {trial.result.settings.strength:g}"
        if trial.weights == UNTRAINED:
            caption += f", {UNTRAINED}"
        shown.append((trial.network, caption, trial.file, trial.result.audio))
    return cards(shown)


def _trial(trial: NetworkTrial) -> dict[str, Any]:
    result = trial.result
    return {
        "network": trial.network,
        "weights": trial.weights,
        "strength": f"{result.settings.strength:g}",
        **_scores(trial.score),
        "evaluations": len(result.steps),
        "seconds": f"{result.seconds:.1f} s",
        "pace": f"{_pace(trial):.1f} s",
        "sweep_seconds": f"{trial.sweep_seconds:.1f} s",
        "sweep": [
            _scores(score) | {"best": strength == result.settings.strength}
            for strength, score in trial.sweep.items()
        ],
        "curve": loss_curve(result),
        "first": f"{result.steps[0].loss:.3g}" if result.steps else "",
        "last": f"{result.steps[-1].loss:.3g}" if result.steps else "",
    }


def _scores(score: Score) -> dict[str, Any]:
    preservation, gain = score.means
    return {
        "preservation": _number(preservation),
        "preservation_terms": {name: _number(value) for name, value in score.preservation.items()},
        "gain": _number(gain),
        "gain_terms": {name: _number(value) for name, value in score.gain.items()},
        "balance": _number(score.balance),
    }


def _pace(trial: NetworkTrial) -> float:
    return trial.result.seconds / trial.result.audio.seconds


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
