"""A limiter that keeps peaks under a ceiling, and gains that reach a loudness with it.

Written by hand, as there is no light library for it: the one in ``pedalboard`` is under the GPL.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from retimbre.sound.audio import Samples, Sound
from retimbre.sound.loudness import loudness

CEILING = 10 ** (-1.1 / 20)
"""Highest absolute sample of an output: a little under -1 dBFS, so that rounding stays under it too."""

LIMIT = 10 ** (-1 / 20)
"""Highest absolute sample of an output's file as it is decoded again: -1 dBFS."""


class Limited:
    """A sound with a gain and a limiter: one smooth gain for all channels keeps peaks under a ceiling.

    The gain is found on a grid of one millisecond: the highest gain that each block allows, the minimum of
    that over five blocks to either side, smoothed over five and interpolated. Every value that enters the
    gain at a sample is at most what that sample allows, so the result never exceeds the ceiling.

    Args:
        sound: Sound to limit; it is not changed.
        gain: Gain before the limiter, linear.
        ceiling: Highest absolute sample of the result, linear.
    """

    def __init__(self, sound: Sound, *, gain: float = 1.0, ceiling: float = CEILING) -> None:
        self.sample_rate, self.n_channels = sound.sample_rate, sound.n_channels
        self.n_samples = sound.n_samples
        self._sound, self._ceiling = sound, ceiling
        self._size = max(1, sound.sample_rate // 1000)
        self._peaks = np.concatenate([_peaks(p, self._size) for p in sound.pieces(10_000 * self._size)])
        self.gain = gain

    @property
    def is_under_ceiling(self) -> bool:
        """Whether the sound with the gain alone stays under the ceiling."""
        return self.gain * float(self._peaks.max()) <= self._ceiling

    def missing(self, target: float) -> float:
        """Give the LU by which the limited sound is quieter than a loudness in LUFS; 0 for a gain alone."""
        return 0.0 if self.is_under_ceiling else target - loudness(self)

    def pieces(self, length: int) -> Iterator[Samples]:
        """Give the samples in pieces of shape (C, ``length``); the last may be shorter."""
        if self.is_under_ceiling:
            for piece in self._sound.pieces(length):
                yield piece * np.float32(self.gain)
            return
        allowed = np.pad(self._ceiling / np.maximum(self.gain * self._peaks, self._ceiling), 7, mode="edge")
        least = np.lib.stride_tricks.sliding_window_view(allowed, 11).min(axis=1)
        smooth = np.lib.stride_tricks.sliding_window_view(least, 5).mean(axis=1)
        centres = (np.arange(len(smooth)) + 0.5) * self._size
        start = 0
        for piece in self._sound.pieces(length):
            at = np.arange(start, start + piece.shape[1]) + 0.5
            yield (piece * (self.gain * np.interp(at, centres, smooth))).astype(np.float32)
            start += piece.shape[1]


def _peaks(samples: Samples, size: int) -> npt.NDArray[np.float32]:
    """Find the highest absolute sample of each block of ``size`` samples, over all channels."""
    # A maximum along the axis takes ten times as long, as pieces of files are laid out.
    peak = np.abs(samples[0])
    for channel in samples[1:]:
        np.maximum(peak, np.abs(channel), out=peak)
    highest: npt.NDArray[np.float32] = np.pad(peak, (0, -len(peak) % size)).reshape(-1, size).max(axis=1)
    return highest


def match_loudness(sound: Sound, target: float) -> Limited:
    """Bring a clip that is not silent to a loudness, with no sample over the ceiling.

    Peaks over the ceiling are limited, and the gain is corrected for the loudness that this costs. A target
    that the ceiling does not allow is approached by three corrections of at most 6 dB.

    Args:
        sound: The clip.
        target: Integrated loudness in LUFS.
    """
    matched = Limited(sound)
    level = target - loudness(sound)
    for _ in range(4):
        matched.gain = 10 ** (level / 20)
        if matched.is_under_ceiling:
            break
        missing = target - loudness(matched)
        if abs(missing) < 0.05:
            break
        level += min(missing, 6.0)
    return matched
