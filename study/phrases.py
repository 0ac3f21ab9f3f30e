"""The copy check by phrases: ``python -m study.phrases [--pairs tune|report]``.

A transfer that replays a style's notes must not replay its song. Counted is how often two neighbouring notes
of the output are neighbours in the style, in the same order, as :class:`retimbre.alignment.sampler.Sampler`
chooses them for the melodic pairs. Notes that start together are one chord; the neighbours of a note are the
notes of the next chord.

Some are neighbours by chance, most of all where few notes of the style are used. Chance is estimated in two
ways, each from ``N_DRAWN`` draws: the choices in a random order, and the style's chords in a random order
under the same choices, which keeps notes that are repeated. Where both songs move by steps there are more
than either says, whatever the order; as many are then found backwards too, from a note to the one before.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retimbre.alignment.sampler import Sampler, wanted_notes
from study.events import passage_of
from study.pairs import PAIRS, Pair

Integers = npt.NDArray[np.int64]

N_DRAWN = 1000
"""Random orders: the share of those that reach what was observed is exact to .016."""

_TOGETHER = 0.03  # seconds within which onsets are one chord's, as where the notes are isolated


def chords(onsets: Sequence[float]) -> Integers:
    """Number the chords of notes that are sorted by onset: the chord of each, (N,), from 0.

    >>> chords([0.0, 0.01, 0.5, 1.0]).tolist()
    [0, 0, 1, 2]
    """
    return np.cumsum(np.diff(onsets, prepend=onsets[:1]) > _TOGETHER)


def steps(played: Integers, places: Integers) -> Integers:
    """Measure how far the style's chords are apart from each note of an output to the next ones.

    Args:
        played: Chord of each note in the output, (N,), from 0, by onset.
        places: Chord of the style that each was taken from, (N,).

    Returns:
        Chords forward in the style, (M,), one for each two neighbours: 1 is the order of the style.

    >>> steps(np.array([0, 0, 1, 2]), np.array([4, 4, 5, 3])).tolist()
    [1, 1, -2]
    """
    pairs = np.argwhere(played[None] - played[:, None] == 1)
    return places[pairs[:, 1]] - places[pairs[:, 0]]


def by_chance(
    played: Integers, places: Integers, n_chords: int, generator: np.random.Generator
) -> tuple[Integers, Integers]:
    """Count neighbours in the style's order where there is none, (``N_DRAWN``,) each.

    Args:
        played: As for :func:`steps`.
        places: As for :func:`steps`.
        n_chords: Number of chords of the style.
        generator: Draws the orders.

    Returns:
        With the choices in a random order, and with the style's chords in one.
    """
    shuffled, renamed = np.empty((2, N_DRAWN), np.int64)
    for n in range(N_DRAWN):
        shuffled[n] = np.sum(steps(played, generator.permutation(places)) == 1)
        renamed[n] = np.sum(steps(played, generator.permutation(n_chords)[places]) == 1)
    return shuffled, renamed


def choices(pair: Pair) -> tuple[Integers, Integers, int]:
    """Choose the style's notes for the content of a pair, as a transfer as it comes does.

    Returns:
        ``played``, ``places`` and ``n_chords`` of :func:`by_chance`.
    """
    content, sampler = passage_of(pair.content()), Sampler(passage_of(pair.style()))
    chosen = sampler.choose(wanted_notes(content, content.events))
    places = chords([note.start for note in sampler.notes])
    return chords([event.onset for event in content.events]), places[chosen], int(places[-1]) + 1


def table(group: str) -> str:
    """Make the table of a group, in Markdown: a row per pair, and one of their sums."""
    generator = np.random.default_rng(0)
    head = ["pair", "neighbours", "in order", "backwards", "output shuffled", "reached", "style shuffled"]
    lines = [f"| {' | '.join([*head, 'reached'])} |", "|---" * 8 + "|"]
    rows = []
    for pair in PAIRS:
        if pair.group != group or pair.kind != "melodic":
            continue
        played, places, n_chords = choices(pair)
        found = steps(played, places)
        counts = np.array([len(found), np.sum(found == 1), np.sum(found == -1)])
        rows.append((counts, *by_chance(played, places, n_chords, generator)))
        lines.append(_line(pair.name, *rows[-1]))
    lines.append(_line("**sum**", *(np.sum(column, axis=0) for column in zip(*rows, strict=True))))
    return "\n".join(lines)


def _line(name: str, counts: Integers, *drawn: Integers) -> str:
    cells = [name, *map(str, counts)]
    for one in drawn:
        cells += [f"{one.mean():.1f}", f"{np.mean(one >= counts[1]):.2f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m study.phrases", description=table.__doc__)
    parser.add_argument("--pairs", default="report", choices=("report", "tune"))
    print(table(parser.parse_args().pairs))


if __name__ == "__main__":
    main()
