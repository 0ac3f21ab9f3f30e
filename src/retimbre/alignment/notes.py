"""Notes in a spectrogram: the loudness of every pitch over time, its partials, and the noise beside them.

A magnitude spectrogram V (F, T) is taken for a sum of notes and noise,

    V ~ sum_p h(p, t) sum_k a(p, k) l(f - k f0(p))  +  sum_b g(b, t) n(b, f)

with a pitch p on every semitone, its partials k f0 as lobes l of the window's own width, and noise in broad
mel bands n (:class:`retimbre.alignment.grid.Grid`). The factors are found by non-negative matrix
factorisation: the multiplicative updates for the generalised Kullback-Leibler divergence (Lee and Seung
2001), with the dictionary held to harmonic combs whose amplitudes are free (Vincent, Bertin and Badeau 2010).
Nothing is trained.

Such a fit confuses a note with those whose partials it shares. But a clip is one instrument: amplitudes are
smoothed over neighbouring pitches while they form, so that no pitch is left with the even partials of
another. Pitches that are no louder than partials of a lower one that sounds are then dropped, and the rest is
fitted again. The first fit is of means over four frames, the second of every frame.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.alignment.grid import N_PARTIALS, Grid

_SLOPE = 1.2
"""Partials at first fall like k^-1.2. With .8, octaves are taken for notes; 1.6 is a little worse."""

_NEIGHBOURS = ((3.0, 0.1), (1.0, 0.02))
"""Smoothing of amplitudes over pitches in the first fit and the second: standard deviation of a Gaussian in
semitones, and a share for all other pitches, which matters more. Without it a chord is also a note far
below, of which its notes are partials: on the benchmark's melodic pairs to tune on, the timbre's distance to
the target is then .20 of the content's instead of .12 (with a share of .2, .23)."""

_N_ITER = (8, 12, 20)
"""Updates with amplitudes held; with amplitudes free; and again, with the notes that are left."""

_COARSE = 4
"""Frames that are one in the first fit. It takes a third of the time off both, and on the melodic pairs for
tuning LSD is .515 of the content's instead of .520 and the envelopes' error .528 instead of .532, on eight
others of their songs and instruments .440 and .460, .472 and .516. With pairs of frames, or half of the
second fit on pairs as well, they are .517 to .520 and .525 to .536."""

_LEAST_RESULTANT = 0.15
"""Length of the circular mean of the peaks' places, 0 to 1, under which a clip has no tuning to be found."""

_SHARPNESS = 1.2
"""Exponent of each note's loudness relative to the loudest of its frame: weak notes have
often leaked from it. 1.4 keeps the melody a little better and is a little further from the target."""

_SHARED, _QUIET, _UNDER = 0.6, -35.0, -30.0
"""A note is dropped where it is below this share of a lower one whose partial it could be, or this many dB
below the loudest of the clip or of the frame."""


@dataclass(frozen=True, eq=False)
class Notes:
    """Notes of a clip, and the noise beside them.

    Attributes:
        amplitudes: Amplitudes of the partials of each pitch, (P, K); each pitch's spectrum has the sum one.
        activations: Loudness of each pitch, the sum of its magnitudes, (P, T).
        noise: Loudness of each band of noise, the sum of its magnitudes, (B, T).
    """

    amplitudes: Tensor
    activations: Tensor
    noise: Tensor

    @property
    def tonality(self) -> float:
        """Share of the notes in the sum of all magnitudes, 0 to 1; the rest is noise."""
        loudness, noise = float(self.activations.sum()), float(self.noise.sum())
        return loudness / max(loudness + noise, 1e-30)


def estimate_tuning(magnitude: Tensor, n_fft: int, sample_rate: int) -> float:
    """Estimate the tuning of a clip against A4 = 440 Hz, -0.5 to 0.5 semitones.

    The circular mean of the spectral peaks' distances from the nearest semitone, weighed by magnitude; a
    peak's frequency is the vertex of the parabola through three bins in dB.

    Args:
        magnitude: Magnitude spectrogram of the clip, (F, T).
        n_fft: Length of the window in samples.
        sample_rate: Rate in Hz.
    """
    step = sample_rate / n_fft
    used = slice(max(1, round(150 / step)), round(2000 / step))
    low, mid, high = (magnitude[used.start + k : used.stop + k] for k in (-1, 0, 1))
    peak = (mid > low) & (mid >= high) & (mid > 0.03 * magnitude.amax())
    if not peak.any():
        return 0.0
    bins = torch.arange(used.start, used.start + len(mid), device=mid.device)[:, None].expand_as(mid)[peak]
    a, b, c = (part[peak].clamp(min=1e-9).log() for part in (low, mid, high))
    hertz = (bins + 0.5 * (a - c) / (a - 2 * b + c)) * step
    angle = 2 * math.pi * 12 * (hertz / 440).log2()
    weight = mid[peak]
    x, y = (float((weight * part).sum()) for part in (angle.cos(), angle.sin()))
    # A wide vibrato spends its time at both ends, half a semitone apart: no place is the mean.
    is_spread = math.hypot(x, y) < _LEAST_RESULTANT * float(weight.sum())
    return 0.0 if is_spread or math.isnan(x + y) else math.atan2(y, x) / (2 * math.pi)


def transcribe(magnitude: Tensor, grid: Grid) -> Notes:
    """Find the notes of a magnitude spectrogram (F, T), not all zero, and the noise beside them."""
    held, free, again = _N_ITER
    factors = _Factors(functional.avg_pool1d(magnitude[None], _COARSE, ceil_mode=True)[0], grid)
    for n in range(held + free):
        factors.update_activations()
        if n >= held:
            factors.update_amplitudes(_NEIGHBOURS[0])
    factors.refine(magnitude)
    factors.update_activations()
    factors.keep(sounding_notes(factors.activations))
    for _ in range(again):
        factors.update_activations()
        factors.update_amplitudes(_NEIGHBOURS[1])
    return factors.notes()


def sounding_notes(activations: Tensor) -> Tensor:
    """Select the notes that are not partials of lower ones, and two frames on either side of them.

    Args:
        activations: Loudness of each pitch, (P, T).

    Returns:
        Whether each note sounds, boolean (P, T).

    >>> activations = torch.zeros(30, 9)
    >>> activations[2, 4], activations[14, 4], activations[25, 4] = 1.0, 0.3, 0.8
    >>> sounding_notes(activations)[:, 3].nonzero()[:, 0].tolist()
    [2, 25]
    """
    n_pitches, loudest = len(activations), activations.amax()
    sounds = activations > 10 ** (_QUIET / 20) * loudest
    sounds &= activations > 10 ** (_UNDER / 20) * activations.amax(dim=0)
    for k in range(2, 9):
        up = round(12 * math.log2(k))
        lower = functional.pad(activations, (0, 0, up, 0))[:n_pitches]
        sounds &= activations >= _SHARED * lower
    return functional.max_pool1d(sounds.float()[None], 5, stride=1, padding=2)[0] > 0


def smooth_amplitudes(amplitudes: Tensor, weights: Tensor, width: tuple[float, float]) -> Tensor:
    """Smooth the amplitudes of each partial over neighbouring pitches, by weighted geometric means.

    Args:
        amplitudes: Amplitudes of the partials of each pitch, (P, K); zero where there is none.
        weights: Total loudness of each pitch, (P,).
        width: Standard deviation of a Gaussian in semitones, and a share for all pitches at any distance.

    Returns:
        Amplitudes (P, K).
    """
    present = (amplitudes > 0).to(amplitudes)
    kernel = (gaussian_weights(len(amplitudes), width[0], amplitudes) + width[1]) * (
        weights / weights.amax().clamp(min=1e-12) + 1e-3
    )
    means = kernel @ (amplitudes.clamp(min=1e-7).log() * present) / (kernel @ present + 1e-9)
    return means.exp() * present


def gaussian_weights(n_pitches: int, width: float, like: Tensor) -> Tensor:
    """Compute Gaussian weights of all pitches by their distance from each pitch, (P, P).

    Args:
        n_pitches: Number of pitches, P.
        width: Standard deviation in semitones.
        like: Tensor that gives type and device.
    """
    pitches = torch.arange(n_pitches, device=like.device, dtype=like.dtype)
    return (-0.5 * ((pitches[:, None] - pitches) / width).square()).exp()


class _Factors:
    """The factors of a spectrogram (F, T), and their multiplicative updates."""

    def __init__(self, magnitude: Tensor, grid: Grid) -> None:
        self._grid, self._n_bins = grid, grid.n_low
        self._take(magnitude)
        sounds_above = grid.bands[:, self._n_bins :].any(dim=1)
        self._first_upper = len(sounds_above) - int(sounds_above.sum())
        k = torch.arange(1, N_PARTIALS + 1, device=magnitude.device)
        self._set_amplitudes(k**-_SLOPE * grid.is_present)
        level = 0.1 * magnitude.sum(dim=0).mean() / len(grid.bands)
        self._noise = level.expand(len(grid.bands), magnitude.shape[1])
        start = self._spectra @ self._low + 1e-6
        self.activations = start * (0.5 * magnitude.sum() / start.sum())

    def _take(self, magnitude: Tensor) -> None:
        self._low, self._high = magnitude[: self._n_bins], magnitude[self._n_bins :]
        self._least = 1e-4 * magnitude.mean()  # keeps the quotients finite

    def refine(self, magnitude: Tensor) -> None:
        """Go on with the spectrogram of which the one so far has the means over :data:`_COARSE` frames."""
        self._take(magnitude)
        self.activations, self._noise = (
            values.repeat_interleave(_COARSE, dim=1)[:, : magnitude.shape[1]]
            for values in (self.activations, self._noise)
        )

    def _set_amplitudes(self, amplitudes: Tensor) -> None:
        spectra = self._grid.spectra(amplitudes)
        size = spectra.sum(dim=1, keepdim=True).clamp(min=1e-9)
        self._amplitudes, self._spectra = amplitudes / size, spectra / size

    def _quotient(self) -> Tensor:
        """Divide the magnitudes by the model where there are partials, (F', T)."""
        model = (self._spectra.T @ self.activations).add_(self._least)
        return self._low / model.addmm_(self._grid.bands[:, : self._n_bins].T, self._noise)

    def update_activations(self) -> None:
        quotient = self._quotient()
        self.activations = self.activations * (self._spectra @ quotient)  # spectra and bands have the sum one
        change = self._grid.bands[:, : self._n_bins] @ quotient
        # Above all partials is half of the bins at 44.1 kHz, and a fifth of the bands.
        upper = self._grid.bands[self._first_upper :, self._n_bins :]
        model = (upper.T @ self._noise[self._first_upper :]).add_(self._least)
        change[self._first_upper :] += upper @ (self._high / model)
        self._noise = self._noise * change

    def update_amplitudes(self, width: tuple[float, float]) -> None:
        loudness = self.activations.sum(dim=1)
        share = self.activations @ self._quotient().T
        norm = self._grid.sizes * loudness[:, None]
        changed = self._amplitudes * self._grid.at_partials(share) / norm.clamp(min=1e-9)
        self._set_amplitudes(
            smooth_amplitudes(changed.where(loudness[:, None] > 0, self._amplitudes), loudness, width)
        )

    def keep(self, sounds: Tensor) -> None:
        self.activations = self.activations * sounds

    def notes(self) -> Notes:
        loudest = self.activations.amax(dim=0).clamp(min=1e-12)
        sharper = self.activations * (self.activations / loudest) ** (_SHARPNESS - 1)
        return Notes(self._amplitudes, sharper, self._noise)
