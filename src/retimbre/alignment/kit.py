"""The kit of a clip of drums: how each kind of stroke sounds, how hard each is struck, and each one cut out.

Convolutive factorisation (Smaragdis 2004) at known onsets: levels are ``sum_n sum_k g(n, k) W_k(t - t_n)``
for the onsets n at which a kind k is struck, fitted by multiplicative updates for the Kullback-Leibler
divergence. A drum that is struck with another now and then, and alone elsewhere, gets a template of its own.
Each stroke then has its share of the clip by a soft mask, with the clip's own phase.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from retimbre.alignment.strokes import Matrix, StrokeFrames, Strokes, band_centres

Samples = npt.NDArray[np.float32]

_BEFORE = 2
"""Frames before an onset that are the stroke's: half a window, which sees it coming."""
_LENGTH = 120
"""Frames of a template, .7 s: 1 s is no better."""
_FADE = 20  # of its last frames
_N_ITER = 20
_START = 30.0  # frames in which a template falls by a factor e at the start
_SMOOTH = 9  # frames over which a stroke's envelope is averaged: 52 ms
_QUIET = 1e-3  # of the mean level: added where levels are compared, so that silence is no matter
_SLIGHT = 0.05
"""Share of what is struck at an onset below which a kind is taken to be mistaken."""


@dataclass(frozen=True)
class StrokeSample:
    """A stroke cut out of a clip.

    Attributes:
        samples: Samples (N,).
        onset: Sample of the onset.
        level: How hard it is struck, over the loudest of its kind.
        clarity: Share of it that no other stroke covers, 0 to 1.
    """

    samples: Samples
    onset: int
    level: float
    clarity: float


@dataclass(frozen=True, eq=False)
class Kit:
    """Strokes of a clip with the sound of each kind.

    Attributes:
        frames: Frames of the clip.
        onsets: Frames of the onsets, (N,).
        levels: How hard each kind is struck at each onset, (N, kinds) from 0 to 1; 0 where it is not.
        templates: Magnitudes of each kind's loudest stroke in the bands, (kinds, bands, frames).
    """

    frames: StrokeFrames
    onsets: npt.NDArray[np.int64]
    levels: Matrix
    templates: Matrix

    @classmethod
    def of(cls, strokes: Strokes) -> "Kit":
        """Fit the kit of a clip to its strokes; without any where nothing is struck."""
        levels, struck = strokes.frames.levels, strokes.likelihoods * strokes.struck
        return cls(strokes.frames, strokes.onsets, *fit_templates(levels, strokes.onsets, struck))

    @cached_property
    def loudness(self) -> dict[int, float]:
        """Root energy of the median stroke of each kind that occurs, by its index in ``KINDS``."""
        return {
            kind: float(np.median(levels[levels > 0]) * np.sqrt(np.square(self.templates[kind]).sum()))
            for kind, levels in enumerate(self.levels.T)
            if levels.any()
        }

    @cached_property
    def course(self) -> Matrix:
        """Level of the strokes over time, (frames,), in dB below their highest: the mean of all kinds."""
        smooth = np.ones(_SMOOTH) / _SMOOTH
        powers = [
            np.convolve(np.square(self.templates[kind]).sum(axis=0), smooth, mode="same")
            for kind in self.loudness
        ]
        levels = [10 * np.log10(power / max(power.max(), 1e-30) + 1e-12) for power in powers]
        course: Matrix = np.average(levels, axis=0, weights=list(self.loudness.values()))
        return course

    def frame_after(self, seconds: float) -> int:
        """Give the frame of a template so long after the onset."""
        return _BEFORE + round(seconds * self.frames.sample_rate / self.frames.hop_length)

    @cached_property
    def explained(self) -> float:
        """Share of the clip's levels that the strokes explain, at most 1; 0 for silence."""
        total = self.frames.levels.sum()
        missed = np.abs(self.frames.levels - self._model).sum()
        return float(1 - missed / total) if total > 0 else 0.0

    @cached_property
    def _model(self) -> Matrix:
        return _model(self.onsets, self.levels, self.templates, self.frames.levels.shape[1])

    @cached_property
    def samples(self) -> dict[int, list[StrokeSample]]:
        """All strokes cut out, by the index of their kind."""
        n_frames, hop = self.frames.levels.shape[1], self.frames.hop_length
        total = np.maximum(self._model, 1e-12)
        spread = _spread(self.frames)
        cut: dict[int, list[StrokeSample]] = {kind: [] for kind in self.loudness}
        for onset, levels in zip(self.onsets, self.levels, strict=True):
            first, last = max(0, onset - _BEFORE), min(n_frames, onset - _BEFORE + _LENGTH)
            inside = slice(first - onset + _BEFORE, last - onset + _BEFORE)
            for kind in np.flatnonzero(levels):
                own = levels[kind] * self.templates[kind][:, inside]
                mask = own / total[:, first:last]
                clarity = float((own * mask).sum() / max(own.sum(), 1e-12))
                bins = self.frames.bins[None, :, first:last] * torch.from_numpy(spread @ mask)
                samples = self.frames.window.istft(bins, (last - first) * hop)[0].numpy()
                n_fade = min(_FADE * hop, len(samples))
                samples[-n_fade:] *= np.linspace(1, 0, n_fade)
                onset_at = (onset - first) * hop
                cut[int(kind)].append(
                    StrokeSample(samples.astype(np.float32), int(onset_at), float(levels[kind]), clarity)
                )
        return cut


def fit_templates(levels: Matrix, onsets: npt.NDArray[np.int64], struck: Matrix) -> tuple[Matrix, Matrix]:
    """Fit how hard each kind is struck at each onset, and how it sounds.

    Args:
        levels: Magnitudes in the bands, (bands, T).
        onsets: Frames of the onsets, (N,).
        struck: First guess of how hard each kind is struck, (N, kinds); what is 0 stays 0.

    Returns:
        Levels (N, kinds), each kind's loudest 1, and templates (kinds, bands, frames).
    """
    n_frames, n_kinds = levels.shape[1], struck.shape[1]
    templates = np.tile(np.exp(-np.arange(_LENGTH) / _START), (n_kinds, len(levels), 1)) * levels.mean()
    gains, quiet = struck.astype(np.float64).copy(), _QUIET * levels.mean() + 1e-12
    valid = np.pad(np.ones(n_frames), _LENGTH)

    def ratios() -> list[Matrix]:
        model = _model(onsets, gains, templates, n_frames) + quiet
        padded = np.pad(levels / model, ((0, 0), (_LENGTH, _LENGTH)))
        return [padded[:, at : at + _LENGTH] for at in onsets + _LENGTH - _BEFORE]

    there = [valid[at : at + _LENGTH] for at in onsets + _LENGTH - _BEFORE]
    for _ in range(_N_ITER if len(onsets) else 0):
        up, down = np.zeros_like(templates), np.full((n_kinds, 1, _LENGTH), 1e-9)
        for gain, ratio, frames in zip(gains, ratios(), there, strict=True):
            up += gain[:, None, None] * ratio
            down += gain[:, None, None] * frames
        templates = templates * up / down
        flat = templates.reshape(n_kinds, -1)
        for n, (ratio, frames) in enumerate(zip(ratios(), there, strict=True)):
            seen = (templates.sum(axis=1) @ frames) + 1e-9
            gains[n] *= (flat @ ratio.ravel()) / seen
        loudest = gains.max(axis=0)
        gains, templates = (
            gains / np.where(loudest > 0, loudest, 1),
            templates * np.where(loudest > 0, loudest, 1)[:, None, None],
        )
    weights = gains * templates.sum(axis=(1, 2))
    gains[weights < _SLIGHT * weights.sum(axis=1, keepdims=True)] = 0
    return gains, templates


def _model(onsets: npt.NDArray[np.int64], gains: Matrix, templates: Matrix, n_frames: int) -> Matrix:
    """Lay the templates at the onsets, (bands, T)."""
    made = np.zeros((templates.shape[1], n_frames + 2 * _LENGTH))
    flat = templates.reshape(len(templates), -1)
    for onset, gain in zip(onsets, gains, strict=True):
        at = onset - _BEFORE + _LENGTH
        made[:, at : at + _LENGTH] += (gain @ flat).reshape(templates.shape[1:])
    return made[:, _LENGTH : _LENGTH + n_frames]


def _spread(frames: StrokeFrames) -> Matrix:
    """Make the matrix (F, bands) that interpolates a mask of bands to the bins."""
    hertz = np.linspace(0, frames.sample_rate / 2, len(frames.bins))
    centres = band_centres()
    return np.stack([np.interp(hertz, centres, row) for row in np.eye(len(centres))], axis=1)
