"""Ratings of a listening test: what listeners sent to means with confidence intervals.

A listener is one observation: ratings are averaged over a listener's trials first, and the interval is
Student's over listeners. Those who do not hear the hidden reference are left out (BS.1534-3, post-screening).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from retimbre.apps.listening import tables
from retimbre.apps.listening.sounds import REFERENCE
from retimbre.apps.listening.trials import Description
from retimbre.errors import InputError, shown

LEAST = 90.0
"""Rating under which a hidden reference counts as missed."""

MISSED = 0.15
"""Share of trials with a missed reference over which a listener is left out."""

CONFIDENCE = 0.95

_START = 100.0

Ratings = dict[str, dict[tuple[str, str], float]]
"""By listener, and by trial and name of the sound: 0 to 100."""


@dataclass(frozen=True)
class ConditionRating:
    """Mean rating of a condition.

    Attributes:
        condition: Its name.
        n: Number of listeners who rated it.
        mean: Mean over listeners, 0 to 100.
        half: Half of its confidence interval; ``None`` for one listener.
    """

    condition: str
    n: int
    mean: float
    half: float | None


def read(files: Iterable[Path], test: Description) -> Ratings:
    """Read what webMUSHRA (``mushra.csv``) or pymushra (its database) wrote of a test; other tests are left.

    A listener is told by configuration and answers, of which the word for oneself is one.

    Raises:
        InputError: no such file; a trial, name or rating that the test cannot have given; a sound that one
            listener rated twice; nothing of this test.
    """
    found: Ratings = defaultdict(dict)
    for row in (row for path in files for row in tables.rows(path, test)):
        if row.name not in test.trials.get(row.trial, ()):
            given = f"{shown(row.name)} of {shown(row.trial)}"
            raise InputError(f"{row.at} rates {given}: expected a sound of this test")
        if (row.trial, row.name) in found[row.listener]:
            raise InputError(
                f"{row.at} is the second rating of {row.name} of {row.trial} by {shown(row.listener)}: "
                "expected one; keep one of the two, and let each listener use a configuration, or a word, of "
                "their own"
            )
        found[row.listener][row.trial, row.name] = _score(row.score, row.at)
    if not found:
        raise InputError(f"the files have no ratings of {test.name}: expected those of a listener at least")
    return dict(found)


def _score(text: str, at: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 100:
        given = shown(text) if math.isnan(score) else f"{score:g}"
        raise InputError(f"{at} has the rating {given}: expected a number from 0 to 100")
    return score


def missed(ratings: Ratings) -> dict[str, float]:
    """Give the share of missed references of the listeners who are to be left out."""
    shares = {}
    for listener, scores in ratings.items():
        references = [score for (_, name), score in scores.items() if name == REFERENCE]
        if not references:
            raise InputError(f"the listener {shown(listener)} rated no reference: expected whole tables")
        share = sum(score < LEAST for score in references) / len(references)
        if share > MISSED:
            shares[listener] = share
    return shares


def untouched(ratings: Ratings) -> list[tuple[str, str]]:
    """Give listeners and trials in which every sound has the rating where webMUSHRA's sliders start."""
    pages: dict[tuple[str, str], list[float]] = defaultdict(list)
    for listener, scores in ratings.items():
        for (trial, _), score in scores.items():
            pages[listener, trial].append(score)
    return [page for page, scores in pages.items() if set(scores) == {_START}]


def table(ratings: Ratings) -> list[ConditionRating]:
    """Average the ratings of every condition, the highest mean first."""
    by_condition: dict[str, list[float]] = defaultdict(list)
    for scores in ratings.values():
        own: dict[str, list[float]] = defaultdict(list)
        for (_, name), score in scores.items():
            own[name].append(score)
        for name, values in own.items():
            by_condition[name].append(mean(values))
    rows = [
        ConditionRating(name, len(values), mean(values), _half(values))
        for name, values in by_condition.items()
    ]
    return sorted(rows, key=lambda row: (-row.mean, row.condition))


def _half(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    return student(len(values) - 1, CONFIDENCE) * stdev(values) / math.sqrt(len(values))


def student(freedom: int, confidence: float) -> float:
    """Give t with ``P(|T| < t) = confidence`` for Student's distribution.

    With ``t = sqrt(freedom) tan a`` the density is ``cos(a)^(freedom - 1)``, which is integrated by the
    trapezium rule; scipy, which has it, is no requirement of the package.

    Args:
        freedom: Degrees of freedom, at least 1.
        confidence: Probability, over 0 and under 1.

    >>> round(student(9, 0.95), 3)
    2.262
    """
    angles = np.linspace(0, np.pi / 2, 100_001)
    density = np.cos(angles) ** (freedom - 1)
    within = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(math.sqrt(freedom) * np.tan(np.interp(confidence, within / within[-1], angles)))
