"""Notes in a spectrogram: which pitches sound when, with which partials, and what noise is beside them.

A magnitude spectrogram V (F, T) is taken for a sum of notes and noise,

    V ~ sum_p h(p, t) sum_k a(p, k) l(f - k f0(p))  +  sum_b g(b, t) n(b, f)

with a pitch p on every semitone, its partials k f0 as lobes l of the window's own width, and noise in broad
mel bands n. It is found by non-negative matrix factorisation: the multiplicative updates for the generalised
Kullback-Leibler divergence (Lee and Seung 2001), with the dictionary held to harmonic combs whose amplitudes
are free (Vincent, Bertin and Badeau 2010). Nothing is trained.

Such a fit confuses a note with those whose partials it shares. What keeps it from that is that a clip is one
instrument: amplitudes are smoothed over neighbouring pitches while they form, so that no pitch is left with
the even partials of another. Pitches that are no louder than partials of a lower one that sounds are then
dropped, and the rest is fitted again.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.sound.mel import slaney_mel

LOWEST, HIGHEST = 33, 100
"""MIDI numbers of the pitches: A1 (55 Hz) to E7 (2637 Hz)."""

N_PARTIALS = 40
_TOP = 10_600.0  # Hz; what is above is noise
_LOBE, _SPREAD = 0.85, 0.005
"""Widths of a lobe: the bins at which a Hann window's lobe has fallen by half, as a Gaussian; and a share of
the partial's frequency, for strings that are stiff and players that are not exact."""

_SLOPE = 1.2
"""Partials at first fall like k^-1.2. With .8, octaves are taken for notes; 1.6 is a little worse."""

_NEIGHBOURS = ((3.0, 0.1), (1.0, 0.02))
"""Over which pitches amplitudes are smoothed, in the first fit and the second: a Gaussian of so many
semitones, and a share for all others, which is what matters. Without it a chord is also a note far below, of
which its notes are partials: on the benchmark's melodic pairs to tune on, the timbre's distance to the target
is then .20 of the content's instead of .12 (with a share of .2, .23)."""

_N_ITER = (8, 12, 20)  # with amplitudes held; with amplitudes free; again, with the notes that are left
_SHARPNESS = 1.2
"""What is weak beside the loudest note of a frame is often what leaked from it: its share is raised to this
power. 1.4 keeps the melody a little better and is a little further from the target."""

_SHARED, _QUIET, _UNDER = 0.6, -35.0, -30.0
"""A note is dropped where it is below this share of a lower one whose partial it could be, or this many dB
below the loudest of the clip or of the frame."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the partials of every pitch lie, and the bands of noise.

    Attributes:
        lobes: Lobe of every partial in the lowest F' bins, (P, K, F'); zero where it lies too high.
        hertz: Its frequency, (P, K).
        bands: Bands of noise, each of sum one, (B, F).
        step: From bin to bin, in Hz.
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
            tuning: What the pitches are higher than at A4 = 440 Hz, in semitones.
            device: Where it shall live.
        """
        step = sample_rate / n_fft
        bins = torch.arange(n_fft // 2 + 1) * step
        pitches = torch.arange(LOWEST, HIGHEST + 1) + round(tuning, 2)
        hertz = 440 * 2 ** ((pitches - 69) / 12)[:, None] * torch.arange(1, N_PARTIALS + 1)
        top = min(_TOP, 0.96 * float(bins[-1]))
        lobes = (
            -0.5 * ((bins[bins < top + 400] - hertz[..., None]) / width(hertz, step)[..., None]).square()
        ).exp()
        lobes[hertz > top] = 0
        n_bands = round(24 * _slaney(sample_rate / 2) / _slaney(11_025))  # as dense at any rate
        bands = slaney_mel(n_bands, n_fft, sample_rate, 0, sample_rate / 2).T
        return cls(
            lobes.where(lobes > 1e-4, 0).to(device),
            hertz.to(device),
            functional.normalize(bands, p=1).to(device),
            step,
        )

    @property
    def there(self) -> Tensor:
        """Which partials lie in the spectrogram, (P, K)."""
        return self.lobes.amax(dim=2) > 0

    def spectra(self, amplitudes: Tensor) -> Tensor:
        """Magnitudes of a note of each pitch, (P, F), from the amplitudes of its partials (P, K)."""
        spectra = torch.bmm(amplitudes[:, None], self.lobes)[:, 0]
        return functional.pad(spectra, (0, self.bands.shape[1] - spectra.shape[1]))


def width(hertz: Tensor, step: float) -> Tensor:
    """Width of the lobe of a partial at a frequency, as a Gaussian's, in Hz; ``step`` from bin to bin."""
    return ((_LOBE * step) ** 2 + (_SPREAD * hertz).square()).sqrt()


def _slaney(hertz: float) -> float:
    """Mel of Slaney's scale, above 1 kHz."""
    return 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


@dataclass(frozen=True, eq=False)
class Notes:
    """What sounds in a clip.

    Attributes:
        amplitudes: Of the partials of each pitch, (P, K); each pitch's spectrum has the sum one.
        activations: Loudness of each pitch, the sum of its magnitudes, (P, T).
        noise: That of each band of noise, (B, T).
    """

    amplitudes: Tensor
    activations: Tensor
    noise: Tensor

    @property
    def tonality(self) -> float:
        """Share of all magnitudes that is notes and not noise, 0 to 1."""
        loudness, noise = float(self.activations.sum()), float(self.noise.sum())
        return loudness / max(loudness + noise, 1e-30)


def tuning(magnitude: Tensor, n_fft: int, sample_rate: int) -> float:
    """How far the pitches of a clip are from equal temperament at A4 = 440 Hz, -0.5 to 0.5 semitones.

    The circular mean of where the spectral peaks lie between semitones, each weighed by its magnitude; a
    peak's frequency is the vertex of the parabola through three bins in dB.

    Args:
        magnitude: Magnitudes (F, T).
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
    return math.atan2(y, x) / (2 * math.pi)


def transcribe(magnitude: Tensor, grid: Grid) -> Notes:
    """Find the notes of a magnitude spectrogram (F, T), not all zero, and the noise beside them."""
    held, free, again = _N_ITER
    factors = _Factors(magnitude, grid)
    for n in range(held + free):
        factors.update_activations()
        if n >= held:
            factors.update_amplitudes(_NEIGHBOURS[0])
    factors.keep(sounding(factors.activations))
    for _ in range(again):
        factors.update_activations()
        factors.update_amplitudes(_NEIGHBOURS[1])
    return factors.notes()


def sounding(activations: Tensor) -> Tensor:
    """Where notes (P, T) sound on their own account, not as partials of lower ones; and two frames around.

    >>> activations = torch.zeros(30, 9)
    >>> activations[2, 4], activations[14, 4], activations[25, 4] = 1.0, 0.3, 0.8
    >>> sounding(activations)[:, 3].nonzero()[:, 0].tolist()
    [2, 25]
    """
    n_pitches, loudest = len(activations), activations.amax()
    there = activations > 10 ** (_QUIET / 20) * loudest
    there &= activations > 10 ** (_UNDER / 20) * activations.amax(dim=0)
    for k in range(2, 9):
        up = round(12 * math.log2(k))
        lower = functional.pad(activations, (0, 0, up, 0))[:n_pitches]
        there &= activations >= _SHARED * lower
    return functional.max_pool1d(there.float()[None], 5, stride=1, padding=2)[0] > 0


def smoothed(amplitudes: Tensor, weights: Tensor, width: tuple[float, float]) -> Tensor:
    """Geometric means of each partial (P, K) over the pitches around, weighed by how much they sound (P,).

    Args:
        amplitudes: Those of each pitch.
        weights: How much each pitch sounds.
        width: In semitones, and the share of all pitches, wherever they are.
    """
    there = (amplitudes > 0).to(amplitudes)
    kernel = (near(len(amplitudes), width[0], amplitudes) + width[1]) * (
        weights / weights.amax().clamp(min=1e-12) + 1e-3
    )
    means = kernel @ (amplitudes.clamp(min=1e-7).log() * there) / (kernel @ there + 1e-9)
    return means.exp() * there


def near(n_pitches: int, width: float, like: Tensor) -> Tensor:
    """Gaussian weights of pitches around each pitch, (P, P); ``width`` in semitones."""
    pitches = torch.arange(n_pitches, device=like.device, dtype=like.dtype)
    return (-0.5 * ((pitches[:, None] - pitches) / width).square()).exp()


class _Factors:
    """The factors of a spectrogram, and their multiplicative updates."""

    def __init__(self, magnitude: Tensor, grid: Grid) -> None:
        self._magnitude, self._grid = magnitude, grid
        self._least = 1e-4 * magnitude.mean()  # keeps the quotients finite
        k = torch.arange(1, N_PARTIALS + 1, device=magnitude.device)
        self._set_amplitudes(k**-_SLOPE * grid.there)
        level = 0.1 * magnitude.sum(dim=0).mean() / len(grid.bands)
        self._noise = level.expand(len(grid.bands), magnitude.shape[1])
        start = self._spectra @ magnitude + 1e-6
        self.activations = start * (0.5 * magnitude.sum() / start.sum())

    def _set_amplitudes(self, amplitudes: Tensor) -> None:
        spectra = self._grid.spectra(amplitudes)
        size = spectra.sum(dim=1, keepdim=True).clamp(min=1e-9)
        self._amplitudes, self._spectra = amplitudes / size, spectra / size

    def _quotient(self) -> Tensor:
        model = (self._spectra.T @ self.activations).add_(self._least)
        return self._magnitude / model.addmm_(self._grid.bands.T, self._noise)

    def update_activations(self) -> None:
        quotient = self._quotient()
        self.activations = self.activations * (self._spectra @ quotient)  # spectra and bands have the sum one
        self._noise = self._noise * (self._grid.bands @ quotient)

    def update_amplitudes(self, width: tuple[float, float]) -> None:
        lobes, loudness = self._grid.lobes, self.activations.sum(dim=1)
        share = self._quotient()[: lobes.shape[2]] @ self.activations.T
        there = lobes.sum(dim=2) * loudness[:, None]
        changed = self._amplitudes * torch.bmm(lobes, share.T[..., None])[..., 0] / there.clamp(min=1e-9)
        self._set_amplitudes(
            smoothed(changed.where(loudness[:, None] > 0, self._amplitudes), loudness, width)
        )

    def keep(self, there: Tensor) -> None:
        self.activations = self.activations * there

    def notes(self) -> Notes:
        loudest = self.activations.amax(dim=0).clamp(min=1e-12)
        sharper = self.activations * (self.activations / loudest) ** (_SHARPNESS - 1)
        return Notes(self._amplitudes, sharper, self._noise)
