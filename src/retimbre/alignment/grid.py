"""The dictionary of the factorisation: harmonic combs of every pitch, and mel bands of noise.

The partials k f0 of a pitch are lobes of the window's own width, as Gaussians over the bins. See
:mod:`retimbre.alignment.notes` for the model that is made of them.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.sound.mel import slaney_mel, slaney_scale

LOWEST, HIGHEST = 33, 100
"""MIDI numbers of the pitches: A1 (55 Hz) to E7 (2637 Hz)."""

N_PARTIALS = 40
TOP = 10_600.0
"""Hz; partials above count as noise."""
_LOBE, _SPREAD, _REACH = 0.85, 0.005, 4.3
"""Widths of a lobe: the bins at which a Hann window's lobe has fallen by half, as a Gaussian; and a share of
the partial's frequency, for strings that are stiff and players that are not exact. Widths to which a lobe
reaches, at 1e-4 of its height."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Places of the partials of every pitch, and the bands of noise.

    Attributes:
        lobes: Lobe of every partial in the J bins around it, (P, K, J); zero where it lies too high.
        bins: These bins, (P, K, J), all among the lowest ``n_low``.
        n_low: Number of bins in which partials lie, F'.
        hertz: Frequency of every partial in Hz, (P, K).
        bands: Weights of the bins in every band of noise, each of sum one, (B, F).
        step: Distance of neighbouring bins in Hz.
    """

    lobes: Tensor
    bins: Tensor
    n_low: int
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
        pitches = torch.arange(LOWEST, HIGHEST + 1) + round(tuning, 2)
        hertz = 440 * 2 ** ((pitches - 69) / 12)[:, None] * torch.arange(1, N_PARTIALS + 1)
        top = min(TOP, 0.48 * sample_rate)
        n_low = min(n_fft // 2 + 1, int((top + 400) / step) + 1)
        width = lobe_width(hertz, step)[..., None]
        reach = int(_REACH * float((width * (hertz <= top)[..., None]).amax()) / step) + 1
        bins = (hertz / step).round().long()[..., None] + torch.arange(-reach, reach + 1)
        lobes = (-0.5 * ((bins * step - hertz[..., None]) / width).square()).exp()
        lobes = lobes.where((lobes > 1e-4) & (hertz <= top)[..., None] & (bins >= 0) & (bins < n_low), 0)
        n_bands = round(24 * slaney_scale(sample_rate / 2) / slaney_scale(11_025))  # as dense at any rate
        bands = slaney_mel(n_bands, n_fft, sample_rate, 0, sample_rate / 2).T
        return cls(
            lobes.to(device),
            bins.clamp(0, n_low - 1).to(device),
            n_low,
            hertz.to(device),
            functional.normalize(bands, p=1).to(device),
            step,
        )

    @property
    def is_present(self) -> Tensor:
        """Whether each partial lies in the spectrogram, (P, K)."""
        return self.lobes.amax(dim=2) > 0

    @cached_property
    def sizes(self) -> Tensor:
        """Sum of every lobe, (P, K)."""
        return self.lobes.sum(dim=2)

    def spectra(self, amplitudes: Tensor) -> Tensor:
        """Compute the magnitudes of a note of each pitch, (P, F'), from amplitudes of its partials (P, K)."""
        rows = torch.arange(len(self.bins), device=self.bins.device)[:, None, None]
        values = (amplitudes[..., None] * self.lobes).flatten()
        flat = values.new_zeros(len(rows) * self.n_low)
        return flat.index_add_(0, (rows * self.n_low + self.bins).flatten(), values).view(-1, self.n_low)

    def at_partials(self, spectra: Tensor) -> Tensor:
        """Sum spectra (P, F') over the lobes of each pitch's own partials, (P, K)."""
        values = spectra.gather(1, self.bins.flatten(1)).view_as(self.lobes)
        return (values * self.lobes).sum(dim=2)


def lobe_width(hertz: Tensor, step: float) -> Tensor:
    """Compute the standard deviations of the lobes of partials, in Hz.

    Args:
        hertz: Frequencies of the partials in Hz, any shape.
        step: Distance of neighbouring bins in Hz.
    """
    return ((_LOBE * step) ** 2 + (_SPREAD * hertz).square()).sqrt()
