"""Spectrograms as pictures: level in dB over time and log frequency.

One row of pixels is one step of pitch, so that an octave has the same height everywhere. Where rows
lie closer than the bins of the transform, levels are interpolated; where several bins fall into a
row, the loudest is shown, so that no partial gets lost.
"""

import io
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from retimbre.errors import DependencyError
from retimbre.sound.audio import Audio

LOWEST, HIGHEST = 40.0, 16_000.0
"""Frequencies at the bottom and the top of a picture, in Hz."""

RANGE = 80.0
"""Range of levels from the loudest to the darkest colour, in dB."""

FREQUENCIES = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Marks of the axis of frequency, in Hz."""

COLOURS = "magma"
"""Name of matplotlib's colour map: its lightness rises evenly, for every eye."""

_ROWS = 288  # a third of a semitone each: 8.6 octaves between LOWEST and HIGHEST
_COLUMNS = 800  # at most; more than a page shows
_TONE = 512.0  # magnitude of a full-scale tone in Window.stft: 2048 / 4 (half the sum of a Hann window)
_SILENCE = -140.0  # level in dB that stands for none at all

Levels = npt.NDArray[np.float32]


def position(frequency: float) -> float:
    """Place a frequency in Hz in a picture: 0 at the bottom, 1 at the top.

    >>> position(40.0), position(16000.0), round(position(800.0), 3)
    (0.0, 1.0, 0.5)
    """
    return float(np.log(frequency / LOWEST) / np.log(HIGHEST / LOWEST))


def levels(audio: Audio) -> Levels:
    """Measure the levels that a picture shows, over all channels.

    The window is the default one of a transfer (93 ms).

    Args:
        audio: Any clip; one shorter than the window is taken with silence around it.

    Returns:
        Decibels, 0 for a full-scale tone, of shape (288, T): the highest frequency first, T at most
        800 columns.
    """
    import torch

    from retimbre.settings import Settings
    from retimbre.sound.stereo import joint_magnitude
    from retimbre.sound.stft import Window

    n_fft = Window.at_rate(Settings(), audio.sample_rate, torch.device("cpu")).n_fft
    hop_length = min(n_fft // 2, max(n_fft // 8, audio.n_samples // _COLUMNS))
    bins = Window(n_fft, hop_length).stft(torch.from_numpy(audio.samples))
    magnitude = joint_magnitude(bins).numpy() / _TONE
    decibels = 20 * np.log10(np.maximum(magnitude, 10 ** (_SILENCE / 20)))
    return _pool(_on_rows(decibels, audio.sample_rate / n_fft))


def _on_rows(decibels: Levels, bin_width: float) -> Levels:
    """Resample bins (F, T) to rows of equal pitch, the highest first."""
    edges = np.geomspace(LOWEST, HIGHEST, _ROWS + 1) / bin_width
    top = len(decibels) - 1
    rows = np.full((_ROWS, decibels.shape[1]), _SILENCE, dtype=np.float32)
    for row, (low, high) in enumerate(pairwise(edges)):
        first, end = int(np.ceil(low)), int(np.ceil(high))
        centre = (low * high) ** 0.5
        if centre >= top:  # above half the sample rate there is nothing
            break
        if end > first:
            rows[row] = decibels[first:end].max(axis=0)
        else:
            below = int(centre)
            share = centre - below
            rows[row] = (1 - share) * decibels[below] + share * decibels[below + 1]
    return rows[::-1]


def _pool(rows: Levels) -> Levels:
    """Take the loudest of neighbouring columns until there are at most 800."""
    size = -(-rows.shape[1] // _COLUMNS)
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % size)), mode="edge")
    pooled: Levels = padded.reshape(len(rows), -1, size).max(axis=2)
    return pooled


def spectrogram_png(shown: Audio | Levels, *, loudest: float | None = None) -> bytes:
    """Draw a spectrogram without axes, 288 pixels high.

    Args:
        shown: A clip, or its :func:`levels`.
        loudest: Level in dB that gets the brightest colour; by default the picture's own maximum.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib import colormaps
        from PIL import Image
    except ImportError as error:
        raise DependencyError("matplotlib", extra="report") from error
    grid = levels(shown) if isinstance(shown, Audio) else shown
    loudest = float(grid.max()) if loudest is None else loudest
    index = np.clip((grid - loudest) / RANGE + 1, 0, 1) * 255
    # 256 colours from a palette: the same picture in a third of the bytes.
    picture = Image.fromarray(index.round().astype(np.uint8))
    picture.putpalette(colormaps[COLOURS](np.arange(256), bytes=True)[:, :3].tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def kilo(hertz: int) -> str:
    """Write a frequency short: 500, 2k."""
    return f"{hertz // 1000}k" if hertz >= 1000 else f"{hertz}"
