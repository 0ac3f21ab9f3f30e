"""Scores from the corpus of music21, where that package is installed.

Nothing of the corpus is copied: a score is read from the installed package when it is asked for.
"""

from dataclasses import replace

from retimbre.errors import DependencyError, InputError
from retimbre.music.score import Note, Piece


def excerpt(work: str, *, bars: int = 4, tempo: float = 100) -> Piece:
    """Take the beginning of a score of music21's corpus.

    Args:
        work: Name in the corpus, such as ``"bach/bwv66.6"``.
        bars: Number of full bars, at least 1; an upbeat comes on top and counts as a bar with rests.
        tempo: Quarter notes per minute.

    Returns:
        One voice a part, the highest part first; ties are joined.

    Raises:
        InputError: there is no such score, or it is not of several bars in one metre.
        DependencyError: ``music21`` is not installed.
    """
    try:
        from music21 import corpus, meter
        from music21.exceptions21 import Music21Exception
    except ImportError as error:
        raise DependencyError("music21", extra="corpus") from error
    try:
        whole = corpus.parse(work)
    except (Music21Exception, OSError) as error:
        raise InputError(f"music21's corpus has no score {work!r}") from error
    begin = whole.measures(0, bars)
    metre = next(iter(begin.recurse().getElementsByClass(meter.TimeSignature)), None)
    if metre is None or bars < 1:
        raise InputError(f"{work} with {bars} bars: expected a score with a metre, and at least 1 bar")
    bar, beat = float(metre.barDuration.quarterLength), float(metre.beatDuration.quarterLength)
    upbeat = float(begin.parts[0].getElementsByClass("Measure")[0].duration.quarterLength) % bar
    voices = tuple(
        tuple(
            Note(float(element.offset) + (bar - upbeat) % bar, float(element.quarterLength), pitch.midi)
            for element in part.stripTies().flatten().notes
            for pitch in element.pitches
        )
        for part in begin.parts
    )
    tonic = begin.analyze("key")
    title = whole.metadata.title if whole.metadata and whole.metadata.title else work
    key = f"{tonic.tonic.name.replace('-', 'b')} {tonic.mode}"
    piece = Piece(title, key, tempo, bar, beat, voices, f"music21 corpus: {work}")
    return replace(piece, voices=tuple(voice for voice in voices if voice))
