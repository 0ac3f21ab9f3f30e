"""Intonation: distances of notes from their semitones, as in vibrato, glides and strings out of tune.

Notes are found on semitones (:mod:`retimbre.alignment.notes`): near enough to name a note, and not near
enough to render it. At the eighth partial a vibrato of 40 cents is wider than a lobe. So the frequency of
each note is measured once more, frame by frame, at the peaks around its lowest partials, and the note is
rendered there. (A vibrato of that size was 16 cents off in the median without this, and is 1 to 2 with it.)
"""

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.alignment.grid import Grid, lobe_width

_REACH = 0.6  # semitones around a pitch in which the peaks of its partials are searched
_N_MEASURED = 6  # partials whose peaks are searched
_LOBE_WIDTHS = 3  # standard deviations to which a lobe is rendered


def estimate_deviations(magnitude: Tensor, activations: Tensor, grid: Grid) -> Tensor:
    """Estimate the distance of each note from its pitch, (P, T), -0.6 to 0.6 semitones; 0 where none sounds.

    The mean over the lowest partials of the vertex of the parabola through the highest bin around each and
    its neighbours, in log magnitude; each partial weighs by its magnitude and its number, as a higher one
    moves further.

    Args:
        magnitude: Magnitude spectrogram of the clip, (F, T).
        activations: Loudness of each pitch, (P, T).
        grid: Places of the partials.
    """
    pitch, frame = activations.nonzero(as_tuple=True)
    level = functional.pad(magnitude, (0, 0, 1, 1)).clamp(min=1e-9).log()
    total = torch.zeros_like(frame, dtype=magnitude.dtype)
    weights = total + 1e-9
    for k in range(_N_MEASURED):
        centre = grid.hertz[pitch, k] / grid.step
        reach = (centre * (2 ** (_REACH / 12) - 1)).clamp(min=1.0)
        widest = int(reach.amax().ceil()) if len(reach) else 1
        offsets = torch.arange(-widest, widest + 1, device=centre.device)
        bins = (centre.round().long()[:, None] + offsets).clamp(0, len(magnitude) - 1)
        in_reach = (bins - centre[:, None]).abs() <= reach[:, None]
        values = level[bins + 1, frame[:, None]].where(in_reach, -torch.inf)
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


def render_partials(amplitudes: Tensor, activations: Tensor, deviations: Tensor, grid: Grid) -> Tensor:
    """Render the partials of notes at their frequencies between the semitones: magnitudes (F, T).

    Args:
        amplitudes: Amplitudes of the partials of each pitch, (P, K).
        activations: Loudness of each note, the sum of its magnitudes, (P, T).
        deviations: Distance of each note from its pitch in semitones, (P, T).
        grid: Places of the partials at a distance of 0.
    """
    n_bins, n_frames = grid.bands.shape[1], activations.shape[1]
    pitch, frame = activations.nonzero(as_tuple=True)
    shift = 2 ** (deviations[pitch, frame] / 12)
    size = (amplitudes * grid.sizes).sum(dim=1).clamp(min=1e-9)  # of a note on its pitch
    loudness = activations[pitch, frame] / size[pitch]
    magnitude = torch.zeros(n_bins * n_frames, dtype=activations.dtype, device=activations.device)
    for k in range(grid.hertz.shape[1]):
        here = (amplitudes[pitch, k] > 0).nonzero()[:, 0]
        hertz = grid.hertz[pitch[here], k] * shift[here]
        lobe = lobe_width(hertz, grid.step)
        reach = int((_LOBE_WIDTHS * lobe.amax() / grid.step).ceil()) if len(here) else 0
        offsets = torch.arange(-reach, reach + 1, device=hertz.device)
        bins = (hertz / grid.step).round().long()[:, None] + offsets
        shape = (-0.5 * ((bins * grid.step - hertz[:, None]) / lobe[:, None]).square()).exp()
        values = shape * (loudness[here] * amplitudes[pitch[here], k])[:, None]
        inside = (bins >= 0) & (bins < n_bins)
        flat = bins.clamp(0, n_bins - 1) * n_frames + frame[here, None]
        magnitude.index_add_(0, flat.flatten(), (values * inside).flatten())
    return magnitude.view(n_bins, n_frames)
