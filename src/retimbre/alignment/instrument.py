"""The instrument of a clip: its partials at every pitch, also where it plays no note, and its noise.

*Partials.* The amplitude of partial k of pitch p is that of a source through a filter,
``log a(p, k) = s(k) + e(k f0(p))``: the string or reed, the same at every pitch, and the body's response at
that frequency (Fant 1960; Klapuri 2007 for instruments). Both are found by least squares, each pitch weighed
by its loudness, with a penalty on roughness; the residual is added back at the pitches of the transcription
and their neighbours.

*Noise.* Breath, bow and hammer follow the notes. The noise of each band is a non-negative combination of the
loudness of the notes, of their onsets, of the onsets decaying with several time constants, and of a constant.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from retimbre.alignment.grid import N_PARTIALS, Grid
from retimbre.alignment.intonation import render_partials
from retimbre.alignment.notes import Notes, gaussian_weights

_N_EDGES = 48  # of the filter, equally spaced in log frequency from 50 Hz
_LOWEST_HERTZ = 50.0
_ROUGHNESS = (0.2, 0.8)  # of source and filter, in units of the loudest pitch's weight
_RANGE = 10.0  # nepers under the strongest partial that still count
_NEIGHBOURS = 2.0  # semitones: Gaussian over which the residual of a pitch is added to its neighbours
_DECAYS = (1, 2, 4, 8, 16, 32)  # time constants in frames
_N_ITER = 100
_EXCESS = 4.0
"""Upper limit of the measured noise over the noise predicted from the notes, as a ratio of magnitudes. Its
square root is applied to the new instrument: the player or the instrument may have made the excess, so each
gets half of it in dB. There is no lower limit: where the content is silent there is no noise."""


@dataclass(frozen=True, eq=False)
class Instrument:
    """Partials and noise of an instrument, at every pitch.

    Attributes:
        amplitudes: Amplitudes of the partials of each pitch, (P, K).
        noise: Weight of each regressor (:func:`_noise_regressors`) in each band of noise, (B, J).
    """

    amplitudes: Tensor
    noise: Tensor

    @classmethod
    def of(cls, notes: Notes, grid: Grid) -> "Instrument":
        """Fit an instrument to the notes that it plays in a clip.

        Args:
            notes: Notes of the clip.
            grid: Places of the partials.
        """
        amplitudes = fit_source_filter(notes.amplitudes, notes.activations.sum(dim=1), grid)
        return cls(amplitudes, fit_nonnegative(notes.noise, _noise_regressors(notes.activations)))

    def play(self, notes: Notes, deviations: Tensor, grid: Grid) -> Tensor:
        """Play the notes of another clip: magnitudes (F, T).

        The loudness of the notes stays. Of the noise that the other clip's own instrument does not predict,
        half stays, in dB.

        Args:
            notes: Notes of the other clip.
            deviations: Distance of each note from its pitch in semitones, (P, T).
            grid: Places of the partials in both clips.
        """
        regressors = _noise_regressors(notes.activations)
        predicted = fit_nonnegative(notes.noise, regressors) @ regressors
        excess = (notes.noise / predicted.clamp(min=1e-9)).clamp(max=_EXCESS).sqrt()
        noise = self.noise @ regressors * excess
        return render_partials(self.amplitudes, notes.activations, deviations, grid) + grid.bands.T @ noise


def fit_source_filter(amplitudes: Tensor, weights: Tensor, grid: Grid) -> Tensor:
    """Fit a source and a filter to the amplitudes of some pitches, and extend these to all pitches.

    Args:
        amplitudes: Amplitudes of the partials of each pitch in a transcription, (P, K).
        weights: Total loudness of each pitch in it, (P,).
        grid: Places of the partials.

    Returns:
        Amplitudes (P, K), positive where the partial lies in the spectrogram, zero elsewhere.
    """
    present = grid.is_present.cpu()
    transcribed = amplitudes.cpu().double()
    level = transcribed.clamp(min=1e-30).log()
    level = level.maximum(level.amax(dim=1, keepdim=True) - _RANGE)
    weight = (weights.cpu().double() / max(float(weights.amax()), 1e-12))[:, None] * present
    weight = weight.where(weight > 1e-3, 0)
    design = _design(grid.hertz.cpu())
    flat, rows = weight.reshape(-1, 1), design.reshape(-1, design.shape[2])
    normal = (rows * flat).T @ rows + _penalty()
    solution = torch.linalg.solve(normal, (rows * flat).T @ level.reshape(-1))
    fitted = design @ solution
    kernel = gaussian_weights(len(transcribed), _NEIGHBOURS, weight)
    fitted = fitted + kernel @ (weight * (level - fitted)) / (kernel @ weight + 0.02)
    filled: Tensor = (fitted.exp() * present).to(amplitudes)
    return filled


def _design(hertz: Tensor) -> Tensor:
    """Make the design matrix of the partials, (P, K, K + edges): one source and two edges of the filter each.

    Args:
        hertz: Frequency of every partial in Hz, (P, K).
    """
    n_pitches, n_partials = hertz.shape
    top = float(hertz.amax())
    place = (hertz / _LOWEST_HERTZ).log() / torch.tensor(top / _LOWEST_HERTZ).log() * (_N_EDGES - 1)
    place = place.double().clamp(0, _N_EDGES - 1)
    edges = torch.arange(_N_EDGES)
    filters = (1 - (place[..., None] - edges).abs()).clamp(min=0)
    sources = torch.eye(n_partials, dtype=torch.float64).expand(n_pitches, -1, -1)
    return torch.cat([sources, filters], dim=2)


def _penalty() -> Tensor:
    """Make the penalty on roughness: squared slopes of the source over log k, squared bends of the filter."""
    k = torch.arange(1, N_PARTIALS + 1, dtype=torch.float64).log2()
    slopes = torch.eye(N_PARTIALS, dtype=torch.float64).diff(dim=0) / k.diff()[:, None].sqrt()
    bends = torch.eye(_N_EDGES, dtype=torch.float64).diff(n=2, dim=0)
    of_source, of_filter = _ROUGHNESS
    normal = torch.zeros(N_PARTIALS + _N_EDGES, N_PARTIALS + _N_EDGES, dtype=torch.float64)
    normal[:N_PARTIALS, :N_PARTIALS] = of_source * slopes.T @ slopes
    normal[N_PARTIALS:, N_PARTIALS:] = of_filter * bends.T @ bends
    # A constant may be in the source or in the filter: it goes to the source.
    normal[N_PARTIALS:, N_PARTIALS:].diagonal().add_(1e-3)
    normal.diagonal().add_(1e-6)
    return normal


def _noise_regressors(activations: Tensor) -> Tensor:
    """Compute the regressors of noise, (J, T): the notes' loudness, their decaying onsets, and a constant.

    Args:
        activations: Loudness of each pitch, (P, T).
    """
    rise = activations.clone()
    rise[:, 2:] = (activations[:, 2:] - activations[:, :-2]).clamp(min=0)
    onsets, loudness = rise.sum(dim=0), activations.sum(dim=0)
    time = torch.arange(len(onsets), device=onsets.device, dtype=onsets.dtype)
    since = time[:, None] - time
    decaying = [onsets @ torch.where(since >= 0, (-since / decay).exp(), 0).T for decay in _DECAYS]
    constant = torch.ones_like(onsets) * loudness.mean().clamp(min=1e-6)
    return torch.stack([loudness, onsets, *decaying, constant])


def fit_nonnegative(noise: Tensor, regressors: Tensor) -> Tensor:
    """Fit non-negative weights (B, J), such that ``weights @ regressors`` (J, T) is nearest to noise (B, T).

    Nearest by the generalised Kullback-Leibler divergence, as in :mod:`retimbre.alignment.notes`.
    """
    means = regressors.mean(dim=1).clamp(min=1e-9)  # without notes a regressor is zero
    weights = (noise.mean(dim=1, keepdim=True) / means / len(regressors)).clamp(min=1e-12)
    for _ in range(_N_ITER):
        weights = weights * (
            (noise / (weights @ regressors + 1e-9)) @ regressors.T / regressors.sum(dim=1).clamp(min=1e-9)
        )
    return weights
