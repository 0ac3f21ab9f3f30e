"""Joint magnitude of several channels, their stereo image, and diffuse fields."""

import torch
from torch import Tensor

from retimbre.sound.stft import Window

_TINY = 1e-30  # squared magnitude


def joint_magnitude(bins: Tensor) -> Tensor:
    """Compute the root mean square over the channels of complex bins (C, F, T): one spectrogram (F, T).

    For one channel this is its magnitude. Unlike the magnitude of a mix it keeps channels that cancel each
    other.
    """
    if len(bins) == 1:
        return bins[0].abs()
    # Torch's norm over a dimension takes seven times as long, forward and backward, and a sum over one twice.
    # The constant keeps the gradient finite at zero, and is nothing to any magnitude that can be heard.
    first, *others = (channel.real.square() + channel.imag.square() for channel in bins)
    power: Tensor = sum(others, start=first) / len(bins)
    return (power + _TINY).sqrt()


def principal_axis(samples: Tensor) -> Tensor:
    """Compute the direction of most power among channels (C, N): a unit vector (C,), its sum not negative.

    The channels may be complex; the direction is real.
    """
    power = (samples @ samples.mH).real
    axis: Tensor = torch.linalg.eigh(power.double()).eigenvectors[:, -1].to(power)
    return -axis if axis.sum() < 0 else axis


def in_phase_mix(samples: Tensor) -> Tensor:
    """Mix channels (C, N) down to their mean, (N,), those upside down turned over: they would cancel.

    Upside down is one that has the other sign than most on the channels' principal axis.
    """
    signs = torch.where(principal_axis(samples) < 0, -1.0, 1.0).to(samples)
    return (signs[:, None] * samples).mean(dim=0)


def stereo_image(bins: Tensor) -> Tensor:
    """Compute the stereo image of complex bins (C, F, T): the bins divided by their joint magnitude.

    Complex (C, F, T), with the channels' own phases and a mean square of one over the
    channels, so that ``joint_magnitude(bins) * stereo_image(bins)`` is about ``bins``. Where a bin is
    near silence its image is that of its neighbourhood (9 bins x 9 frames): sound that the style adds there
    comes from the direction of the music around it. One percent of the neighbourhood's
    power is enough for that and moves a bin of ordinary power by less than 0.1 dB.
    """
    phase = torch.where(bins == 0, 1, bins.sgn())
    if len(bins) == 1:
        return phase
    power = bins.real.square() + bins.imag.square()
    share = power + 0.01 / 9**2 * _sum_around(_sum_around(power, 1), 2)
    share = share + torch.finfo(share.dtype).tiny
    share = share / share.mean(dim=0)
    return phase * share.sqrt()


def _sum_around(values: Tensor, dim: int) -> Tensor:
    """Sum each value and its four neighbours on either side along a dimension; torch's pooling is slower."""
    total, n = values.clone(), values.shape[dim]
    for step in range(1, min(5, n)):
        total.narrow(dim, step, n - step).add_(values.narrow(dim, 0, n - step))
        total.narrow(dim, 0, n - step).add_(values.narrow(dim, step, n - step))
    return total


class DiffuseField:
    """Diffuse field of a recording, by the covariance S_f of its channels in every bin, over time.

    Unrelated noise in every channel, mixed by ``S_f^(1/2)``, has that covariance. Divided by its joint
    magnitude, as an image has to be, it would bring the levels of the channels nearer together (by a sixth
    for unrelated channels of 1 and .5); so these are corrected in rounds.

    Args:
        bins: Complex bins (C, F, T) of the recording.

    >>> bins = torch.randn(2, 513, 40, dtype=torch.complex64)
    >>> DiffuseField(bins).image(Window(1024, 256), 8192, torch.Generator()).shape
    torch.Size([2, 513, 33])
    """

    def __init__(self, bins: Tensor) -> None:
        covariance = torch.einsum("cft,dft->fcd", bins, bins.conj()) / bins.shape[2]
        power = covariance.diagonal(dim1=1, dim2=2).real.mean(dim=1)
        covariance = covariance / power.clamp(min=torch.finfo(power.dtype).tiny)[:, None, None]
        values, vectors = torch.linalg.eigh(covariance)
        self._root = (vectors * values.clamp(min=0).sqrt()[:, None, :]) @ vectors.mH
        self._shares = covariance.diagonal(dim1=1, dim2=2).real.clamp(min=0).T[:, :, None]

    def image(self, window: Window, n_samples: int, generator: torch.Generator) -> Tensor:
        """Draw a stereo image for ``n_samples``: complex, (C, F, T), mean square one over the channels."""
        noise = torch.randn(len(self._shares), n_samples, generator=generator).to(window.device)
        directions = stereo_image(torch.einsum("fcd,dft->cft", self._root, window.stft(noise)))
        for _ in range(5 if len(directions) > 1 else 0):
            shares = directions.abs().square().mean(dim=2, keepdim=True)
            directions = directions * (self._shares / shares.clamp(min=1e-12)).sqrt()
            directions = directions / directions.abs().square().mean(dim=0).clamp(min=1e-12).sqrt()
        return directions
