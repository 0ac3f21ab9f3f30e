from collections.abc import Sequence

import pytest

from retimbre.music.score import Piece
from study.melodies import MELODIES
from study.songs import POLYPHONY, SONGS

SHORT = (*MELODIES, *POLYPHONY)
EACH = pytest.mark.parametrize("piece", SHORT, ids=lambda piece: piece.name)
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SCALES: dict[str, Sequence[int]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10, 11),  # natural, and the harmonic form's leading note
    "dorian": (0, 2, 3, 5, 7, 9, 10),
}


def test_how_many_and_how_different() -> None:
    assert len(SHORT) >= 16
    assert len(SONGS) == len(SHORT) + 2  # no name twice
    assert all(len(piece.voices) == 1 for piece in MELODIES)
    assert all(len(piece.voices) >= 2 for piece in POLYPHONY)
    assert len(POLYPHONY) >= len(SHORT) / 2
    assert len({piece.key for piece in SHORT}) >= 10
    assert len({piece.bar for piece in SHORT}) >= 4
    assert len({piece.tempo for piece in SHORT}) >= 12


@EACH
def test_every_excerpt_lasts_7_to_12_seconds(piece: Piece) -> None:
    assert 7 <= piece.seconds <= 12
    assert piece.quarters % piece.bar == 0
    assert piece.origin
    assert not piece.percussive


@EACH
def test_it_starts_at_once(piece: Piece) -> None:
    assert piece.notes[0].start <= 0.5


@EACH
def test_the_key_is_what_it_says(piece: Piece) -> None:
    """What the scale lacks, such as the leading note to the dominant, is at most a tenth of the time."""
    tonic, mode = piece.key.split()
    root = STEPS[tonic[0]] + ("#" in tonic) - ("b" in tonic)
    scale = {(root + step) % 12 for step in SCALES[mode]}
    inside = sum(note.duration for note in piece.notes if note.pitch % 12 in scale)
    assert inside >= 0.9 * sum(note.duration for note in piece.notes)
    assert root % 12 in {note.pitch % 12 for note in piece.notes}


@EACH
def test_no_key_is_struck_while_another_voice_holds_it(piece: Piece) -> None:
    notes = piece.notes
    for number, one in enumerate(notes):
        for other in notes[number + 1 :]:
            assert other.pitch != one.pitch or other.start >= one.start + one.duration, (one, other)


def test_the_canon_is_one() -> None:
    """The second voice of Frere Jacques is the first, two bars later and an octave lower."""
    first, second = SONGS["Frere Jacques"].voices
    shifted = [(n.start + 8, n.duration, n.pitch - 12) for n in first if n.start + 8 < 24]
    assert [(n.start, n.duration, n.pitch) for n in second] == shifted


def test_later_bars_and_other_octaves() -> None:
    song = SONGS["Ode to Joy"]
    assert [note.pitch for note in song.after(2).voices[0]] == [74, 74, 76, 78, 78, 76, 76]
    assert song.after(2).quarters == song.quarters - 8
    assert {a.pitch - b.pitch for a, b in zip(song.transposed(1).notes, song.notes, strict=True)} == {12}
    assert song.transposed(1).key == song.key
