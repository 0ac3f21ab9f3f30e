"""Sound of the studio's files: what a clip looks like, and what a browser plays."""

import math
from pathlib import Path

import numpy as np

from retimbre.apps.studio.limits import LimitError
from retimbre.apps.studio.records import Outline
from retimbre.sound.audio import Sound

_STRETCHES = 800  # of an outline


def outline(path: Path, longest: float = math.inf) -> Outline:
    """Read a clip through and outline it.

    Raises:
        AudioReadError: a file that is damaged or not sound.
        InputError: a silent clip.
        LimitError: a clip longer than ``longest`` seconds, at the place where that is known.
    """
    from retimbre.sound.clips import as_sound
    from retimbre.sound.decoding import decoded
    from retimbre.sound.loudness import loudness

    if path.stat().st_size:
        n_samples = 0
        for piece, rate in decoded(path, str(path)):  # a small file may hold days of silence
            n_samples += piece.shape[1]
            if n_samples > longest * rate:
                raise LimitError(f"{path} lasts longer than {longest:g} s: expected a part of it", 413)
    sound = as_sound(path, "clip")
    level = loudness(sound)
    return Outline(
        seconds=sound.n_samples / sound.sample_rate,
        sample_rate=sound.sample_rate,
        n_channels=sound.n_channels,
        loudness=round(max(level, -99.0), 2),
        peaks=_peaks(sound),
    )


def _peaks(sound: Sound) -> list[tuple[float, ...]]:
    """Measure the lowest and highest sample, and the loudest channel, of up to 800 equal stretches."""
    n_stretches = min(_STRETCHES, sound.n_samples)
    edges = np.linspace(0, sound.n_samples, n_stretches + 1).astype(int)
    found: list[tuple[float, ...]] = []
    start, left = 0, np.zeros((sound.n_channels, 0), np.float32)
    for piece in sound.pieces(1 << 18):
        left = np.concatenate([left, piece], axis=1)
        stop = start + left.shape[1]
        while len(found) < n_stretches and edges[len(found) + 1] <= stop:
            low, high = (edges[len(found) + n] - start for n in (0, 1))
            stretch = left[:, low:high]
            loudest = np.sqrt(np.square(stretch).mean(axis=1).max())
            found.append(tuple(round(float(value), 3) for value in (stretch.min(), stretch.max(), loudest)))
        keep = edges[len(found)] - start
        left, start = left[:, keep:], start + keep
    return found


def playable(path: Path, at: Path) -> None:
    """Write what a browser plays: a WAV of 16 bits, at most two channels, all of more in one."""
    import soundfile

    from retimbre.sound.files import Recording

    sound = Recording(path)
    n_channels = sound.n_channels if sound.n_channels <= 2 else 1
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(at, "w", sound.sample_rate, n_channels, subtype="PCM_16", format="WAV") as file:
        for piece in sound.pieces(1 << 18):
            samples = piece if sound.n_channels <= 2 else piece.mean(axis=0, keepdims=True)
            dither = rng.triangular(-1, 0, 1, samples.shape) / 32768
            file.write(np.clip(samples + dither, -1, 1 - 1 / 32768).T)


def as_flac(path: Path) -> Path:
    """Write a sound as FLAC beside its file, unless it is there."""
    from retimbre.sound.files import Recording, write

    made = path.with_suffix(".flac")
    if not made.exists():
        write(made, Recording(path))
    return made


def picture(path: Path) -> tuple[bytes, dict[str, float]]:
    """Draw the constant-Q picture of a file: its levels, and what the headers say of it."""
    from retimbre.report.constant_q import BINS_PER_OCTAVE, LOWEST_MIDI, constant_q
    from retimbre.sound.files import Recording

    sound = Recording(path)
    levels = constant_q(sound)
    facts = {"Bins": levels.shape[0], "Frames": levels.shape[1], "Lowest-Midi": LOWEST_MIDI}
    facts |= {"Bins-Per-Octave": BINS_PER_OCTAVE, "Seconds": sound.n_samples / sound.sample_rate}
    return levels.tobytes(), facts
