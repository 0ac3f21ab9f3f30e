import pytest

from retimbre.errors import InputError
from retimbre.music.score import Piece
from study.grooves import DRUMS, GROOVES, strokes

EACH = pytest.mark.parametrize("groove", GROOVES, ids=lambda piece: piece.name)


def test_they_differ() -> None:
    assert len({groove.name for groove in GROOVES}) == len({groove.tempo for groove in GROOVES}) == 7
    rhythms = {tuple((note.start % groove.bar, note.pitch) for note in groove.notes) for groove in GROOVES}
    assert len(rhythms) == 7


@EACH
def test_every_groove_lasts_7_to_10_seconds(groove: Piece) -> None:
    assert 7 <= groove.seconds <= 10
    assert groove.percussive
    assert {note.pitch for note in groove.notes} <= set(DRUMS.values())
    assert len({note.pitch for note in groove.notes}) >= 3


@EACH
def test_the_bass_drum_marks_every_bar(groove: Piece) -> None:
    kicks = {note.start for note in groove.notes if note.pitch == DRUMS["kick"]}
    assert kicks >= {bar * groove.bar for bar in range(int(groove.quarters // groove.bar))}


def test_a_pattern_repeats_and_has_three_strengths() -> None:
    notes = strokes("X.o x", drum="snare", step=0.5, quarters=4)
    assert [note.start for note in notes] == [0, 1, 1.5, 2, 3, 3.5]
    assert {note.pitch for note in notes} == {38}
    loud, soft, middle = (note.velocity for note in notes[:3])
    assert loud > middle > soft


@pytest.mark.parametrize(
    ("pattern", "drum", "message"),
    [
        ("x..x", "gong", "drum is 'gong': expected one of kick"),
        ("x-x", "kick", "pattern is 'x-x'"),
        (" ", "kick", "pattern is ' '"),
    ],
)
def test_what_cannot_be_read(pattern: str, drum: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        strokes(pattern, drum=drum, step=0.25, quarters=4)
