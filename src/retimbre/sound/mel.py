"""Mel filter banks: HTK's and Slaney's.

Written by hand although librosa has them: that is 498 MB with its dependencies, and the banks must be tensors
that gradients pass through.
"""

import math

import torch
from torch import Tensor


def htk_mel(n_bands: int, n_fft: int, sample_rate: int, low: float, high: float) -> Tensor:
    """Make HTK's mel bank: triangles that are linear in mel = 1127 ln(1 + f / 700), of maximum one.

    As in VGGish: the bin at 0 Hz belongs to no band.

    Args:
        n_bands: Number of bands.
        n_fft: Length of the window in samples.
        sample_rate: Rate in Hz.
        low: Lowest edge in Hz.
        high: Highest edge in Hz.

    Returns:
        Weights (n_fft / 2 + 1, n_bands).
    """

    def mel(hertz: Tensor) -> Tensor:
        return 1127 * torch.log1p(hertz / 700)

    bins = mel(torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64))
    first, last = mel(torch.tensor([low, high], dtype=torch.float64)).tolist()
    edges = torch.linspace(first, last, n_bands + 2, dtype=torch.float64)
    bank = _triangles(bins, edges)
    bank[0] = 0
    return bank.float()


_HERTZ_PER_MEL, _STEP = 200 / 3, math.log(6.4) / 27  # of Slaney's scale, below 1000 Hz and above


def slaney_scale(hertz: float) -> float:
    """Convert a frequency in Hz to mel on Slaney's scale.

    >>> slaney_scale(1000.0), round(slaney_scale(6400.0))
    (15.0, 42)
    """
    return hertz / _HERTZ_PER_MEL if hertz < 1000 else 15 + math.log(hertz / 1000) / _STEP


def slaney_mel(n_bands: int, n_fft: int, sample_rate: int, low: float, high: float) -> Tensor:
    """Make Slaney's mel bank: triangles that are linear in Hz, of equal area, edges equally spaced in mel.

    His scale is linear up to 1000 Hz (15 mel) and then logarithmic, 27 mel for a factor of 6.4 (Slaney 1998,
    "Auditory Toolbox"; the default of librosa).

    Args:
        n_bands: Number of bands.
        n_fft: Length of the window in samples.
        sample_rate: Rate in Hz.
        low: Lowest edge in Hz.
        high: Highest edge in Hz.

    Returns:
        Weights (n_fft / 2 + 1, n_bands).
    """
    scale = torch.linspace(slaney_scale(low), slaney_scale(high), n_bands + 2, dtype=torch.float64)
    edges = torch.where(scale < 15, scale * _HERTZ_PER_MEL, 1000 * torch.exp((scale - 15) * _STEP))
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    return (_triangles(bins, edges) * (2 / (edges[2:] - edges[:-2]))).float()


def _triangles(bins: Tensor, edges: Tensor) -> Tensor:
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    up, down = (bins[:, None] - low) / (centre - low), (high - bins[:, None]) / (high - centre)
    return torch.minimum(up, down).clamp(min=0)
