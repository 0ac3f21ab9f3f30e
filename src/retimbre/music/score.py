"""Scores: notes and pieces, their notation, two pieces, and an arrangement for drums.

The parser is written by hand because no light library in Python reads the field's notations, ABC and
MusicXML (music21 is far larger than this package), and the notes are a few lines of text.

The demonstration and the study need clips with a known relation: the same song on two instruments, or two
songs. Recordings would have to be shipped or downloaded; :mod:`retimbre.music.orchestra` plays notes.

Notation: a voice is bars between ``|``, a bar is tokens between blanks, a token is
``pitch:quarters``. The length stays in force until another is written, pitches (sharp with ``#``,
flat with ``b``) joined by ``+`` sound together, and ``r`` is a rest.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from retimbre.errors import InputError

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TOKEN = re.compile(r"(?P<pitches>r|[A-G][#b]?\d(?:\+[A-G][#b]?\d)*)(?::(?P<quarters>\d*\.?\d+))?")
_KICK, _SNARE, _CLOSED_HAT, _CRASH = 36, 38, 42, 49


@dataclass(frozen=True)
class Note:
    """Note: start and duration in quarter notes, pitch and velocity as MIDI numbers."""

    start: float
    duration: float
    pitch: int
    velocity: int = 80


@dataclass(frozen=True)
class Piece:
    """Piece of music in voices.

    Args:
        name: Title, for display.
        key: Key, for display; empty for drums.
        tempo: Quarter notes per minute.
        bar: Length of a bar in quarter notes (3 for both 3/4 and 6/8).
        beat: Length of a felt beat in quarter notes (1 in 3/4, 1.5 in 6/8).
        voices: Notes of each voice, the melody first and the bass last.
        origin: Composer or tradition, and the changes to the original; for display.
        percussive: Whether the pitches are the drums of a kit.
    """

    name: str
    key: str
    tempo: float
    bar: float
    beat: float
    voices: tuple[tuple[Note, ...], ...]
    origin: str = ""
    percussive: bool = False

    @property
    def notes(self) -> tuple[Note, ...]:
        """All notes in the order of their starts."""
        notes = (note for voice in self.voices for note in voice)
        return tuple(sorted(notes, key=lambda note: note.start))

    @property
    def quarters(self) -> float:
        """Duration in quarter notes."""
        return max(note.start + note.duration for note in self.notes)

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.quarters * 60 / self.tempo

    def after(self, bars: int) -> "Piece":
        """Cut off the first ``bars`` bars.

        >>> MINUET.after(4).name, MINUET.after(4).quarters
        ('Minuet in G from bar 5', 36.0)
        """
        begin = bars * self.bar
        voices = tuple(
            tuple(replace(n, start=n.start - begin) for n in voice if n.start >= begin)
            for voice in self.voices
        )
        return replace(self, name=f"{self.name} from bar {bars + 1}", voices=voices)

    def transposed(self, octaves: int) -> "Piece":
        """Transpose the piece by whole octaves, so that its key stays.

        >>> [piece.notes[0].pitch for piece in (MINUET, MINUET.transposed(-1))]
        [74, 62]
        """
        voices = tuple(
            tuple(replace(n, pitch=n.pitch + 12 * octaves) for n in voice) for voice in self.voices
        )
        return replace(self, voices=voices)


def parse(text: str, *, bar: float, beat: float, velocity: int = 80) -> tuple[Note, ...]:
    """Parse one voice in the notation of this module.

    The first beat of a bar is a little louder than the other beats, and these are a little
    louder than the notes between them.

    Args:
        text: Bars of the voice.
        bar: Length of a bar in quarter notes.
        beat: Length of a beat in quarter notes.
        velocity: MIDI velocity of a first beat, 17 to 127.

    Raises:
        InputError: a token that cannot be read, or a bar of another length than ``bar``.

    >>> for note in parse("C4+E4:1 r:.5 D#4", bar=2, beat=1):
    ...     print(note)
    Note(start=0.0, duration=1.0, pitch=60, velocity=80)
    Note(start=0.0, duration=1.0, pitch=64, velocity=80)
    Note(start=1.5, duration=0.5, pitch=63, velocity=64)
    """
    notes = []
    quarters = 0.0
    for index, line in enumerate(text.split("|")):
        offset = 0.0
        for token in line.split():
            match = _TOKEN.fullmatch(token)
            if match is None:
                raise InputError(f"bar {index + 1} holds {token!r}: expected pitch:quarters, such as F#4:1.5")
            quarters = float(match["quarters"] or quarters)
            accent = 0 if offset == 0 else 8 if offset % beat == 0 else 16
            notes += [
                Note(index * bar + offset, quarters, pitch, velocity - accent)
                for pitch in _pitches(match["pitches"])
            ]
            offset += quarters
        if offset != bar:
            raise InputError(
                f"bar {index + 1} ({line.strip()!r}) lasts {offset:g} quarters: expected {bar:g}"
            )
    return tuple(notes)


def _pitches(chord: str) -> Iterator[int]:
    for name in chord.split("+"):
        if name != "r":
            # MIDI counts semitones and has middle C, called C4 here, at 60.
            yield 12 * (int(name[-1]) + 1) + _STEPS[name[0]] + ("#" in name) - ("b" in name)


def arrange_for_drums(piece: Piece) -> Piece:
    """Arrange a piece for a drum kit from its own rhythm, so that it stays "the same song".

    The bass drum plays the onsets of the bass. The closed hi-hat runs in eighths and also strikes
    wherever the melody does, there louder. The snare takes every beat of the bar but the first, and
    a crash cymbal opens the piece.
    """
    melody = {note.start for note in piece.voices[0]}
    bass = {note.start for note in piece.voices[-1]}
    eighths = {step / 2 for step in range(round(piece.quarters * 2))}
    beats = [step * piece.beat for step in range(round(piece.quarters / piece.beat))]
    hat = (
        Note(start, 0.25, _CLOSED_HAT, 88 if start in melody else 56) for start in sorted(melody | eighths)
    )
    snare = (Note(start, 0.25, _SNARE, 84) for start in beats if start % piece.bar)
    kick = (Note(start, 0.25, _KICK, 88 if start % piece.bar else 104) for start in sorted(bass))
    voices = (tuple(hat), tuple(snare), (Note(0.0, 0.5, _CRASH, 88),), tuple(kick))
    return Piece(
        f"{piece.name} on drums",
        "",
        piece.tempo,
        piece.bar,
        piece.beat,
        voices,
        piece.origin,
        percussive=True,
    )


def _minuet() -> Piece:
    right = """
        D5:1 G4:.5 A4 B4 C5 | D5:1 G4 G4 | E5:1 C5:.5 D5 E5 F#5 | G5:1 G4 G4
      | C5:1 D5:.5 C5 B4 A4 | B4:1 C5:.5 B4 A4 G4 | F#4:1 G4:.5 A4 B4 G4 | A4:3
      | D5:1 G4:.5 A4 B4 C5 | D5:1 G4 G4 | E5:1 C5:.5 D5 E5 F#5 | G5:1 G4 G4
      | C5:1 D5:.5 C5 B4 A4 | B4:1 C5:.5 B4 A4 G4 | A4:1 B4:.5 A4 G4 F#4 | G4:3"""
    left = """
        G3+B3+D4:2 A3:1 | B3:3 | C4 | B3 | A3 | G3 | D4:1 B3 G3 | D4:1 D3:.5 C4 B3 A3
      | B3:2 A3:1 | G3:1 B3 G3 | C4:3 | B3:1 C4:.5 B3 A3 G3
      | A3:2 F#3:1 | G3:2 B3:1 | C4:1 D4 D3 | G3:2 G2:1"""
    voices = (
        parse(right, bar=3, beat=1, velocity=96),
        parse(left, bar=3, beat=1, velocity=80),
    )
    return Piece(
        "Minuet in G", "G major", tempo=126, bar=3, beat=1, voices=voices, origin="Christian Petzold"
    )


def _greensleeves() -> Piece:
    verse, chorus = "C5:1 D5:.5 E5:.75 F5:.25 E5:.5", "G5:1.5 G5:.75 F#5:.25 E5:.5"
    turn = "D5:1 B4:.5 G4:.75 A4:.25 B4:.5 | C5:1 A4:.5 A4:.75 G#4:.25 A4:.5"
    close = "D5:1 B4:.5 G4:.75 A4:.25 B4:.5 | C5:.75 B4:.25 A4:.5 G#4:.75 F#4:.25 G#4:.5 | A4:3"
    melody = f"""
        {verse} | {turn} | B4:1 G#4:.5 E4:1 A4:.5 | {verse} | {close}
      | {chorus} | {turn} | B4:1 G#4:.5 E4:1.5 | {chorus} | {close}"""
    changes = "Am G Am E Am G Am/E Am C G Am E C G Am/E Am"
    broken = {
        "Am": "A3:.5 C4 E4 A3 C4 E4",
        "Am/E": "A3:.5 C4 E4 G#3 B3 D4",
        "C": "G3:.5 C4 E4 G3 C4 E4",
        "E": "E3:.5 G#3 B3 E3 G#3 B3",
        "G": "G3:.5 B3 D4 G3 B3 D4",
    }
    roots = {
        "Am": "A2:1.5 E3",
        "Am/E": "A2:1.5 E2",
        "C": "C3:1.5 G2",
        "E": "E2:1.5 B2",
        "G": "G2:1.5 D3",
    }
    voices = (
        parse(melody, bar=3, beat=1.5, velocity=100),
        parse(_accompany(changes, broken), bar=3, beat=1.5, velocity=68),
        parse(_accompany(changes, roots), bar=3, beat=1.5, velocity=80),
    )
    return Piece("Greensleeves", "A minor", tempo=99, bar=3, beat=1.5, voices=voices, origin="traditional")


def _accompany(changes: str, figures: dict[str, str]) -> str:
    return " | ".join(figures[chord] for chord in changes.split())


MINUET = _minuet()
"""Christian Petzold, Minuet in G (BWV Anh. 114): the first 16 bars, 3/4, a quarter note = 126."""

GREENSLEEVES = _greensleeves()
"""Traditional: 16 bars (verse and refrain), 6/8, a dotted quarter note = 66."""
