"""Phase retrieval: a waveform for magnitudes by fast Griffin-Lim, for any number of channels.

Written by hand although torchaudio has it: its builds do not load beside a CPU build of torch, and here
several channels share one phase.

A spectrogram of magnitudes says nothing about phase, and most have no waveform at all. Griffin and Lim (1984)
project in turn on the spectrograms that have a waveform and on those with the right magnitudes; Perraudin et
al. (2013) add momentum, which gets nearer in fewer steps.
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
    """Find a waveform with a given joint magnitude and a given stereo image.

    Several channels share one unknown phase per bin. The set of admissible bins is
    ``magnitude * image * u`` with ``|u| = 1``, and the point in it that is nearest to bins ``c`` has
    ``u`` along ``sum over channels of c * conj(image)``. So the differences between the channels in
    level and phase, which are the stereo image, stay exactly.

    Args:
        magnitude: Target of the joint magnitude, (F, T), at least 0.
        image: Stereo image, complex (C, F, T), mean square one over the channels; the search starts from its
            phase.
        window: The transform of which ``magnitude`` is a spectrogram.
        n_samples: Length N of the result.
        n_iter: Rounds; 0 keeps the phase of ``image``.

    Returns:
        Samples (C, N), and their spectral convergence in dB (:func:`spectral_convergence`).
    """
    # In the layout that the transform gives, frame after frame: mixed layouts take four times as long.
    magnitude, image = (part.mT.contiguous().mT for part in (magnitude, image))
    admissible, conjugate = magnitude * image, image.conj().resolve_conj()
    bins, previous = admissible, torch.zeros_like(admissible[0])
    for _ in range(n_iter):
        # The momentum of consistent bins is applied to their sum along the image, which is all that counts.
        along = _sum_of_products(window.stft(window.istft(bins, n_samples)), conjugate)
        bins = admissible * _unit_phasors(torch.lerp(previous, along, 1 + _MOMENTUM))
        previous = along
    samples = window.istft(bins, n_samples)
    return samples, spectral_convergence(joint_magnitude(window.stft(samples)), magnitude)


def _sum_of_products(bins: Tensor, others: Tensor) -> Tensor:
    """Sum the products of complex bins (C, F, T) over the channels, (F, T)."""
    total = bins[0] * others[0]
    for one, other in zip(bins[1:], others[1:], strict=True):
        total = torch.addcmul(total, one, other)
    return total


def _unit_phasors(bins: Tensor) -> Tensor:
    """Scale complex numbers to magnitude one; 0 becomes 1."""
    return torch.where(bins == 0, 1, bins.sgn())


def spectral_convergence(estimate: Tensor, target: Tensor) -> float:
    """Compute the spectral convergence ``20 log10(||estimate - target|| / ||target||)`` in dB.

    Lower is nearer; -inf is exact.

    Args:
        estimate: Magnitudes of a waveform, any shape.
        target: Magnitudes that were to be reached, of the same shape.
    """
    ratio = torch.linalg.vector_norm(estimate - target) / torch.linalg.vector_norm(target)
    return 20 * math.log10(float(ratio)) if ratio > 0 else -math.inf
