"""Where each pitch starts, and where it sounds: likelihoods from its loudness and change over time.

A soft legato repeat, the ring of a released note and the swell of a held one look alike in any one number,
and unlike in how a third of a second goes on. A small network reads the rows of
:class:`retimbre.alignment.attacks.Attacks`: convolutions over time with the same weights for all pitches.
Of the other pitches each sees what is loudest in a frame, in the rows and twice between the layers. It was
trained in minutes on random music (``study/note_training.py`` makes its weights again).
"""

from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from retimbre.alignment.attacks import Attacks, Rows

WEIGHTS = "note_network.safetensors"
"""File of the network's weights, beside this module."""

N_ROWS = 13
"""Rows that describe a pitch: see :func:`describe_pitches`."""

_WIDTH, _TAPS, _DILATIONS = 32, 5, (1, 2, 4, 8)
"""Channels; taps and dilations of the convolutions, in double frames: it sees .35 s on either side."""
_DROPPED = 0.1  # share of the layers' inputs that are left out in training
_POOLED = (1, 2)
"""Layers that also see the highest value of each channel among all pitches."""

_FLOOR = 1e-3  # of the loudest level, and of the largest change: -60 dB
_STILL = 0.002  # the least flux that is typical of a clip: below it lies that of noise
_HEARD = 0.02  # of the loudest level, from which a pitch counts for what change is usual
_MOST = 40.0  # dB by which pitches differ at most
_PARTIALS = [round(12 * np.log2(k)) for k in range(2, 9)]  # semitones


class Likelihoods(NamedTuple):
    """Likelihoods, 0 to 1, for some pitches.

    Attributes:
        pitches: Rows of the pitches in the attacks, (R,).
        starts: That a note starts within a frame or two, (R, T).
        sounds: That a note is held, and does not only ring on, (R, T).
    """

    pitches: npt.NDArray[np.int64]
    starts: Rows
    sounds: Rows


class NoteNetwork(nn.Module):
    """Network from descriptions of pitches to log-odds of their starts and of their sound."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(2 * N_ROWS, _WIDTH, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv1d(_WIDTH * (2 if n in _POOLED else 1), _WIDTH, _TAPS, padding=_TAPS // 2 * d, dilation=d)
            for n, d in enumerate(_DILATIONS)
        )
        self.last = nn.Conv1d(_WIDTH, 4, 1)

    def forward(self, described: Tensor, clips: Tensor) -> Tensor:
        """Compute log-odds, from (R, N_ROWS, T) and the number of each row's clip, (R,), to (R, 2, T)."""
        n_frames = described.shape[2]
        even = functional.pad(described, (0, n_frames % 2))
        hidden = self.first(torch.cat([even[..., ::2], even[..., 1::2]], dim=1)).relu()
        for n, layer in enumerate(self.layers):
            seen = hidden
            if n in _POOLED:
                highest = hidden.new_zeros(int(clips.max()) + 1, *hidden.shape[1:])
                places = clips[:, None, None].expand_as(hidden)
                seen = torch.cat([hidden, highest.scatter_reduce(0, places, hidden, "amax")[clips]], dim=1)
            seen = functional.dropout(seen, _DROPPED, self.training)
            hidden = hidden + layer(seen).relu()
        odds: Tensor = self.last(hidden)
        return torch.stack([odds[:, :2], odds[:, 2:]], dim=3).flatten(2)[..., :n_frames]


def describe_pitches(attacks: Attacks) -> tuple[Tensor, npt.NDArray[np.int64]]:
    """Describe the pitches that sound anywhere, by rows over time that do not depend on the clip's level.

    They are the pitch's level; its level beside that of the loudest other; how much of it is new; its change
    beside the largest other; the flux of the clip; whether the notes have the pitch; the level and then the
    change of what could have it for a partial, of its own partials, and of its neighbours; and its height.

    Returns:
        The rows (R, N_ROWS, T), and the pitches as rows of the attacks, (R,).
    """
    levels, changes = attacks.levels, attacks.changes
    pitches = np.flatnonzero(attacks.sounds.any(axis=1))
    new = np.log(changes / (levels + _HEARD * levels.max(axis=1, keepdims=True) + 1e-9) + 0.01)
    heard = attacks.sounds & (levels > _HEARD * levels.max())
    flux = np.log(attacks.flux / max(_STILL, float(np.median(attacks.flux))) + 0.05)
    loud, moved = (_decibel(rows) for rows in (levels, changes))
    height = np.linspace(-1.7, 1.65, len(levels))[:, None]  # in 20 semitones
    rows = [
        loud / 20 + 1.5,
        (loud - _others(loud)).clip(-_MOST, _MOST) / 20,
        new - (np.median(new[heard]) if heard.any() else 0),
        (moved - _others(moved)).clip(-_MOST, _MOST) / 20,
        np.broadcast_to(flux, levels.shape),
        attacks.sounds.astype(float),
    ]
    lower = [-up for up in _PARTIALS]
    for own in (loud, moved):
        for steps in (lower, _PARTIALS, [-1, 1]):
            beside = np.maximum.reduce([_shifted(own, step) for step in steps])
            rows.append(((beside - own) / 20).clip(-2, 2))
    rows.append(np.broadcast_to(height, levels.shape))
    return torch.from_numpy(np.stack([row[pitches] for row in rows], axis=1).astype(np.float32)), pitches


@torch.no_grad()
def note_likelihoods(attacks: Attacks) -> Likelihoods:
    """Compute how likely each pitch starts, and sounds, in every frame."""
    described, pitches = describe_pitches(attacks)
    odds = trained_network()(described, torch.zeros(len(pitches), dtype=torch.long))
    starts, sounds = odds.sigmoid().double().numpy().swapaxes(0, 1)
    return Likelihoods(pitches, starts, sounds)


@lru_cache(maxsize=1)
def trained_network() -> NoteNetwork:
    """Load the network with its weights."""
    network = NoteNetwork()
    tensors = load(files("retimbre.alignment").joinpath(WEIGHTS).read_bytes())
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return network.eval()


def _decibel(rows: Rows) -> Rows:
    """Convert to dB below the highest, at least -60."""
    top = rows.max() + 1e-12
    decibel: Rows = 20 * np.log10(rows / top + _FLOOR)
    return decibel


def _others(rows: Rows) -> Rows:
    """Find the highest of the other rows, (R, T)."""
    second, first = np.sort(rows, axis=0)[-2:]
    others: Rows = np.where(rows == first, second, first)
    return others


def _shifted(rows: Rows, step: int) -> Rows:
    """Give each row the one ``step`` above it, and the floor where there is none."""
    shifted = np.full_like(rows, 20 * np.log10(_FLOOR))
    if step > 0:
        shifted[:-step] = rows[step:]
    else:
        shifted[-step:] = rows[:step]
    return shifted
