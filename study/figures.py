"""Figures of the benchmark: means over pairs, each with its spread, in a table.

A figure is a mean over the pairs of a kind, or the ratio of that mean to the mean of the content copied, so
that it carries over to other songs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from study.estimates import Estimate, mean, ratio
from study.methods import COPIED, Method
from study.trials import Trial


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
    Figure(
        "recognised",
        "recognised",
        "likelihood of the style's instrument among 22, by a judge trained on other music",
        _measure("heard", "recognised"),
    ),
    Figure(
        "first",
        "first",
        "share of the pairs on which that judge takes the style's instrument to be the likeliest",
        _measure("heard", "first"),
    ),
    Figure(
        "envelope",
        "envelope",
        "distance of the envelopes of the notes' partials to the target's, ratio to the content copied",
        _measure("envelope", "error"),
        relative=True,
        unit=" dB",
        unit_digits=1,
    ),
    Figure(
        "noise",
        "noise, dB",
        "level of the noise between the partials less the target's; best at 0",
        _measure("envelope", "noise"),
        digits=1,
    ),
    Figure(
        "noise_absolute",
        "noise off, dB",
        "the same by octaves without signs, so that too much on one pair and too little on another add up",
        _measure("envelope", "noise_absolute"),
        digits=1,
    ),
    Figure(
        "stroke",
        "stroke",
        "distance of the strokes' spectra over 200 ms to the target's, ratio to the content copied",
        _measure("strokes", "stroke"),
        relative=True,
        unit=" dB",
        unit_digits=1,
    ),
    Figure(
        "fall",
        "fall",
        "distance of the times in which strokes fall by 20 dB to the target's, ratio to the content copied",
        _measure("strokes", "fall"),
        relative=True,
        unit=" octaves",
    ),
    Figure(
        "cifka_lsd",
        "LSD by \u010c.",
        "log-spectral distance to the target by the definition of Cifka et al. 2021, ratio",
        _measure("cifka", "lsd"),
        relative=True,
        unit=" dB",
        unit_digits=1,
    ),
    Figure(
        "cifka_timbre",
        "timbre by \u010c.",
        "cosine distance to the target's timbre in a network of triplets by Cifka et al. 2021, ratio",
        _measure("cifka", "timbre"),
        relative=True,
    ),
    Figure(
        "cifka_pitch",
        "pitch by \u010c.",
        "Jaccard distance of the transcribed pitches to the target's by Cifka et al. 2021, ratio",
        _measure("cifka", "pitch"),
        relative=True,
    ),
    Figure("pace", "s per 10 s", "seconds of one core for 10 s of sound", lambda trial: trial.pace or None),
)
"""Columns of the table. Lower is better, but for the onsets and what is recognised, where higher is; noise is
best at 0."""


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
        values = [value for trial in copied if (value := figure.of(trial)) is not None]
        if figure.relative and values:
            found = mean(values)
            parts.append(f"{figure.head} {found.text(figure.unit_digits)}{figure.unit}")
    return ", ".join(parts)


def columns(rows: Sequence[Row]) -> list[Figure]:
    """List the figures of which some row has a value."""
    return [figure for figure in FIGURES if any(row.figures[figure.name].n for row in rows)]


def markdown(trials: Sequence[Trial]) -> str:
    """Format the table of each kind of pairs as Markdown."""
    parts = []
    for kind, ours in by_kind(trials).items():
        rows = table(ours)
        shown = columns(rows)
        n_pairs = max(row.n for row in rows)
        lines = [
            f"**{kind.capitalize()}**, {n_pairs} pair{'s' * (n_pairs != 1)}; content copied: {scale(ours)}",
            "",
            f"| method | {' | '.join(figure.head for figure in shown)} |",
            "|---" * (1 + len(shown)) + "|",
        ]
        for row in rows:
            name = row.name + (f" ({row.n} pairs)" if row.n < n_pairs else "")
            cells = [row.figures[figure.name].text(figure.digits) for figure in shown]
            lines.append(f"| {' | '.join([name, *cells])} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def by_kind(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Group trials by the kind of their pairs: means over different kinds mean nothing."""
    kinds: dict[str, list[Trial]] = {}
    for trial in trials:
        kinds.setdefault(trial.task.pair.kind, []).append(trial)
    return kinds
