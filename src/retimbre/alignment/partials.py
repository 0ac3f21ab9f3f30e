"""The pitch of every note from frame to frame, and its partials: where they lie and which lie on others'."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retimbre.alignment.events import NoteEvent
from retimbre.alignment.grid import LOWEST, N_PARTIALS, TOP, lobe_width
from retimbre.alignment.passage import Passage

TAIL = 0.3
"""Seconds after its end in which a note still rings."""

EDGE = 2  # frames at either end of a note in which its pitch is not sure
_LOBE_WIDTHS = 3.0  # standard deviations to which a lobe reaches
_COLLISION = 2.5  # standard deviations between two partials that count as one
_AUDIBLE = 0.15
"""Share of the magnitude at a partial from which another's partial there matters: on the
melodic pairs for tuning .08 is as good, .3 less by .02 of the envelope error of the content."""

_COVER = 4.0  # peak of a lobe's cover, limited to one: a lobe as wide as the window's belongs to its note


def fundamental(passage: Passage, event: NoteEvent) -> Tensor:
    """Estimate the fundamental frequency of a note in Hz in every frame of a clip, (T,).

    Outside the note, and where its deviation from the semitone is not known, it is the note's mean.
    """
    transcription, rate = passage.transcription, passage.sample_rate / passage.window.hop_length
    row = event.pitch - LOWEST
    activation, deviation = transcription.notes.activations[row].cpu(), transcription.deviations[row].cpu()
    inside = torch.zeros_like(activation, dtype=torch.bool)
    inside[int(event.onset * rate) : int(event.end * rate) + 1] = True
    weight = activation * inside
    mean = (weight * deviation).sum() / weight.sum().clamp(min=1e-9)
    semitones = torch.where(weight > 0, deviation, mean)
    hertz: Tensor = transcription.grid.hertz[row, 0].cpu() * 2 ** (semitones / 12)
    return hertz


def pitch_curve(passage: Passage, event: NoteEvent) -> npt.NDArray[np.float64]:
    """Estimate the pitch of a note in every frame from onset to end, (T,), as MIDI numbers with fractions."""
    return _during(event, fundamental(passage, event), passage.sample_rate / passage.window.hop_length)


def _during(event: NoteEvent, f0: Tensor, rate: float) -> npt.NDArray[np.float64]:
    hertz = f0[int(event.onset * rate) : int(event.end * rate) + 1]
    curve: npt.NDArray[np.float64] = 69 + 12 * np.log2(hertz.double().numpy() / 440)
    return curve


def mean_pitch(passage: Passage, event: NoteEvent) -> float:
    """Estimate the pitch of a note as a MIDI number with its fraction: the median over its frames."""
    return float(np.median(pitch_curve(passage, event)))


def unsteadiness(curve: npt.NDArray[np.float64]) -> float:
    """Measure how much a pitch varies: its standard deviation in semitones, without the ends of the note."""
    return float(curve[EDGE:-EDGE].std()) if len(curve) > 4 * EDGE else 0.0


@dataclass(frozen=True, eq=False)
class Track:
    """Partials of a note over the frames in which it sounds, its tail included.

    Attributes:
        frames: Frames of the clip.
        end: End of the tail in seconds.
        curve: Pitch from onset to end, as :func:`pitch_curve` estimates it.
        hertz: Frequencies of the partials in Hz, (K, T).
        width: Standard deviations of their lobes in Hz, (K, T).
        bins: Bins around each of the K' partials of which some lie in the spectrogram, (K', T, J).
        lobes: Lobe of each of these in these bins, of height 1, (K', T, J).
        peaks: Magnitudes of the clip at the partials, (K, T).
        is_present: Whether the partials lie in the spectrogram, boolean (K, T).
    """

    frames: slice
    end: float
    curve: npt.NDArray[np.float64]
    hertz: Tensor
    width: Tensor
    bins: Tensor
    lobes: Tensor
    peaks: Tensor
    is_present: Tensor

    def _places(self, n_bins: int) -> Tensor:
        """Give the place of each lobe's bin, frame after frame as the transform lays them out."""
        return (self.bins + n_bins * torch.arange(self.hertz.shape[1])[:, None]).flatten()

    def render(self, amplitudes: Tensor, n_bins: int) -> Tensor:
        """Render partials of these amplitudes (K, T): magnitudes (F, T)."""
        values = (self.lobes * amplitudes[: len(self.lobes), :, None]).flatten()
        flat = torch.zeros(n_bins * amplitudes.shape[1]).index_add_(0, self._places(n_bins), values)
        return flat.view(-1, n_bins).mT

    def cover(self, n_bins: int) -> Tensor:
        """Compute how much of each bin the lobes cover, 0 to 1, (F, T)."""
        values = (_COVER * self.lobes).clamp(max=1).flatten()
        flat = torch.zeros(n_bins * self.hertz.shape[1])
        return flat.scatter_reduce_(0, self._places(n_bins), values, "amax").view(-1, n_bins).mT


def track_partials(passage: Passage, events: Sequence[NoteEvent], magnitude: Tensor) -> list[Track]:
    """Follow the partials of every note.

    Args:
        passage: The clip.
        events: Its notes.
        magnitude: Its joint magnitudes, (F, T).
    """
    n_bins, n_frames = magnitude.shape
    rate = passage.sample_rate / passage.window.hop_length
    step = passage.sample_rate / passage.window.n_fft
    order = torch.arange(1, N_PARTIALS + 1)[:, None]

    def track(event: NoteEvent) -> Track:
        f0 = fundamental(passage, event)
        again = [e.onset for e in events if e.pitch == event.pitch and e.onset > event.onset]
        end = min([event.end + TAIL, n_frames / rate, *again])
        first, last = int((event.onset - 0.04) * rate), int(np.ceil((end + 0.02) * rate))
        frames = slice(max(0, first), min(n_frames, max(last, first + 2) + 1))
        hertz = order * f0[frames]
        is_present = hertz < min(TOP, (n_bins - 8) * step)
        width = lobe_width(hertz, step)
        n = int(is_present.any(dim=1).sum())
        there = is_present[:n, :, None]
        reach = int((_LOBE_WIDTHS * width[is_present].amax() / step).ceil()) if n else 1
        bins = (hertz[:n] / step).round().long()[..., None] + torch.arange(-reach, reach + 1)
        distance = ((bins * step - hertz[:n, :, None]) / width[:n, :, None]).abs_()
        bins = bins.clamp_(0, n_bins - 1).mul_(there)
        lobes = (-0.5 * distance.square()).exp_().mul_((distance < _LOBE_WIDTHS) & there)
        values = magnitude[bins, torch.arange(n_frames)[frames][:, None]]
        peaks = torch.zeros_like(hertz)
        peaks[:n] = (values * ((distance < 1.5) & there)).amax(dim=2)
        return Track(frames, end, _during(event, f0, rate), hertz, width, bins, lobes, peaks, is_present)

    return [track(event) for event in events]


def find_collisions(track: Track, tracks: Sequence[Track]) -> Tensor:
    """Find the partials of a note that lie on those of another note, (K, T)."""
    collided = torch.zeros_like(track.is_present)
    for other in tracks:
        first = max(track.frames.start, other.frames.start)
        last = min(track.frames.stop, other.frames.stop)
        if other is track or last <= first:
            continue
        mine = slice(first - track.frames.start, last - track.frames.start)
        hertz = track.hertz[:, mine]
        f0 = other.hertz[0, first - other.frames.start : last - other.frames.start]
        nearest = (hertz / f0).round().clamp(1, N_PARTIALS) * f0
        collided[:, mine] |= (hertz - nearest).abs() < _COLLISION * track.width[:, mine]
    return collided


def loud_collisions(
    tracks: Sequence[Track], collisions: Sequence[Tensor], powers: Sequence[Tensor], total: Tensor
) -> list[Tensor]:
    """Keep the collisions in which the other notes' partials are loud enough to matter, (K, T) for each note.

    Args:
        tracks: Partials of all notes.
        collisions: Where they lie on those of another (:func:`find_collisions`).
        powers: Power of each note's own partials, (F, T) each.
        total: Power of all notes' partials together, (F, T).
    """

    def keep_loud(track: Track, collided: Tensor, own: Tensor) -> Tensor:
        others, loud = total[:, track.frames] - own, torch.zeros_like(collided)
        middle, n = track.bins.shape[2] // 2, len(track.bins)
        at = track.bins[..., middle - 1 : middle + 2]
        power = others[at, torch.arange(others.shape[1])[:, None]].amax(dim=2)
        loud[:n] = collided[:n] & (power > (_AUDIBLE * track.peaks[:n]).square())
        return loud

    return list(map(keep_loud, tracks, collisions, powers))
