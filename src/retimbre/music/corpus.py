"""Scores from the corpus of music21, where that package is installed.

Nothing of the corpus is copied: a score is read from the installed package when it is asked for.
"""

from retimbre.errors import DependencyError, InputError
from retimbre.music.score import Note, Piece


def excerpt(work: str, *, bars: int = 4, tempo: float = 100) -> Piece:
    """Take the beginning of a score of music21's corpus.

    Args:
        work: Name in the corpus, such as ``"bach/bwv66.6"``.
        bars: Number of bars, at least 1; an upbeat before the first is left out.
        tempo: Quarter notes per minute.

    Returns:
        One voice a part, in the order of the score, with ties joined and without grace notes.

    Raises:
        InputError: ``bars`` is less than 1, or there is no such score, or it has no metre or no notes.
        DependencyError: ``music21`` is not installed.
    """
    if bars < 1:
        raise InputError(f"bars is {bars}: expected at least 1")
    try:
        from music21 import corpus, meter
        from music21.exceptions21 import Music21Exception
    except ImportError as error:
        raise DependencyError("music21", extra="corpus") from error
    try:
        score = corpus.parse(work)
    except (Music21Exception, OSError) as error:
        raise InputError(f"music21's corpus has no score {work!r}: try bach/bwv66.6") from error
    begin = score.measures(1, bars)
    voices = (
        tuple(
            Note(float(element.offset), float(element.quarterLength), pitch.midi)
            for element in part.stripTies().flatten().notes
            for pitch in element.pitches
            if element.quarterLength
        )
        for part in begin.parts
    )
    sounding = tuple(voice for voice in voices if voice)
    metre = next(iter(score.recurse().getElementsByClass(meter.TimeSignature)), None)
    if metre is None or not sounding:
        raise InputError(f"{work} has no metre or no notes in bars 1 to {bars}: expected both")
    key = begin.analyze("key")
    return Piece(
        (score.metadata and score.metadata.title) or work,
        f"{key.tonic.name.replace('-', 'b')} {key.mode}",
        tempo,
        bar=float(metre.barDuration.quarterLength),
        beat=float(metre.beatDuration.quarterLength),
        voices=sounding,
        origin=f"{work} in music21's corpus",
    )
