import numpy as np
import pytest

from retimbre.errors import InputError
from retimbre.music.score import GREENSLEEVES, MINUET, Note, Piece, arrange_for_drums, parse

PIECES = pytest.mark.parametrize("piece", [MINUET, GREENSLEEVES], ids=lambda piece: piece.name)


@PIECES
def test_every_voice_fills_every_bar(piece: Piece) -> None:
    assert len(piece.voices) >= 2
    assert piece.quarters == 16 * piece.bar
    for voice in piece.voices:
        for number in range(16):
            begin, end = number * piece.bar, (number + 1) * piece.bar
            # Notes of a chord share their start; a note may not tie over the bar line.
            lengths = {n.start: n.duration for n in voice if begin <= n.start < end}
            assert sum(lengths.values()) == piece.bar, f"bar {number + 1}"
            assert all(start + length <= end for start, length in lengths.items())


@pytest.mark.parametrize(
    ("piece", "scale", "tonic"),
    # G major, and A minor in its harmonic and melodic forms: with G# and F# on the way up to A.
    [(MINUET, {7, 9, 11, 0, 2, 4, 6}, 7), (GREENSLEEVES, {9, 11, 0, 2, 4, 5, 7, 6, 8}, 9)],
    ids=["minuet", "greensleeves"],
)
def test_the_key_is_what_it_says(piece: Piece, scale: set[int], tonic: int) -> None:
    weight = np.zeros(12)
    for note in piece.notes:
        weight[note.pitch % 12] += note.duration
    assert set(np.flatnonzero(weight)) <= scale
    # Krumhansl and Kessler's profiles (1982): how well each pitch class fits a major or minor key.
    major = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
    minor = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]
    fits = {
        (root, mode): np.corrcoef(weight, np.roll(profile, root))[0, 1]
        for mode, profile in (("major", major), ("minor", minor))
        for root in range(12)
    }
    assert max(fits, key=lambda key: fits[key]) == (tonic, piece.key.split()[1])
    assert piece.voices[0][-1].pitch % 12 == tonic


def test_the_minuet_begins_with_its_chord() -> None:
    assert {note.pitch for note in MINUET.notes if note.start == 0} == {55, 59, 62, 74}


@PIECES
def test_voices_never_strike_the_same_key_at_once(piece: Piece) -> None:
    struck = [(note.start, note.pitch) for note in piece.notes]
    assert len(struck) == len(set(struck))


@PIECES
def test_drums_play_the_rhythm_of_the_piece(piece: Piece) -> None:
    drums = arrange_for_drums(piece)
    hat, snare, crash, kick = ({note.start for note in voice} for voice in drums.voices)
    assert kick == {note.start for note in piece.voices[-1]}
    assert {note.start for note in piece.voices[0]} <= hat
    assert hat >= {step / 2 for step in range(round(2 * piece.quarters))}
    assert {start % piece.bar for start in snare} == (
        {1.0, 2.0} if piece.beat == 1 else {1.5}  # 3/4 has two off-beats, 6/8 one
    )
    assert crash == {0.0}
    assert all(note.start < piece.quarters for note in drums.notes)
    assert (drums.tempo, drums.bar, drums.beat) == (piece.tempo, piece.bar, piece.beat)


def test_drums_of_different_songs_differ() -> None:
    starts = [{note.start for note in arrange_for_drums(piece).notes} for piece in (MINUET, GREENSLEEVES)]
    assert starts[0] != starts[1]


def test_pitches_and_lengths() -> None:
    notes = parse("A4 C#5", bar=0, beat=1)
    assert [note.pitch for note in notes] == [69, 73]
    assert [note.pitch for note in parse("Bb4 Cb4 Db4+F4", bar=0, beat=1)] == [70, 59, 61, 65]
    assert parse("r:1 G2:.5 r", bar=2, beat=1) == (Note(1.0, 0.5, 43, 72),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C4:1 D4 | E4:1", "bar 2 .* lasts 1 quarters: expected 2"),
        ("C4:1 H4", "bar 1 holds 'H4'"),
        ("C4:1 D#b4", "bar 1 holds 'D#b4'"),
    ],
)
def test_bad_notation_says_where(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text, bar=2, beat=1)
