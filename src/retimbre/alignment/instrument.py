"""The instrument of a clip: its partials at every pitch, also those it does not play, and its noise.

*Partials.* The amplitude of partial k of pitch p is that of a source through a filter,
``log a(p, k) = s(k) + e(k f0(p))``: what the string or reed does, whatever the pitch, and what the body does
at that frequency (Fant 1960; Klapuri 2007 for instruments). Both are found by least squares, weighed by how
much each pitch sounds, with a penalty on roughness; what they leave is added back at the pitches around those
that were heard.

*Noise.* Breath, bow and hammer follow the notes. The noise of each band is a combination, with
weights that are not negative, of the loudness of the notes and of their onsets, each of these dying away with
several time constants, and a constant.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from retimbre.alignment.intonation import drawn
from retimbre.alignment.notes import N_PARTIALS, Grid, Notes, near

_N_EDGES = 48  # of the filter, equally spaced in log frequency from 50 Hz
_LOWEST_HERTZ = 50.0
_ROUGHNESS = (0.2, 0.8)  # of source and filter, in units of the loudest pitch's weight
_RANGE = 10.0  # nepers under the strongest partial that still count
_NEIGHBOURS = 2.0  # semitones over which what is left of a pitch is known to its neighbours
_DECAYS = (1, 2, 4, 8, 16, 32)  # frames
_N_ITER = 100
_MOST = 4.0
"""How far noise may be above what the notes explain, as a ratio of magnitudes; half of it in dB goes to the
other instrument, as the player may as well be the cause as the instrument. Below that there is no limit:
where the content is silent there is no noise."""


@dataclass(frozen=True, eq=False)
class Instrument:
    """What sounds when a note is played.

    Attributes:
        amplitudes: Of the partials of each pitch, (P, K).
        noise: Weight of each cause (:func:`_causes`) in each band of noise, (B, J).
    """

    amplitudes: Tensor
    noise: Tensor

    @classmethod
    def of(cls, notes: Notes, grid: Grid) -> "Instrument":
        """Learn it from the notes that it plays in a clip.

        Args:
            notes: Those notes.
            grid: Where they were looked for.
        """
        amplitudes = source_filter(notes.amplitudes, notes.activations.sum(dim=1), grid)
        return cls(amplitudes, explained(notes.noise, _causes(notes.activations)))

    def play(self, notes: Notes, deviations: Tensor, grid: Grid) -> Tensor:
        """Play the notes of another clip: magnitudes (F, T).

        Their loudness stays. Of their noise, half of what that clip's own instrument does not explain does.

        Args:
            notes: What to play.
            deviations: How far from its pitch each note is, in semitones, (P, T).
            grid: Where they were looked for, and where their partials shall lie.
        """
        causes = _causes(notes.activations)
        own = explained(notes.noise, causes) @ causes
        more = (notes.noise / own.clamp(min=1e-9)).clamp(max=_MOST).sqrt()
        noise = self.noise @ causes * more
        return drawn(self.amplitudes, notes.activations, deviations, grid) + grid.bands.T @ noise


def source_filter(amplitudes: Tensor, weights: Tensor, grid: Grid) -> Tensor:
    """Amplitudes of all partials of all pitches from those that were heard.

    Args:
        amplitudes: Those of each pitch, (P, K).
        weights: How much each pitch was heard, (P,).
        grid: Where they lie.

    Shape:
        (P, K), positive where the partial lies in the spectrogram, zero elsewhere.
    """
    there = grid.there.cpu()
    heard = amplitudes.cpu().double()
    level = heard.clamp(min=1e-30).log()
    level = level.maximum(level.amax(dim=1, keepdim=True) - _RANGE)
    weight = (weights.cpu().double() / max(float(weights.amax()), 1e-12))[:, None] * there
    weight = weight.where(weight > 1e-3, 0)
    design = _design(grid.hertz.cpu())
    flat, rows = weight.reshape(-1, 1), design.reshape(-1, design.shape[2])
    normal = (rows * flat).T @ rows + _penalty()
    solution = torch.linalg.solve(normal, (rows * flat).T @ level.reshape(-1))
    fit = design @ solution
    kernel = near(len(heard), _NEIGHBOURS, weight)
    fit = fit + kernel @ (weight * (level - fit)) / (kernel @ weight + 0.02)
    filled: Tensor = (fit.exp() * there).to(amplitudes)
    return filled


def _design(hertz: Tensor) -> Tensor:
    """Which source and which two edges of the filter each partial (P, K) depends on, (P, K, K + edges)."""
    n_pitches, n_partials = hertz.shape
    top = float(hertz.amax())
    place = (hertz / _LOWEST_HERTZ).log() / torch.tensor(top / _LOWEST_HERTZ).log() * (_N_EDGES - 1)
    place = place.double().clamp(0, _N_EDGES - 1)
    edges = torch.arange(_N_EDGES)
    filters = (1 - (place[..., None] - edges).abs()).clamp(min=0)
    sources = torch.eye(n_partials, dtype=torch.float64).expand(n_pitches, -1, -1)
    return torch.cat([sources, filters], dim=2)


def _penalty() -> Tensor:
    """Roughness: squared slopes of the source over log k, squared second differences of the filter."""
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


def _causes(activations: Tensor) -> Tensor:
    """What noise follows, (J, T): the notes' loudness, their onsets as they die away, and a constant."""
    rise = activations.clone()
    rise[:, 2:] = (activations[:, 2:] - activations[:, :-2]).clamp(min=0)
    onsets, loudness = rise.sum(dim=0), activations.sum(dim=0)
    time = torch.arange(len(onsets), device=onsets.device, dtype=onsets.dtype)
    since = time[:, None] - time
    dying = [onsets @ torch.where(since >= 0, (-since / decay).exp(), 0).T for decay in _DECAYS]
    constant = torch.ones_like(onsets) * loudness.mean().clamp(min=1e-6)
    return torch.stack([loudness, onsets, *dying, constant])


def explained(noise: Tensor, causes: Tensor) -> Tensor:
    """Weights (B, J) that are not negative, such that ``weights @ causes`` is nearest to noise (B, T).

    Nearest by the generalised Kullback-Leibler divergence, as in :mod:`retimbre.alignment.notes`.
    """
    means = causes.mean(dim=1).clamp(min=1e-9)  # no note, no cause
    weights = (noise.mean(dim=1, keepdim=True) / means / len(causes)).clamp(min=1e-12)
    for _ in range(_N_ITER):
        weights = weights * (
            (noise / (weights @ causes + 1e-9)) @ causes.T / causes.sum(dim=1).clamp(min=1e-9)
        )
    return weights
