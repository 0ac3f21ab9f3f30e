"""Strokes of a clip of drums: when something is struck, and of which kinds it is.

A groove lays its drums over each other, and most strokes never sound alone, so that what is struck cannot be
told from the clip's own clusters. A small network (two hidden layers, trained in minutes on random grooves of
random kits; ``study/stroke_training.py`` makes its weights again) gives for each onset the likelihood of each
of six kinds from the levels around it and over the clip.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load
from torch import Tensor

from retimbre.sound.mel import slaney_mel, slaney_scale
from retimbre.sound.stft import Window

KINDS = ("kick", "snare", "tom", "hat", "cymbal", "click")
"""Kinds of strokes: the snare also stands for a clap, the hat is closed, the cymbal rings (an open hat, a
ride, a crash), a click is short and has a pitch (a stick, a bell, a block)."""

N_BANDS = 40
WEIGHTS = "strokes.safetensors"
"""File of the network's weights, beside this module."""

_LOWEST, _HIGHEST = 40.0, 11_025.0  # Hz, edges of the bands
_WINDOW, _HOP = 512 / 22_050, 128 / 22_050  # s

_DEPTH = 300.0  # of the logarithm in which a rise is measured, over a band's loudest level
_QUIET = 0.05  # of the loudest level of the clip: a band is not taken to be louder than that for its own sake
_LEAST = 0.06
"""Least rise, as a mean over the bands of the way from silence to a band's loudest level. On grooves for
tuning, of two soundfonts and a recorded kit, 97 of 100 onsets found are strokes, and 90 of 100 strokes are
found; those missed are soft hats under louder drums."""
_EDGES = (4, 22)  # bands between low, middle and high (360 Hz, 2 kHz)
_SHARES = (0.5, 0.7, 0.7)
"""Of rises in the low, middle or high bands alone: a mean over few bands varies more."""
_NEAR, _WIDE, _ABOVE = 6, 34, 1.3  # frames on each side in which an onset is the highest; over their mean

_SLICES = ((-6, -3), (-2, 0), (0, 2), (2, 4), (4, 6), (6, 10), (10, 16), (16, 24), (24, 40))
"""Frames from the onset between which the network reads mean levels."""
_FLOOR = 70.0  # dB below the clip's loudest band
_LIKELY = 0.4
"""Least likelihood of a kind; the likeliest is always taken. From .3 to .5 hardly anything changes."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StrokeFrames:
    """Short frames of a clip at any rate, as strokes are sought in them.

    Attributes:
        bins: Complex bins (F, T).
        levels: Magnitudes in mel bands, (N_BANDS, T); 0 above Nyquist's frequency.
        window: Transform of the frames.
        sample_rate: Rate in Hz.
    """

    bins: Tensor
    levels: Matrix
    window: Window
    sample_rate: int

    @classmethod
    def of(cls, samples: npt.NDArray[np.floating], sample_rate: int) -> "StrokeFrames":
        """Analyse one channel (N,); frame t is centred at sample ``t * hop_length``."""
        window = Window(2 * round(_WINDOW * sample_rate / 2), round(_HOP * sample_rate))
        padded = np.pad(np.asarray(samples, np.float64), (0, window.hop_length))
        bins = window.stft(torch.from_numpy(padded)[None])[0]
        levels = np.sqrt(_bank(window.n_fft, sample_rate) @ bins.abs().square().numpy())
        return cls(bins, levels, window, sample_rate)

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        return self.window.hop_length


def find_onsets(levels: Matrix) -> npt.NDArray[np.int64]:
    """Find the frames at which levels (bands, T) rise together, in all bands or in the low or high ones.

    Rises are measured in a logarithm, each band over its own loudest level, so that a soft hat counts beside
    a kick.
    """
    top = np.maximum(levels.max(axis=1, keepdims=True), _QUIET * levels.max())
    heights = np.log1p(_DEPTH * levels / np.maximum(top, 1e-30)) / np.log1p(_DEPTH)
    padded = np.pad(heights, ((0, 0), (3, 2)), mode="edge")
    before, after = (
        np.maximum(padded[:, at : at + levels.shape[1]], padded[:, at + 1 : at + 1 + levels.shape[1]])
        for at in (0, 4)
    )
    rise = (after - before).clip(min=0)
    parts = (part.mean(axis=0) for part in np.split(rise, _EDGES))
    strength = np.maximum.reduce(
        [rise.mean(axis=0), *(share * part for share, part in zip(_SHARES, parts, strict=True))]
    )
    view = np.lib.stride_tricks.sliding_window_view
    around = view(np.pad(strength, _NEAR), 2 * _NEAR + 1)
    mean = view(np.pad(strength, _WIDE, mode="edge"), 2 * _WIDE + 1).mean(axis=1)
    highest = (strength >= around.max(axis=1)) & (strength > around[:, :_NEAR].max(axis=1))
    return np.flatnonzero(highest & (strength > _LEAST) & (strength > _ABOVE * mean))


def describe_onsets(levels: Matrix, onsets: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Describe onsets for the network, (N, features): levels around each, and how loud each band gets.

    Args:
        levels: Magnitudes in mel bands, (bands, T).
        onsets: Frames of the onsets, (N,).
    """
    decibels = (20 * np.log10(levels / max(levels.max(), 1e-30) + 1e-9)).clip(min=-_FLOOR)
    first, last = _SLICES[0][0], _SLICES[-1][1]
    padded = np.pad(decibels, ((0, 0), (-first, last)), constant_values=-_FLOOR)
    slices = [
        np.mean([padded[:, onsets - first + at] for at in range(start, end)], axis=0)
        for start, end in _SLICES
    ]
    loud, middle = (
        np.repeat(np.percentile(decibels, share, axis=1)[:, None], len(onsets), axis=1) for share in (95, 50)
    )
    described = (np.concatenate([*slices, loud, middle]).T + 30) / 20
    return described.astype(np.float32)


def kind_likelihoods(levels: Matrix, onsets: npt.NDArray[np.int64]) -> Matrix:
    """Compute the likelihood of each kind at each onset, (N, kinds); several may be struck at once."""
    hidden = describe_onsets(levels, onsets).astype(np.float64)
    layers = _layers()
    for n, (weight, bias) in enumerate(layers):
        hidden = hidden @ weight.T + bias
        if n < len(layers) - 1:
            hidden = hidden.clip(min=0)
    likelihoods: Matrix = 1 / (1 + np.exp(-hidden))
    return likelihoods


@dataclass(frozen=True, eq=False)
class Strokes:
    """Strokes of a clip.

    Attributes:
        frames: Frames of the clip.
        onsets: Frames of the onsets, (N,), ascending.
        likelihoods: Likelihood of each kind at each onset, (N, kinds).
    """

    frames: StrokeFrames
    onsets: npt.NDArray[np.int64]
    likelihoods: Matrix

    @classmethod
    def of(cls, frames: StrokeFrames) -> "Strokes":
        """Find the strokes of a clip; none where it is silent."""
        onsets = find_onsets(frames.levels)
        return cls(frames, onsets, kind_likelihoods(frames.levels, onsets))

    @property
    def struck(self) -> npt.NDArray[np.bool_]:
        """Kinds struck at each onset, (N, kinds): those that are likely, or the likeliest."""
        struck = self.likelihoods >= _LIKELY
        if len(struck):
            struck[np.arange(len(struck)), self.likelihoods.argmax(axis=1)] = True
        return struck


def band_centres() -> Matrix:
    """Compute the middle frequencies of the bands in Hz, (N_BANDS,)."""
    scale = np.linspace(slaney_scale(_LOWEST), slaney_scale(_HIGHEST), N_BANDS + 2)[1:-1]
    grid = np.geomspace(_LOWEST / 2, _HIGHEST, 4096)
    return np.interp(scale, [slaney_scale(hertz) for hertz in grid], grid)


@lru_cache(maxsize=4)
def _bank(n_fft: int, sample_rate: int) -> Matrix:
    bank = slaney_mel(N_BANDS, n_fft, sample_rate, _LOWEST, _HIGHEST).double().numpy().T
    return np.ascontiguousarray(bank)


@lru_cache(maxsize=1)
def _layers() -> list[tuple[Matrix, Matrix]]:
    """Load weights and biases, layer by layer."""
    tensors = load(files("retimbre.alignment").joinpath(WEIGHTS).read_bytes())
    names = sorted({name.split(".")[0] for name in tensors})
    wide = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    return [(wide[f"{name}.weight"], wide[f"{name}.bias"]) for name in names]
