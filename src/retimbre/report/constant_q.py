"""Constant-Q pictures: the level of every quarter tone over time.

A nonstationary Gabor transform (Velasco, Holighaus, Doerfler, Grill 2011): one FFT of a stretch of the clip,
and for every bin an inverse one of a Hann window on it around the bin's frequency. Written by hand, as the
libraries that have one (librosa, nnaudio) are larger than this package.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from retimbre.sound import blocks
from retimbre.sound.audio import Samples, Sound

LOWEST_MIDI, BINS_PER_OCTAVE, N_BINS = 24, 24, 216
"""C1, 32.7 Hz; quarter tones; nine octaves, to 16.7 kHz."""

RANGE = 72.0
"""Range of levels in dB from the loudest to 0."""

_COLUMNS = 1200  # at most; as many as a wide window shows
_PER_SECOND = 100  # at most
_STRETCH, _MARGIN = 20.0, 1.0  # seconds of an FFT and on either side of it, in which bins ring
_WIDEN = 12.0  # Hz by which windows are wider than at constant Q, so that low notes have a beginning

Levels = npt.NDArray[np.uint8]


def frequencies() -> npt.NDArray[np.float64]:
    """Give the frequency of each bin in Hz.

    >>> float(frequencies()[90].round(1))  # A4 is 45 semitones above C1
    440.0
    """
    return np.asarray(440 * 2 ** ((LOWEST_MIDI - 69) / 12 + np.arange(N_BINS) / BINS_PER_OCTAVE))


def constant_q(sound: Sound, n_frames: int | None = None) -> Levels:
    """Measure the levels of a clip, the joint ones of its channels.

    Args:
        sound: The clip.
        n_frames: Number of columns; by default 100 a second, at most 1200.

    Returns:
        Of shape (216, T), the lowest frequency first: 255 is the loudest, 0 is 72 dB below it or less.
    """
    seconds = sound.n_samples / sound.sample_rate
    n_frames = n_frames or max(1, min(_COLUMNS, round(seconds * _PER_SECOND)))
    magnitudes = np.concatenate(list(_stretches(sound, n_frames)), axis=1)
    loudest = magnitudes.max()
    if loudest <= 0:
        return np.zeros(magnitudes.shape, np.uint8)
    decibels = 20 * np.log10(np.maximum(magnitudes / loudest, 1e-9))
    return np.asarray(np.clip((decibels / RANGE + 1) * 255, 0, 255).round(), np.uint8)


def _stretches(sound: Sound, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
    """Give the magnitudes of stretches of whole columns, one after the other."""
    column = sound.n_samples / n_frames
    n_columns = max(1, int(_STRETCH * sound.sample_rate / column))
    margin = round(_MARGIN * sound.sample_rate)
    starts = range(0, n_frames, n_columns)
    edges = [(round(a * column), round(min(n_frames, a + n_columns) * column)) for a in starts]
    places = [slice(max(0, a - margin), min(sound.n_samples, b + margin)) for a, b in edges]
    for start, (a, b), place, samples in zip(
        starts, edges, places, blocks.pieces_at(sound, places), strict=True
    ):
        before, after = margin - (a - place.start), margin - (place.stop - b)
        padded = np.pad(samples, ((0, 0), (before, after)))
        yield _magnitudes(padded, sound.sample_rate, margin, min(n_columns, n_frames - start))


def _magnitudes(samples: Samples, sample_rate: int, margin: int, n_columns: int) -> npt.NDArray[np.float32]:
    """Compute the magnitudes (216, T) of samples (C, N) without their margins, the loudest in a column."""
    n = samples.shape[1]
    spectrum = torch.fft.rfft(torch.from_numpy(samples))
    found = np.zeros((N_BINS, n_columns), np.float32)
    for row, centre in enumerate(frequencies()):
        # A Hann window is half as high at half of its width: neighbours cross there.
        width = centre * (2 ** (1 / BINS_PER_OCTAVE) - 2 ** (-1 / BINS_PER_OCTAVE)) + _WIDEN
        low, high = (round((centre + side * width) * n / sample_rate) for side in (-0.5, 0.5))
        if high >= spectrum.shape[1]:
            break
        low = max(0, low)
        window = torch.hann_window(high - low + 1, periodic=False)
        bins = spectrum[:, low : high + 1] * window
        # As many samples in time as the window has bins: no aliasing. The shift of the slice to zero changes
        # phases alone.
        length = 1 << max(high - low, 2 * n_columns * n // (n - 2 * margin)).bit_length()
        power = torch.fft.ifft(bins, length).abs().square().sum(dim=0).sqrt() * (length / n)
        first, last = margin * length / n, (n - margin) * length / n
        edges = np.linspace(first, last, n_columns + 1)
        found[row] = _loudest_between(power.numpy(), edges)
    return found


def _loudest_between(
    values: npt.NDArray[np.float32], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    starts = edges[:-1].astype(int)
    return np.maximum.reduceat(values[: max(starts[-1] + 1, int(edges[-1]))], starts)
