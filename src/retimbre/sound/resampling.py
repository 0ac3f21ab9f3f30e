"""Resampling inside the graph: differentiable, by Fourier series."""

import math

import torch
from torch import Tensor


def resample(samples: Tensor, before: int, after: int) -> Tensor:
    """Resample samples (C, N) by their Fourier series: exact up to half the lower rate.

    The clip is padded with silence to a length that is a whole number of samples at both rates, and cut again
    to ``ceil(N after / before)``.

    Args:
        samples: Samples (C, N).
        before: Their rate in Hz.
        after: Rate of the result in Hz.
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
