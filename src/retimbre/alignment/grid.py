"""The dictionary of the factorisation: harmonic combs of every pitch, and mel bands of noise.

The partials k f0 of a pitch are lobes of the window's own width, as Gaussians over the bins. See
:mod:`retimbre.alignment.notes` for the model that is made of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.sound.mel import slaney_mel, slaney_scale

LOWEST, HIGHEST = 33, 100
"""MIDI numbers of the pitches: A1 (55 Hz) to E7 (2637 Hz)."""

N_PARTIALS = 40
TOP = 10_600.0
"""Hz; partials above count as noise."""
_LOBE, _SPREAD = 0.85, 0.005
"""Widths of a lobe: the bins at which a Hann window's lobe has fallen by half, as a Gaussian; and a share of
the partial's frequency, for strings that are stiff and players that are not exact."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Places of the partials of every pitch, and the bands of noise.

    Attributes:
        lobes: Lobe of every partial over the lowest F' bins, (P, K, F'); zero where it lies too high.
        hertz: Frequency of every partial in Hz, (P, K).
        bands: Weights of the bins in every band of noise, each of sum one, (B, F).
        step: Distance of neighbouring bins in Hz.
    """

    lobes: Tensor
    hertz: Tensor
    bands: Tensor
    step: float

    @classmethod
    def of(cls, n_fft: int, sample_rate: int, tuning: float, device: torch.device) -> "Grid":
        """Make the grid of spectrograms of Hann windows of ``n_fft`` samples.

        Args:
            n_fft: Length of the window in samples.
            sample_rate: Rate in Hz.
            tuning: Distance of the pitches from A4 = 440 Hz in semitones; above it is positive.
            device: Device of the tensors.
        """
        step = sample_rate / n_fft
        bins = torch.arange(n_fft // 2 + 1) * step
        pitches = torch.arange(LOWEST, HIGHEST + 1) + round(tuning, 2)
        hertz = 440 * 2 ** ((pitches - 69) / 12)[:, None] * torch.arange(1, N_PARTIALS + 1)
        top = min(TOP, 0.96 * float(bins[-1]))
        lobes = (
            -0.5 * ((bins[bins < top + 400] - hertz[..., None]) / lobe_width(hertz, step)[..., None]).square()
        ).exp()
        lobes[hertz > top] = 0
        n_bands = round(24 * slaney_scale(sample_rate / 2) / slaney_scale(11_025))  # as dense at any rate
        bands = slaney_mel(n_bands, n_fft, sample_rate, 0, sample_rate / 2).T
        return cls(
            lobes.where(lobes > 1e-4, 0).to(device),
            hertz.to(device),
            functional.normalize(bands, p=1).to(device),
            step,
        )

    @property
    def is_present(self) -> Tensor:
        """Whether each partial lies in the spectrogram, (P, K)."""
        return self.lobes.amax(dim=2) > 0

    def spectra(self, amplitudes: Tensor) -> Tensor:
        """Compute the magnitudes of a note of each pitch, (P, F), from amplitudes of its partials (P, K)."""
        spectra = torch.bmm(amplitudes[:, None], self.lobes)[:, 0]
        return functional.pad(spectra, (0, self.bands.shape[1] - spectra.shape[1]))


def lobe_width(hertz: Tensor, step: float) -> Tensor:
    """Compute the standard deviations of the lobes of partials, in Hz.

    Args:
        hertz: Frequencies of the partials in Hz, any shape.
        step: Distance of neighbouring bins in Hz.
    """
    return ((_LOBE * step) ** 2 + (_SPREAD * hertz).square()).sqrt()
