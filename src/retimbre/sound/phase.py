"""From magnitudes to a waveform: fast Griffin-Lim, for any number of channels.

A spectrogram of magnitudes says nothing about phase, and most have no waveform at all. Griffin and
Lim (1984) project in turn on the spectrograms that have a waveform and on those with the right
magnitudes; Perraudin et al. (2013) add momentum, which gets nearer in fewer steps.
"""

import math

import torch
from torch import Tensor

from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import Window

_MOMENTUM = 0.99  # the value that Perraudin et al. recommend


def griffin_lim(
    magnitude: Tensor,
    image: Tensor,
    window: Window,
    n_samples: int,
    *,
    n_iter: int = 32,
) -> tuple[Tensor, float]:
    """Find a waveform whose joint magnitude is the one given, with the image given.

    Several channels share one unknown phase per bin. The set of admissible bins is
    ``magnitude * image * u`` with ``|u| = 1``, and the point in it that is nearest to bins ``c`` has
    ``u`` along ``sum over channels of c * conj(image)``. So the differences between the channels in
    level and phase, which are the stereo image, stay exactly as they are given.

    Args:
        magnitude: Shape (F, T), at least 0.
        image: Complex, (C, F, T), mean square one over the channels; its phase is where the search
            starts. :func:`random_image` where there is none.
        window: The transform of which ``magnitude`` is a spectrogram.
        n_samples: Length N of the result.
        n_iter: Rounds; 0 keeps the phase of ``image``.

    Returns:
        Samples (C, N), and the spectral convergence in dB: ``20 log10(||m' - m|| / ||m||)`` for the
        magnitude asked for and that of the result. Lower is better; -inf is exact.
    """
    admissible = magnitude * image
    bins, previous = admissible, torch.zeros_like(admissible)
    for _ in range(n_iter):
        consistent = window.stft(window.istft(bins, n_samples))
        ahead = consistent + _MOMENTUM * (consistent - previous)
        previous = consistent
        turn = (ahead * image.conj()).sum(dim=0)
        bins = admissible * _direction(turn)
    samples = window.istft(bins, n_samples)
    return samples, spectral_convergence(joint_magnitude(window.stft(samples)), magnitude)


def _direction(bins: Tensor) -> Tensor:
    """Complex numbers brought to magnitude one; 1 where there is no direction."""
    size = bins.abs()
    return torch.where(size > 0, bins / size, 1)


def spectral_convergence(given: Tensor, asked: Tensor) -> float:
    """``20 log10(||given - asked|| / ||asked||)`` in dB, for magnitudes of equal shape."""
    ratio = torch.linalg.vector_norm(given - asked) / torch.linalg.vector_norm(asked)
    return 20 * math.log10(float(ratio)) if ratio > 0 else -math.inf


def random_image(like: Tensor, generator: torch.Generator) -> Tensor:
    """One channel of random phase for a magnitude (F, T): complex, (1, F, T)."""
    angle = torch.rand(like.shape, generator=generator, dtype=like.dtype) * 2 * math.pi
    return torch.polar(torch.ones_like(like), angle.to(like.device))[None]
