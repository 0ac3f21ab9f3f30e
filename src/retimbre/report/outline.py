"""Outlines of clips: what a waveform is drawn from, and the facts beside it.

Imports are lazy, so that a page is there before torch.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retimbre.errors import InputError
from retimbre.sound.audio import Sound

_STRETCHES = 800


@dataclass(frozen=True)
class Outline:
    """Outline of a clip.

    Attributes:
        seconds: Duration.
        sample_rate: Rate in Hz.
        n_channels: Number of channels.
        loudness: Integrated loudness in LUFS.
        peaks: Of each of up to 800 stretches the lowest and the highest sample, and the root mean square of
            its loudest channel.
    """

    seconds: float
    sample_rate: int
    n_channels: int
    loudness: float
    peaks: list[tuple[float, ...]]


def outline(path: Path, longest: float = math.inf) -> Outline:
    """Read a clip through and outline it.

    Raises:
        AudioReadError: a file that is damaged or not sound.
        InputError: a silent clip, or one longer than ``longest`` seconds.
    """
    from retimbre.sound.clips import as_sound
    from retimbre.sound.decoding import decoded
    from retimbre.sound.loudness import loudness

    if longest < math.inf and path.stat().st_size:
        n_samples = 0
        for piece, rate in decoded(path, str(path)):  # a small file may hold days of silence
            n_samples += piece.shape[1]
            if n_samples > longest * rate:
                raise InputError(f"{path} lasts longer than {longest:g} s: expected a part of it")
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
