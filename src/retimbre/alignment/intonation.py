"""Where between the semitones notes sound: vibrato, glides, strings that are out of tune.

Notes are found on semitones (:mod:`retimbre.alignment.notes`): near enough to tell which one sounds, and
not near enough to play it. At the eighth partial a vibrato of 40 cents is wider than a lobe. So each note is
heard once more, frame by frame, at the peaks around its lowest partials, and is played where these are. (A
vibrato of that size came out 16 cents off in the median, and 1 to 2 since.)
"""

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.alignment.notes import Grid, width

_REACH = 0.6  # semitones around a pitch in which its partials are looked for
_N_HEARD = 6  # partials that are looked for
_LOBE_WIDTHS = 3  # how far a lobe is drawn, in its widths


def deviations(magnitude: Tensor, activations: Tensor, grid: Grid) -> Tensor:
    """How far each note that sounds is from its pitch, (P, T), -0.6 to 0.6 semitones.

    The mean over the lowest partials of the vertex of the parabola through the highest bin around each and
    its neighbours, in log magnitude; each partial weighs by its magnitude and its number, as a higher one
    tells more. Zero where nothing sounds.

    Args:
        magnitude: Magnitudes of the clip, (F, T).
        activations: Loudness of the notes, (P, T).
        grid: Where their partials lie.
    """
    pitch, frame = activations.nonzero(as_tuple=True)
    level = functional.pad(magnitude, (0, 0, 1, 1)).clamp(min=1e-9).log()
    total = torch.zeros_like(frame, dtype=magnitude.dtype)
    weights = total + 1e-9
    for k in range(_N_HEARD):
        centre = grid.hertz[pitch, k] / grid.step
        reach = (centre * (2 ** (_REACH / 12) - 1)).clamp(min=1.0)
        widest = int(reach.amax().ceil()) if len(reach) else 1
        around = torch.arange(-widest, widest + 1, device=centre.device)
        bins = (centre.round().long()[:, None] + around).clamp(0, len(magnitude) - 1)
        near = (bins - centre[:, None]).abs() <= reach[:, None]
        values = level[bins + 1, frame[:, None]].where(near, -torch.inf)
        at = bins.gather(1, values.argmax(dim=1, keepdim=True))[:, 0]
        a, b, c = (level[at + side, frame] for side in (0, 1, 2))
        bend = a - 2 * b + c
        vertex = at + torch.where(bend < 0, 0.5 * (a - c) / bend, 0).clamp(-0.5, 0.5)
        semitones = 12 * (vertex / centre).clamp(min=0.5).log2()
        weight = (k + 1) * b.exp() * (semitones.abs() <= _REACH) * (bend < 0)
        total += weight * semitones
        weights += weight
    found = torch.zeros_like(activations)
    found[pitch, frame] = total / weights
    return found


def drawn(amplitudes: Tensor, activations: Tensor, deviation: Tensor, grid: Grid) -> Tensor:
    """Magnitudes (F, T) of notes where they sound between the semitones.

    Args:
        amplitudes: Of the partials of each pitch, (P, K).
        activations: Loudness of each note, the sum of its magnitudes, (P, T).
        deviation: Its distance from its pitch in semitones, (P, T).
        grid: Where the partials would lie without that.
    """
    n_bins, n_frames = grid.bands.shape[1], activations.shape[1]
    pitch, frame = activations.nonzero(as_tuple=True)
    shift = 2 ** (deviation[pitch, frame] / 12)
    size = (amplitudes * grid.lobes.sum(dim=2)).sum(dim=1).clamp(min=1e-9)  # of a note on its pitch
    loudness = activations[pitch, frame] / size[pitch]
    magnitude = torch.zeros(n_bins * n_frames, dtype=activations.dtype, device=activations.device)
    for k in range(grid.hertz.shape[1]):
        here = (amplitudes[pitch, k] > 0).nonzero()[:, 0]
        hertz = grid.hertz[pitch[here], k] * shift[here]
        lobe = width(hertz, grid.step)
        reach = int((_LOBE_WIDTHS * lobe.amax() / grid.step).ceil()) if len(here) else 0
        around = torch.arange(-reach, reach + 1, device=hertz.device)
        bins = (hertz / grid.step).round().long()[:, None] + around
        shape = (-0.5 * ((bins * grid.step - hertz[:, None]) / lobe[:, None]).square()).exp()
        values = shape * (loudness[here] * amplitudes[pitch[here], k])[:, None]
        inside = (bins >= 0) & (bins < n_bins)
        places = bins.clamp(0, n_bins - 1) * n_frames + frame[here, None]
        magnitude.index_add_(0, places.flatten(), (values * inside).flatten())
    return magnitude.view(n_bins, n_frames)
