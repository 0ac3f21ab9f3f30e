"""Loudness of every pitch in fine steps of time, and how much of it is new: where notes begin.

The notes of a clip (:mod:`retimbre.alignment.notes`) come from windows of 93 ms every 23 ms. Here a window of
half that length, every 6 ms, is factorised with the same templates: among the pitches that are known to sound
nearby, once its magnitudes, and once their *change*: the distance of every complex bin from the one that
two frames before would give if magnitude and frequency stayed (Bello, Duxbury, Davies and Sandler 2004, "On
the use of phase and energy for musical onset detection in the complex domain"). A held tone has little of it
even where it swells, and a tone that is struck or blown again has much, even where it is no louder. As the
templates compete for the change, a note that starts does not make those that share its partials start too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from retimbre.alignment.grid import LOWEST, Grid
from retimbre.alignment.notes import Notes, sounding_notes
from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import Window

Rows = npt.NDArray[np.float64]

STEPS = 4
"""Frames of the fine spectrogram in one of the notes'."""

_SPANS = 2, 4  # fine frames from which the next is predicted: 12 and 23 ms
_N_ITER = 12, 10  # updates for the magnitudes and for their change
_NEAR = 3  # frames of the notes by which a pitch may sound earlier or later

_FOLDED, _REGISTER, _ANYWHERE = 0.5, 6.0, 0.2
"""Share of the frames of a pitch in which its octave sounds from which the octave is taken for its partials;
the width in semitones of the register over which that is counted, and the weight of all others."""

_AUDIBLE, _UPPER, _LOWER = 0.1, 0.25, 0.08
"""A pitch counts there where it has this share of the frame's loudest; its octave where it has .25 of its
level; and it is not itself a ghost where it has .08 of its octave's."""


@dataclass(frozen=True, eq=False)
class Attacks:
    """Loudness and change of every pitch in one piece.

    Attributes:
        levels: Loudness, the sum of the magnitudes, (P, T).
        changes: Sum of the magnitudes of what is not a continuation, (P, T).
        flux: Mean rise of all compressed magnitudes from frame to frame, (T,).
        sounds: Whether the notes have the pitch nearby, boolean (P, T).
        frame: Seconds from frame to frame.
        octaves: Share of the frames in which a note's octave was taken for its partials, 0 to 1.
    """

    levels: Rows
    changes: Rows
    flux: Rows
    sounds: npt.NDArray[np.bool_]
    frame: float
    octaves: float = 0.0


def find_attacks(piece: Tensor, sample_rate: int, window: Window, notes: Notes, grid: Grid) -> Attacks:
    """Measure the loudness and the change of every pitch of a piece.

    Args:
        piece: Samples (C, N).
        sample_rate: Rate in Hz.
        window: The window under which the notes were found.
        notes: The notes of this piece alone.
        grid: Their grid.
    """
    fine = Window(2 * (window.n_fft // 4), max(1, window.hop_length // STEPS), window.device)
    tuning = 12 * float((grid.hertz[69 - LOWEST, 0] / 440).log2())
    dictionary = Grid.of(fine.n_fft, sample_rate, tuning, window.device)
    n_bins = dictionary.n_low
    bins = fine.stft(piece)[:, :n_bins]
    magnitude = joint_magnitude(bins)
    rows = (notes.activations > 0).any(dim=1).nonzero()[:, 0]
    templates = functional.normalize(dictionary.spectra(notes.amplitudes)[rows], p=1)
    bands = dictionary.bands[:, :n_bins]
    bands = functional.normalize(bands[bands.sum(dim=1) > 0], p=1)
    n_frames = magnitude.shape[1]
    places = (torch.arange(n_frames) / STEPS).round().long().clamp(max=notes.activations.shape[1] - 1)
    start = functional.max_pool1d(notes.activations[rows], 2 * _NEAR + 1, stride=1, padding=_NEAR)[:, places]
    levels = _factorise(magnitude, templates, bands, start, _N_ITER[0])
    change = torch.stack([joint_magnitude(error) for error in _errors(bins)]).mean(dim=0)
    changes = _factorise(change, templates, bands, levels, _N_ITER[1])
    compressed = magnitude.log1p()
    flux = functional.pad(compressed.diff(dim=1).clamp(min=0).mean(dim=0), (1, 0))

    def spread(values: Tensor) -> Rows:
        full = np.zeros((len(notes.activations), n_frames))
        full[rows.cpu().numpy()] = values.cpu().double().numpy()
        return full

    full, new = spread(levels), spread(changes)
    sounds = sounding_notes(notes.activations)[:, places].cpu().numpy()
    octaves = _fold_octaves(full, new, sounds)
    return Attacks(full, new, flux.cpu().double().numpy(), sounds, fine.hop_length / sample_rate, octaves)


def _errors(bins: Tensor) -> Iterator[Tensor]:
    """Predict each frame from two before it, over each span, and give the errors, complex (C, F, T)."""
    frames = bins.mT.contiguous()  # frame after frame, in the order in which they are read
    turn = frames.sgn()
    for span in _SPANS:
        errors, latest = frames.clone(), slice(span, -span)
        errors[:, 2 * span :] -= frames[:, latest] * turn[:, latest] * turn[:, : -2 * span].conj()
        yield errors.mT


def _factorise(magnitude: Tensor, templates: Tensor, bands: Tensor, start: Tensor, n_iter: int) -> Tensor:
    """Find the loudness (R, T) of templates (R, F) in magnitudes (F, T), beside bands of noise (B, F)."""
    least = 1e-4 * magnitude.mean() + 1e-12
    dictionary = torch.cat([templates, bands])
    noise = 0.1 * magnitude.sum(dim=0).mean() / len(bands)
    loudness = torch.cat([start, noise.expand(len(bands), magnitude.shape[1])])
    for _ in range(n_iter):
        loudness = loudness * (dictionary @ (magnitude / (dictionary.T @ loudness).add_(least)))
    return loudness[: len(templates)]


def _fold_octaves(levels: Rows, changes: Rows, sounds: npt.NDArray[np.bool_]) -> float:
    """Add an octave to the pitch below where it sounds with most of its notes; in place.

    An oboe's second partial is twice as loud as its first, and no comb of the first fit is: the octave is
    found as a note. Two voices are rarely an octave apart for half of the time.

    Returns:
        The share of frames in which octaves were added, 0 to 1.
    """
    low, high = levels[:-12], levels[12:]
    heard = (low > _AUDIBLE * levels.max(axis=0)) & (low > 0.03 * levels.max()) & (low > _LOWER * high)
    both = heard & (high > _UPPER * low)
    pitches = np.arange(len(low))
    weights = np.exp(-0.5 * ((pitches[:, None] - pitches) / _REGISTER) ** 2) + _ANYWHERE
    share = (weights @ both.sum(axis=1)) / (weights @ heard.sum(axis=1) + 1e-9)
    folded = (share >= _FOLDED)[:, None] & (low > _LOWER * high) & (low > 0.01 * levels.max())
    for rows in (levels, changes):
        rows[:-12] += np.where(folded, rows[12:], 0)
        rows[12:] *= ~folded
    sounds[:-12] |= folded & sounds[12:]
    return float((folded & both).sum() / max(1, heard.sum()))
