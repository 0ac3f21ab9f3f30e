"""The demonstration: four pairs of clips, played, transferred and put on one page."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from retimbre._output import atomic, check_writable, make_folder
from retimbre._transfer import transfer
from retimbre.apps import compare
from retimbre.errors import InputError
from retimbre.music.orchestra import render
from retimbre.music.score import GREENSLEEVES, MINUET, Piece
from retimbre.optim.step import Step
from retimbre.report.page import Entry, page
from retimbre.report.rendering import require
from retimbre.settings import DEMO_SECONDS, Settings
from retimbre.sound.audio import Audio
from retimbre.sound.files import write

MIN_SECONDS, MAX_SECONDS = 1.0, 20.0
"""Lengths of a clip. Either piece lasts longer."""

OnProgress = Callable[[str, Step], None]


@dataclass(frozen=True)
class DemoPair:
    """A content and a style to play.

    Args:
        content: Instrument and piece of the content.
        style: Instrument and piece of the style.
    """

    content: tuple[str, Piece]
    style: tuple[str, Piece]

    @property
    def title(self) -> str:
        """Heading: the two instruments, and whether they play the same song."""
        song = "same" if self.content[1] is self.style[1] else "different"
        return f"{self.content[0].capitalize()} to {self.style[0]}, {song} song"

    @property
    def note(self) -> str:
        """Pieces and instruments, in a sentence."""
        content, style = (f"{piece.name} on {who}" for who, piece in (self.content, self.style))
        return f"{content}, with the sound of {style}."

    @property
    def slug(self) -> str:
        """The title as a part of a file name."""
        return self.title.lower().replace(",", "").replace(" ", "-")


PAIRS = (
    DemoPair(("piano", MINUET), ("drums", MINUET)),
    DemoPair(("drums", MINUET), ("piano", MINUET)),
    DemoPair(("drums", GREENSLEEVES), ("piano", MINUET)),
    DemoPair(("piano", GREENSLEEVES), ("strings", GREENSLEEVES)),
)
"""The pairs of the study that compared networks for sound: both ways between a pitched and an
unpitched instrument, across songs, and between two pitched ones."""

_INTRO = (
    "Each transfer keeps the notes and the rhythm of its content and takes the sound of its style. "
    "Nothing has to be trained or downloaded: the clips are played here from two short "
    "scores, Petzold\N{RIGHT SINGLE QUOTATION MARK}s Minuet in G and Greensleeves.\n\n"
    "All clips lie beside this page as WAV, with the names given over the players."
)


def demo(
    directory: str | os.PathLike[str],
    *,
    seconds: float = DEMO_SECONDS,
    settings: Settings | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Make the four pairs of ``PAIRS``: twelve WAV files and the page that shows them.

    An interrupt (as in :func:`retimbre.transfer`) ends the pair at hand with its best result so far; the
    page then shows the pairs up to it.

    Args:
        directory: Folder to write to; made if it is not there. Files of an earlier run
            are replaced.
        seconds: Length of every clip, 1 to 20.
        settings: Settings of the transfers; the defaults if ``None``.
        on_progress: Called with a pair's title and a :class:`Step` after every evaluation.

    Returns:
        Path of the page, ``index.html`` in the folder.

    Raises:
        InputError: ``seconds`` is out of range, or the folder cannot be made or written to.
        DependencyError: a package of the extra ``demo`` is not installed.
    """
    clips = _played(seconds)
    require()
    directory = Path(directory)
    make_folder(directory)
    path = directory / "index.html"
    check_writable(path)
    entries = []
    for number, (pair, content, style) in enumerate(clips, start=1):
        on_step = on_progress and partial(on_progress, pair.title)
        result = transfer(content, style, settings, on_step=on_step)
        names = [f"{number}-{pair.slug}-{role}.wav" for role in ("content", "style", "output")]
        for name, audio in zip(names, (content, style, result.audio), strict=True):
            write(directory / name, audio)
        captions = (names[0], names[1], names[2])
        entries.append(Entry(pair.title, content, style, result, pair.note, captions))
        if result.stopped == "interrupted":
            break
    with atomic(path) as temporary:
        temporary.write_text(page("retimbre: four transfers", entries, intro=_INTRO), encoding="utf-8")
    return path


def compared(
    directory: str | os.PathLike[str],
    *,
    seconds: float = DEMO_SECONDS,
    settings: Settings | None = None,
    on_progress: compare.OnProgress | None = None,
) -> Path:
    """Try the networks on the four pairs, as :func:`retimbre.apps.compare.compare_pairs` does."""
    played = _played(seconds)
    pairs = (compare.ComparedPair(pair.title, content, style, pair.note) for pair, content, style in played)
    return compare.compare_pairs(pairs, directory, settings=settings, on_progress=on_progress)


def _played(seconds: float) -> Iterator[tuple[DemoPair, Audio, Audio]]:
    """Render the content and the style of each pair, one pair after the other."""
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InputError(f"seconds is {seconds:g}: expected a number from {MIN_SECONDS:g} to {MAX_SECONDS:g}")
    return (
        (pair, *(render(piece, who, seconds=seconds) for who, piece in (pair.content, pair.style)))  # type: ignore[misc]
        for pair in PAIRS
    )
