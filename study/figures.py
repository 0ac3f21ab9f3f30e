"""Figures of the benchmark: means over pairs, each with its spread, in a table.

A figure is a mean over the pairs of a kind, or the ratio of that mean to the mean of the content copied, so
that it carries over to other songs. The spread is the standard error by the jackknife over the pairs (Efron
and Tibshirani 1993, chapter 11): another
study would have other pairs. For a mean it is the usual standard error.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from study.methods import COPIED, Method
from study.trials import Trial

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its standard error.

    Args:
        value: The figure; NaN where there is nothing to take it from.
        error: Its standard error; NaN for fewer than two pairs.
        n: Number of pairs.
    """

    value: float
    error: float
    n: int

    def text(self, digits: int = 2) -> str:
        """Format it for a table.

        >>> Estimate(0.734, 0.021, 16).text(), Estimate(1.0, 0.0, 16).text()
        ('.73 ± .02', '1')
        """
        if math.isnan(self.value):
            return "-"
        if max(abs(self.value), self.error) < 1e-6 or (self.value, self.error) == (1, 0):  # by definition
            return f"{self.value:.0f}"
        value = _number(self.value, digits)
        return value if math.isnan(self.error) else f"{value} ± {_number(self.error, digits)}"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


@dataclass(frozen=True)
class Figure:
    """A column of the table.

    Args:
        name: Its key.
        head: Its heading.
        about: Description, in a sentence without its stop.
        of: From a trial to its value; ``None`` where the pair has none.
        relative: Whether it is a ratio to the content copied.
        digits: Digits after the point.
        unit: Unit of the two quantities of a ratio.
        unit_digits: Digits after the point in that unit.
    """

    name: str
    head: str
    about: str
    of: Callable[[Trial], float | None]
    relative: bool = False
    digits: int = 2
    unit: str = ""
    unit_digits: int = 2


def _measure(group: str, name: str) -> Callable[[Trial], float | None]:
    return lambda trial: trial.measures.get(group, {}).get(name)


FIGURES = (
    Figure(
        "lsd",
        "LSD",
        "log-spectral distance to the target, ratio to the content copied",
        _measure("target_distance", "lsd"),
        relative=True,
        unit=" dB",
        unit_digits=1,
    ),
    Figure(
        "timbre",
        "timbre",
        "Frechet distance of the MFCC to the target's, ratio to the content copied",
        _measure("target_distance", "timbre"),
        relative=True,
        unit_digits=0,
    ),
    Figure(
        "pitch",
        "pitch",
        "pitch distance of a transcription to the score; the target's own is the bound",
        _measure("score_distance", "pitch"),
    ),
    Figure(
        "onsets",
        "onset F1",
        "F1 of the onsets to the content's",
        _measure("content_preservation", "onset_f1"),
    ),
    Figure(
        "gram",
        "Gram",
        "distance of the Gram matrices in a held-out network to the style's, ratio to the content copied",
        _measure("style_distance", "gram"),
        relative=True,
    ),
    Figure("pace", "s per 10 s", "seconds of one core for 10 s of sound", lambda trial: trial.pace or None),
)
"""Columns of the table. Lower is better, but for the onsets."""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Args:
        method: Method of the trials.
        strength: Their strength; ``None`` where there is none.
        n: Number of pairs that are done.
        figures: Estimates by name of the figure.
    """

    method: Method
    strength: float | None
    n: int
    figures: dict[str, Estimate]

    @property
    def name(self) -> str:
        """Name of the method, with the strength if it has one."""
        if self.strength is None:
            return self.method.name
        return f"{self.method.name}, {self.strength:g}".replace(" 0.", " .")


def mean(values: Sequence[float]) -> Estimate:
    """Estimate the mean of values over pairs."""
    return jackknife(lambda column: float(column.mean()), values)


def ratio(values: Sequence[float], references: Sequence[float]) -> Estimate:
    """Estimate the ratio of two means over the same pairs."""
    return jackknife(lambda ours, theirs: float(ours.mean() / theirs.mean()), values, references)


def jackknife(statistic: Callable[..., float], *columns: Sequence[float]) -> Estimate:
    """Estimate a statistic of n pairs, and its standard error from its values without each pair in turn.

    ``sqrt((n - 1) / n * sum over i of (s_i - mean of s)^2)`` for s_i without pair i.

    >>> round(jackknife(lambda x: float(x.mean()), [1.0, 2.0, 3.0, 4.0]).error, 3)  # sqrt(5 / 3) / 2
    0.645
    """
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    n = len(arrays[0])
    if n == 0:
        return Estimate(math.nan, math.nan, 0)
    value = statistic(*arrays)
    if n == 1:
        return Estimate(value, math.nan, 1)
    without = np.array([statistic(*(np.delete(array, i) for array in arrays)) for i in range(n)])
    error = float(np.sqrt((n - 1) / n * np.square(without - without.mean()).sum()))
    return Estimate(value, error, n)


def table(trials: Sequence[Trial]) -> list[Row]:
    """Sort trials of one kind of pairs into rows: one for each method, or for each of its strengths.

    Ratios are over the pairs of which the content copied is done as well.
    """
    by_row: dict[tuple[str, float | None], list[Trial]] = {}
    for trial in trials:
        by_row.setdefault((trial.task.method.name, trial.task.strength), []).append(trial)
    copied = {trial.task.pair.slug: trial for trial in by_row.get((COPIED, None), [])}
    return [
        Row(
            ours[0].task.method,
            strength,
            len(ours),
            {figure.name: _estimate(figure, ours, copied) for figure in FIGURES},
        )
        for (_, strength), ours in by_row.items()
    ]


def _estimate(figure: Figure, trials: Sequence[Trial], copied: dict[str, Trial]) -> Estimate:
    values = {t.task.pair.slug: value for t in trials if (value := figure.of(t)) is not None}
    if not figure.relative:
        return mean(list(values.values()))
    references = {slug: value for slug in values if slug in copied and (value := figure.of(copied[slug]))}
    return ratio([values[slug] for slug in references], list(references.values()))


def scale(trials: Sequence[Trial]) -> str:
    """Format the means of the content copied, the denominators of the ratios."""
    copied = [trial for trial in trials if trial.task.method.name == COPIED]
    parts = []
    for figure in FIGURES:
        if figure.relative and copied:
            found = mean([value for trial in copied if (value := figure.of(trial)) is not None])
            parts.append(f"{figure.head} {found.text(figure.unit_digits)}{figure.unit}")
    return ", ".join(parts)


def markdown(trials: Sequence[Trial]) -> str:
    """Format the table of each kind of pairs as Markdown."""
    parts = []
    for kind, ours in by_kind(trials).items():
        rows = table(ours)
        n_pairs = max(row.n for row in rows)
        lines = [
            f"**{kind.capitalize()}**, {n_pairs} pair{'s' * (n_pairs != 1)}; content copied: {scale(ours)}",
            "",
            f"| method | {' | '.join(figure.head for figure in FIGURES)} |",
            "|---" * (1 + len(FIGURES)) + "|",
        ]
        for row in rows:
            name = row.name + (f" ({row.n} pairs)" if row.n < n_pairs else "")
            cells = [row.figures[figure.name].text(figure.digits) for figure in FIGURES]
            lines.append(f"| {' | '.join([name, *cells])} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def by_kind(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Group trials by the kind of their pairs: means over different kinds mean nothing."""
    kinds: dict[str, list[Trial]] = {}
    for trial in trials:
        kinds.setdefault(trial.task.pair.kind, []).append(trial)
    return kinds
