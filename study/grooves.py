"""Grooves for drum kits: own patterns in the manner of a few styles, 7 to 10 seconds each.

A pattern is one or two bars in equal steps: ``x`` is a stroke, ``X`` a louder one, ``o`` a softer
one, and ``.`` none; blanks may stand anywhere. It repeats until the groove ends.
"""

from retimbre.errors import InputError
from retimbre.music.score import Note, Piece

DRUMS = {
    "kick": 36,
    "stick": 37,
    "snare": 38,
    "clap": 39,
    "low tom": 45,
    "closed hat": 42,
    "pedal hat": 44,
    "open hat": 46,
    "high tom": 48,
    "crash": 49,
    "ride": 51,
    "cowbell": 56,
}
"""Keys of the drums of a General MIDI kit."""

_VELOCITIES = {"X": 112, "x": 88, "o": 56}


def strokes(pattern: str, *, drum: str, step: float, quarters: float) -> tuple[Note, ...]:
    """Read the pattern of one drum and repeat it.

    Args:
        pattern: Strokes in equal steps.
        drum: One of ``DRUMS``.
        step: Length of a step in quarter notes.
        quarters: Length in quarter notes to fill.

    Raises:
        InputError: the drum or a sign of the pattern is unknown.

    >>> [note.start for note in strokes("X..x ..x.", drum="kick", step=0.5, quarters=8)]
    [0.0, 1.5, 3.0, 4.0, 5.5, 7.0]
    """
    if drum not in DRUMS:
        raise InputError(f"the drum is {drum!r}: expected one of {', '.join(DRUMS)}")
    signs = "".join(pattern.split())
    if not signs or set(signs) - {*_VELOCITIES, "."}:
        raise InputError(f"the pattern is {pattern!r}: expected X, x, o and .")
    return tuple(
        Note(i * step, 0.25, DRUMS[drum], _VELOCITIES[signs[i % len(signs)]])
        for i in range(round(quarters / step))
        if signs[i % len(signs)] != "."
    )


def _groove(name: str, tempo: float, bar: float, beat: float, n_bars: int, **patterns: str) -> Piece:
    """Read patterns whose step is a sixteenth, or an eighth where the beat is of three eighths."""
    step = 0.25 if beat == 1 else 0.5
    voices = (
        strokes(text, drum=name.replace("_", " "), step=step, quarters=n_bars * bar)
        for name, text in patterns.items()
    )
    return Piece(name, "", tempo, bar, beat, tuple(voices), "own pattern", percussive=True)


_ONCE = "." * 1000  # longer than any groove: a pattern before it is not repeated

GROOVES = (
    _groove(
        *("Rock", 118, 4, 1, 4),
        closed_hat="X.x.x.x. X.x.x.x.  X.x.x.x. X.x.x...",
        open_hat="........ ........  ........ ......x.",
        snare="....X... ....X..o  ....X... ....X.xx",
        crash="X" + _ONCE,
        kick="X.....x. x.x.....  X.....x. x.......",
    ),
    _groove(
        *("Bossa", 132, 4, 1, 5),
        closed_hat="x.o.x.o. x.o.x.o.",
        stick="X.....X. ....X...  ....X... ..X.....",
        snare="..o...x. ..o...x.",
        kick="X.....x. X.....x.",
    ),
    _groove(
        *("Shuffle", 162, 6, 1.5, 4),
        ride="X.xX.x X.xX.x",
        pedal_hat="...x.. ...x..",
        snare="...X.o ...X..  ...X.o ...X.x",
        kick="X..o.. X.xo..",
    ),
    _groove(
        *("Waltz", 150, 3, 1, 7),
        ride="X...x.x.x...",
        pedal_hat="....x...x...",
        snare="....x...x...  ....x...x.o.",
        kick="X...........  X.........o.",
        crash="x" + _ONCE,
    ),
    _groove(
        *("Breakbeat", 108, 4, 1, 4),
        closed_hat="x.x.x.x.x.x.x.x.  x.x.x.x.x...x.x.",
        open_hat="................  ..........x.....",
        snare="....X..o.o..X..o  ....X..o.o....X.",
        kick="X.x.......xx....  X.x.......x.....",
    ),
    _groove(
        *("March", 116, 2, 1, 8),
        snare="X.xxx.xx X.x.xxxx",
        kick="X...x... X...x...",
        crash="X....... ....x..." + _ONCE,
        low_tom="........ ......xx",
    ),
    _groove(
        *("House", 126, 4, 1, 4),
        kick="X...X... X...X...",
        open_hat="..x...x. ..x...x.",
        closed_hat="xo.oxo.o xo.oxo.o",
        clap="....X... ....X...",
        cowbell="...x..x. .x..x...  ...x..x. .x..x.x.",
    ),
)
"""Seven grooves: four for the pairs that are reported, three for tuning."""
