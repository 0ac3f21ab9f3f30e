"""Sounds of a listening test: of one length, rate, number of channels and loudness, with two anchors."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soxr

from retimbre.apps.listening.trials import Trial
from retimbre.errors import InputError
from retimbre.settings import Settings
from retimbre.sound.audio import Audio, Samples
from retimbre.sound.files import read, write
from retimbre.sound.loudness import loudness

RATE = 48_000
"""Rate of all sounds in Hz."""

LOUDEST = -23.0
"""Loudness in LUFS, where peaks allow it (EBU R 128)."""

PEAK = -1.0
"""Highest sample in dBFS."""

ANCHORS = {"anchor35": 3_500.0, "anchor70": 7_000.0}
"""Hidden anchors of BS.1534-3: the reference without what is over so many Hz."""

REFERENCE = "reference"
"""The reference's name as webMUSHRA writes it."""

_BITS = Settings(bits="16")
_SLOPE = 500.0  # Hz from all to nothing; the standard wants 25 dB there and 50 dB at twice as much

Sounds = dict[str, Audio]


def of_trial(trial: Trial) -> Sounds:
    """Read the sounds of a trial, bring them to the form of its reference, and add the anchors.

    A shorter output is followed by silence, and a longer one is cut: webMUSHRA takes one length alone.

    Raises:
        InputError: a silent sound.
        AudioReadError: a sound that cannot be read.
    """
    paths = {REFERENCE: trial.reference, **trial.conditions}
    read_ = {name: read(path) for name, path in paths.items()}
    n_channels = max(clip.n_channels for clip in read_.values())
    resampled = {name: _resampled(clip, n_channels, paths[name]) for name, clip in read_.items()}
    length = resampled[REFERENCE].shape[1]
    sounds = {name: _of_length(samples, length) for name, samples in resampled.items()}
    anchors = {name: low_passed(sounds[REFERENCE], hertz) for name, hertz in ANCHORS.items()}
    found = {name: Audio(samples, RATE) for name, samples in (sounds | anchors).items()}
    for name, clip in found.items():
        if loudness(clip) == -math.inf:
            raise InputError(f"{paths.get(name, trial.reference)} is silent as {name}: expected sound")
    return found


def _resampled(clip: Audio, n_channels: int, path: Path) -> Samples:
    if clip.n_channels not in (1, n_channels):
        raise InputError(f"{path} has {clip.n_channels} channels: expected 1 or {n_channels}, as the others")
    samples = np.broadcast_to(clip.samples, (n_channels, clip.n_samples))
    return np.asarray(soxr.resample(samples.T, clip.sample_rate, RATE).T, dtype=np.float32)


def _of_length(samples: Samples, length: int) -> Samples:
    return np.pad(samples[:, :length], ((0, 0), (0, max(0, length - samples.shape[1]))))


def low_passed(samples: Samples, hertz: float) -> Samples:
    """Take away what is over a frequency: all over ``hertz`` + 500 Hz, by half a cosine in between."""
    n = samples.shape[1]
    spectrum = np.fft.rfft(samples, 2 * n, axis=1)  # padded: what rings must not come round
    frequency = np.fft.rfftfreq(2 * n, 1 / RATE)
    place = np.clip((frequency - hertz) / _SLOPE, 0, 1)
    return np.fft.irfft(spectrum * (0.5 + 0.5 * np.cos(np.pi * place)), axis=1)[:, :n].astype(np.float32)


def common_loudness(sounds: Iterable[Audio]) -> float:
    """Give the loudness in LUFS that all sounds can have with no sample over :data:`PEAK`."""
    allowed = [PEAK - 20 * math.log10(np.abs(clip.samples).max()) + loudness(clip) for clip in sounds]
    return min(LOUDEST, *allowed)


def save(folder: Path, sounds: Sounds, level: float) -> None:
    """Write sounds at a loudness in LUFS, as ``NAME.wav`` of 16 bits, which every browser reads."""
    for name, clip in sounds.items():
        gain = 10 ** ((level - loudness(clip)) / 20)
        louder = Audio(clip.samples * np.float32(gain), RATE)
        write(folder / f"{name}.wav", louder, settings=_BITS)
