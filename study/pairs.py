"""Pairs of clips with a known answer, the material of the benchmark.

Song A on instrument X is the content, song B on instrument Y the style, and song A on instrument Y
the *target*, the result of a perfect transfer. All three are played here, from notes, by the
samples of one soundfont; so the target has the content's notes at the content's times. Half of the pairs of
pitched instruments are of one soundfont, half of another.

Settings are tuned on some pairs and reported on others: the groups ``"tune"`` and ``"report"`` share
neither songs nor instruments.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from retimbre.metrics import transcriber as transcribe
from retimbre.music.orchestra import KITS, Soundfont, render
from retimbre.music.score import GREENSLEEVES, MINUET, Piece, arrange_for_drums
from retimbre.sound.audio import Audio
from study.grooves import GROOVES
from study.songs import SONGS

SECONDS = 7.0
"""Length of every clip."""

RATE = 22_050
"""Sample rate of every clip in Hz, one channel: common in the field."""

Kind = Literal["melodic", "percussive", "mixed", "bands"]
Group = Literal["tune", "report"]


class Sounding(NamedTuple):
    """Note of a score: onset and end in seconds, pitch as a MIDI number."""

    onset: float
    end: float
    pitch: int


@dataclass(frozen=True)
class Backing:
    """What plays beside a melody.

    Args:
        chords: Instrument of all voices but the melody.
        kit: Drum kit.
        groove: Groove of the kit, played in the tempo of the song.
    """

    chords: str
    kit: str
    groove: str


@dataclass(frozen=True)
class Pair:
    """A content, a style and their target.

    Args:
        content_song: Song of the content and of the target.
        content_instrument: Instrument of the content.
        style_song: Song of the style.
        style_instrument: Instrument of the style and of the target.
        kind: Between pitched instruments, between drum kits, from one to the other, or between bands of a
            melody, chords and drums.
        group: Whether the pair is for tuning or for reporting.
        seconds: Length of every clip.
        soundfont: Soundfont that plays the three clips.
        content_backing: Band behind the content's melody.
        style_backing: Band behind the style's melody, and behind the target's, with the content's groove.
    """

    content_song: Piece
    content_instrument: str
    style_song: Piece
    style_instrument: str
    kind: Kind
    group: Group
    seconds: float = SECONDS
    soundfont: Soundfont = "timgm"
    content_backing: Backing | None = None
    style_backing: Backing | None = None

    @property
    def name(self) -> str:
        """Songs and instruments, in a phrase."""
        content, style = (
            instrument if backing is None else f"{instrument} with {backing.chords} and {backing.kit}"
            for instrument, backing in (
                (self.content_instrument, self.content_backing),
                (self.style_instrument, self.style_backing),
            )
        )
        return f"{self.content_song.name} on {content}, styled after {self.style_song.name} on {style}"

    @property
    def slug(self) -> str:
        """The name as a file name or a key; no two pairs share it."""
        songs = (self.content_song.name, self.content_instrument, self.style_song.name, self.style_instrument)
        letters = "".join(c for c in " ".join(songs).lower() if c.isalnum() or c in " -")
        return letters.replace(" ", "-")

    @property
    def pitched(self) -> bool:
        """Whether content and target have notes alone: neither is played on a drum kit or by a band."""
        return (
            self.kind != "bands" and self.content_instrument not in KITS and self.style_instrument not in KITS
        )

    def score_roll(self) -> transcribe.Roll:
        """Convert the score of content and target to a piano roll.

        A note lasts as long as it is written; most instruments ring on.

        Returns:
            Booleans (88, T) on the frames of :func:`retimbre.metrics.transcriber.piano_roll`.
        """
        n_frames = 1 + round(self.seconds * transcribe.RATE) // transcribe.HOP
        roll = np.zeros((transcribe.N_PITCHES, n_frames), dtype=bool)
        frames = transcribe.RATE / transcribe.HOP * 60 / self.content_song.tempo  # in a quarter note
        for note in self.content_song.notes:
            first, end = (int(np.ceil(at * frames)) for at in (note.start, note.start + note.duration))
            roll[note.pitch - transcribe.LOWEST, first:end] = True
        return roll

    def score(self) -> list[Sounding]:
        """List the notes of content and target, by their onsets, cut where the clips end."""
        quarter = 60 / self.content_song.tempo
        notes = ((note.start, note.start + note.duration, note.pitch) for note in self.content_song.notes)
        return [
            Sounding(start * quarter, min(end * quarter, self.seconds), pitch)
            for start, end, pitch in notes
            if start * quarter < self.seconds
        ]

    def strokes(self) -> list[float]:
        """List the onsets of the target in seconds, each once: of its notes, or of the drums alone."""
        song = self.content_song
        if self.content_backing is not None:
            song = replace(_BY_NAME[self.content_backing.groove], tempo=song.tempo)
        if self.style_instrument in KITS and not song.percussive:
            song = arrange_for_drums(song)
        onsets = {note.start * 60 / song.tempo for note in song.notes}
        return sorted(onset for onset in onsets if onset < self.seconds)

    def content(self) -> Audio:
        """Render the content, (1, N) at ``RATE``."""
        return self._render(self.content_song, self.content_instrument, self.content_backing)

    def style(self) -> Audio:
        """Render the style, (1, N) at ``RATE``."""
        return self._render(self.style_song, self.style_instrument, self.style_backing)

    def target(self) -> Audio:
        """Render the target, (1, N) at ``RATE``."""
        backing = self.style_backing
        if backing is not None and self.content_backing is not None:
            backing = replace(backing, groove=self.content_backing.groove)
        return self._render(self.content_song, self.style_instrument, backing)

    def _render(self, song: Piece, instrument: str, backing: Backing | None) -> Audio:
        if backing is None:
            return self._play(song, instrument)
        melody, *others = song.voices
        groove = replace(_BY_NAME[backing.groove], tempo=song.tempo)
        parts = [
            self._play(replace(song, voices=(melody,)), instrument),
            self._play(replace(song, voices=tuple(others)), backing.chords),
            self._play(groove, backing.kit),
        ]
        mix = sum(part.samples for part in parts)
        return Audio(mix * (0.7 / np.abs(mix).max()), RATE)

    def _play(self, piece: Piece, instrument: str) -> Audio:
        audio = render(piece, instrument, seconds=self.seconds, soundfont=self.soundfont)
        return Audio(audio.samples.mean(axis=0), audio.sample_rate).resampled(RATE)


_Clip = tuple[str, str, int]
_Band = tuple[str, str, str, str, str]
_Bands = tuple[_Band, _Band, Soundfont]
_Clips = tuple[_Clip, _Clip] | tuple[_Clip, _Clip, Soundfont]

_BY_NAME = SONGS | {piece.name: piece for piece in GROOVES}


def _pair(
    group: Group,
    kind: Kind,
    content: _Clip,
    style: _Clip,
    soundfont: Soundfont = "timgm",
) -> Pair:
    """Make a pair of two clips, each written as (song, instrument, octaves up)."""
    (one, x, up), (two, y, above) = content, style
    songs = [_BY_NAME[n].transposed(o) if o else _BY_NAME[n] for n, o in ((one, up), (two, above))]
    return Pair(songs[0], x, songs[1], y, kind, group, soundfont=soundfont)


def _bands(group: Group, content: _Band, style: _Band, soundfont: Soundfont) -> Pair:
    """Make a pair of two bands, each written as (song, melody, chords, kit, groove)."""
    (one, x, *behind), (two, y, *beside) = content, style
    backings = (Backing(chords, kit, groove) for chords, kit, groove in (behind, beside))
    return Pair(_BY_NAME[one], x, _BY_NAME[two], y, "bands", group, SECONDS, soundfont, *backings)


# Half of the pairs are Merlin's. That soundfont has neither brushes nor an electronic kit; its lowest notes
# of a clarinet are transcribed much worse than the other's, and its marimba and reed organ are the other's.
# No pair has a violin of TimGM6mb for its style: most notes of its viola are the same samples.
_REPORT_MELODIC: tuple[_Clips, ...] = (
    # One voice. First the hard ones: a held tone to a struck one, a plucked to a bowed, the upper
    # register of a low instrument to the low register of a high one.
    (("Amazing Grace", "flute", 0), ("Jesu, Joy of Man's Desiring", "marimba", 0)),
    (("Scarborough Fair", "nylon guitar", 0), ("Auld Lang Syne", "violin", 0), "merlin"),
    (("Londonderry Air", "cello", 0), ("Amazing Grace", "flute", 1), "merlin"),
    (("Auld Lang Syne", "trumpet", 0), ("Londonderry Air", "clarinet", 0)),
    (("Jesu, Joy of Man's Desiring", "violin", 0), ("Scarborough Fair", "trumpet", 0), "merlin"),
    (("Amazing Grace", "clarinet", 0), ("Scarborough Fair", "nylon guitar", 0)),
    (("Auld Lang Syne", "marimba", -1), ("Londonderry Air", "cello", -1), "merlin"),
    (("Scarborough Fair", "reed organ", 0), ("Jesu, Joy of Man's Desiring", "piano", 0)),
    # Several voices.
    (("Invention 1", "piano", 0), ("La Folia", "harpsichord", 0), "merlin"),
    (("Canon", "strings", 0), ("Fuer Elise", "nylon guitar", 0)),
    (("Fuer Elise", "harpsichord", 0), ("Frere Jacques", "strings", 0), "merlin"),
    (("Sonatina", "nylon guitar", 0), ("Invention 1", "organ", 0)),
    (("O Sacred Head", "organ", 0), ("Ode to Joy", "piano", 0), "merlin"),
    (("Ode to Joy", "reed organ", 0), ("Sonatina", "marimba", 0)),
    (("Frere Jacques", "marimba", 0), ("Canon", "reed organ", 0)),
    (("La Folia", "harpsichord", 0), ("O Sacred Head", "strings", 0), "merlin"),
)

_REPORT_PERCUSSIVE = (
    (("Rock", "drums", 0), ("Bossa", "brushes", 0)),
    (("Bossa", "drums", 0), ("Shuffle", "electronic kit", 0)),
    (("Shuffle", "brushes", 0), ("Waltz", "drums", 0)),
    (("Waltz", "electronic kit", 0), ("Rock", "brushes", 0)),
)

# The demonstration's. Where content and style are the same song, the style is taken from later
# bars: from the same ones it would be the target itself.
_REPORT_MIXED = (
    (MINUET, "piano", MINUET.after(4), "drums"),
    (MINUET, "drums", MINUET.after(4), "piano"),
    (GREENSLEEVES, "drums", MINUET, "piano"),
    (GREENSLEEVES, "piano", GREENSLEEVES.after(8), "strings"),
)
_MIXED_FONTS: tuple[Soundfont, ...] = ("timgm", "merlin", "timgm", "merlin")

_TUNE_MELODIC: tuple[_Clips, ...] = (
    (("Drunken Sailor", "oboe", 0), ("Sakura", "vibraphone", 0)),
    (("Drunken Sailor", "steel guitar", 0), ("Sakura", "viola", 0), "merlin"),
    (("Sakura", "bassoon", 0), ("Au clair de la lune", "oboe", 1)),
    (("Au clair de la lune", "horn", 0), ("Prelude in C", "harp", 0), "merlin"),
    (("Gymnopedie 1", "electric piano", 0), ("Silent Night", "brass", 0)),
    (("Sonata in A", "harp", 0), ("Lullaby", "electric piano", 0), "merlin"),
    (("Twinkle, Twinkle", "steel guitar", 0), ("Gymnopedie 1", "brass", 0)),
    (("Silent Night", "brass", 0), ("Twinkle, Twinkle", "steel guitar", 0), "merlin"),
)

_TUNE_PERCUSSIVE: tuple[_Clips, ...] = (
    (("Breakbeat", "tr-808", 0), ("March", "power kit", 0), "merlin"),
    (("March", "power kit", 0), ("House", "tr-808", 0)),
)

_TUNE_MIXED: tuple[_Clips, ...] = (
    (("Lullaby", "electric piano", 0), ("Twinkle, Twinkle", "tr-808", 0)),
    (("Twinkle, Twinkle", "tr-808", 0), ("Sonata in A", "electric piano", 0), "merlin"),
)

# Melody, chords and drums in both clips, in one measure where the song and the groove allow it.
_REPORT_BANDS: tuple[_Bands, ...] = (
    (
        ("Ode to Joy", "flute", "piano", "drums", "Rock"),
        ("Canon", "violin", "nylon guitar", "brushes", "Bossa"),
        "timgm",
    ),
    (
        ("La Folia", "trumpet", "harpsichord", "drums", "Waltz"),
        ("Sonatina", "clarinet", "piano", "drums", "Rock"),
        "merlin",
    ),
    (
        ("Canon", "nylon guitar", "strings", "brushes", "Bossa"),
        ("Fuer Elise", "trumpet", "piano", "drums", "Waltz"),
        "timgm",
    ),
    (
        ("O Sacred Head", "violin", "strings", "drums", "Rock"),
        ("Invention 1", "trumpet", "reed organ", "drums", "Bossa"),
        "merlin",
    ),
    (
        ("Invention 1", "clarinet", "cello", "electronic kit", "Shuffle"),
        ("Ode to Joy", "marimba", "piano", "drums", "Bossa"),
        "timgm",
    ),
    (
        ("Sonatina", "piano", "nylon guitar", "drums", "Bossa"),
        ("La Folia", "flute", "harpsichord", "drums", "Waltz"),
        "merlin",
    ),
    (
        ("Fuer Elise", "marimba", "nylon guitar", "drums", "Waltz"),
        ("O Sacred Head", "reed organ", "strings", "electronic kit", "Rock"),
        "timgm",
    ),
    (
        ("Frere Jacques", "violin", "harpsichord", "drums", "Shuffle"),
        ("Fuer Elise", "nylon guitar", "piano", "drums", "Waltz"),
        "merlin",
    ),
)

_TUNE_BANDS: tuple[_Bands, ...] = (
    (
        ("Twinkle, Twinkle", "oboe", "electric piano", "tr-808", "Breakbeat"),
        ("Sonata in A", "viola", "steel guitar", "power kit", "March"),
        "timgm",
    ),
    (
        ("Gymnopedie 1", "brass", "harp", "power kit", "House"),
        ("Twinkle, Twinkle", "oboe", "electric piano", "tr-808", "Breakbeat"),
        "merlin",
    ),
    (
        ("Silent Night", "steel guitar", "horn", "power kit", "March"),
        ("Gymnopedie 1", "brass", "choir", "tr-808", "House"),
        "timgm",
    ),
    (
        ("Lullaby", "electric piano", "brass", "tr-808", "House"),
        ("Silent Night", "harp", "electric piano", "power kit", "Breakbeat"),
        "merlin",
    ),
)

REPORT = (
    *(_pair("report", "melodic", *clips) for clips in _REPORT_MELODIC),
    *(_pair("report", "percussive", *clips) for clips in _REPORT_PERCUSSIVE),
    *(
        Pair(*clips, kind="mixed", group="report", soundfont=soundfont)
        for clips, soundfont in zip(_REPORT_MIXED, _MIXED_FONTS, strict=True)
    ),
    *(_bands("report", *clips) for clips in _REPORT_BANDS),
)
"""32 pairs to report on: 16 melodic (half of them in several voices), 4 percussive, 4 mixed, 8 bands."""

TUNE = (
    *(_pair("tune", "melodic", *clips) for clips in _TUNE_MELODIC),
    *(_pair("tune", "percussive", *clips) for clips in _TUNE_PERCUSSIVE),
    *(_pair("tune", "mixed", *clips) for clips in _TUNE_MIXED),
    *(_bands("tune", *clips) for clips in _TUNE_BANDS),
)
"""16 pairs to tune on: 8 melodic, 2 percussive, 2 mixed, 4 bands; no song and no instrument of ``REPORT``."""

PAIRS = (*REPORT, *TUNE)
"""All pairs."""
