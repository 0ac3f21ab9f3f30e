"""Resampling inside the graph: differentiable, by Fourier series."""

import math

import torch
from torch import Tensor


def resample(samples: Tensor, before: int, after: int) -> Tensor:
    """Bring samples (C, N) to another rate by their Fourier series: exact up to half the lower rate.

    The clip is filled with silence to where both rates have a whole number of samples, and what is too many
    is cut off again: ``ceil(N after / before)`` are left.
    """
    if before == after:
        return samples
    n_samples, step = samples.shape[-1], before // math.gcd(before, after)
    n_before = -(-n_samples // step) * step
    n_after = n_before * after // before
    spectrum = torch.fft.rfft(samples, n_before)
    n_bins = min(n_before, n_after) // 2 + 1
    resampled: Tensor = torch.fft.irfft(spectrum[..., :n_bins], n_after) * (n_after / n_before)
    return resampled[..., : -(-n_samples * after // before)]
