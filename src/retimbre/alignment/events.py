"""Note events: onset, end, pitch, level and certainty of every note of a clip.

The loudness of each pitch over time (:mod:`retimbre.alignment.attacks`) gives the likelihoods that a note of
it starts and that one sounds (:mod:`retimbre.alignment.note_network`). A note starts at each peak of the
first, as sure as that is high, and lasts until the second has fallen, or the next one of its pitch starts, or
another shortly before: voices mostly change together. A pitch that sounds as a piece begins is a note too, if
a doubtful one.

The pieces of a passage are taken one by one: no note reaches from one to the next.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retimbre.alignment.attacks import Attacks, find_attacks
from retimbre.alignment.grid import LOWEST
from retimbre.alignment.note_network import note_likelihoods
from retimbre.alignment.notes import Notes

if TYPE_CHECKING:
    from retimbre.alignment.passage import Passage

Curve = npt.NDArray[np.float64]  # likelihoods of one pitch over time, (T,)

_LIKELY, _SOUNDS = 0.65, 0.2
"""Least likelihoods of a start, and of a note that goes on: where the F1 of onsets, and of notes with their
ends, is highest over 90 clips, nine songs and ten instruments of the benchmark's pairs to tune on."""

_RINGS = 0.35
"""Seconds that a note seems to last beyond its release where another starts then: a written note mostly ends
with the next onset, and rings on. F1 of notes with their ends is .76 on these clips, and .70 without."""

_NEAREST = 0.06  # seconds; of the onsets of a pitch that are nearer the likeliest is taken
_SHORTEST = 0.05  # seconds
_LEFT, _LEFT_SURE = 0.12, 0.5
"""Seconds for which a pitch sounds as a piece begins from which it is a note; how sure that is, as a share of
the likelihood that it sounds."""
_PEAK, _CLEAR = 5, 1.5  # frames about an onset; nepers of flux by which onsets that are clear stand out
_SWING, _AT_ONCE = 0.2, 0.03  # semitones from its pitch; seconds from a note's end to one of its pitch
_EARLY = 1.0  # frames by which the likelihood of a start is centred after it


@dataclass(frozen=True)
class NoteEvent:
    """Note of a clip.

    Attributes:
        onset: Seconds from the start of the passage, by its frames.
        end: Seconds likewise, later than the onset.
        pitch: MIDI number, in the range of :mod:`retimbre.alignment.grid`.
        level: Loudness, the sum of the magnitudes of its partials in a frame, as the mean of the first .15 s.
        certainty: How sure it is, 0 to 1.
    """

    onset: float
    end: float
    pitch: int
    level: float
    certainty: float


def find_events(passage: "Passage") -> list[NoteEvent]:
    """Find the notes of a passage that is not silent, by onset."""
    notes, grid = passage.transcription.notes, passage.transcription.grid
    window, rate = passage.window, passage.sample_rate
    frame = window.hop_length / rate
    activations = notes.activations * passage.own_frames
    deviations = passage.transcription.deviations.cpu().numpy()
    events: list[NoteEvent] = []
    first = 0
    for piece in passage.unmirrored:
        n_frames = 1 + piece.shape[1] // window.hop_length
        own = Notes(notes.amplitudes, activations[:, first : first + n_frames], notes.noise)
        if own.activations.any():
            attacks = find_attacks(piece, rate, window, own, grid)
            found = _found(attacks, piece.shape[1] / rate)
            found = _joined(found, deviations[:, first : first + n_frames], frame)
            begin = first * window.hop_length / rate  # by the passage's frames, in which notes are cut out
            events += [replace(e, onset=e.onset + begin, end=e.end + begin) for e in found]
        first += n_frames
    return events


def reliability(events: list[NoteEvent]) -> float:
    """Estimate how far the events of a clip can be trusted, 0 to 1: the mean of their certainty."""
    return sum(event.certainty for event in events) / max(1, len(events))


def _found(attacks: Attacks, seconds: float) -> list[NoteEvent]:
    """Find the notes of a piece of some seconds."""
    likely = note_likelihoods(attacks)
    events = []
    for row, pitch in enumerate(likely.pitches):
        levels = attacks.levels[pitch]
        for onset, stop, sure in _spans(likely.starts[row], likely.sounds[row], attacks.frame):
            begin = round(onset)
            level = float(levels[begin : min(stop, begin + round(0.15 / attacks.frame))].mean())
            end = min(stop * attacks.frame, seconds)
            events.append(NoteEvent(onset * attacks.frame, end, LOWEST + int(pitch), level, sure))
    clear = _clearness(events, attacks)
    rated = [replace(event, certainty=clear * event.certainty) for event in events]
    return _released(sorted(rated, key=lambda event: (event.onset, event.pitch)))


def _joined(events: list[NoteEvent], deviations: npt.NDArray[np.float32], frame: float) -> list[NoteEvent]:
    """Join notes of a pitch where the later one seems to start amid the swing of a vibrato.

    A wide one swings in and out of its semitone, and each time its level rises. A note that is struck or
    blown again starts nearer to its pitch.

    Args:
        events: Notes of a piece, by onset.
        deviations: Distance of each note from its pitch in semitones, (P, T).
        frame: Seconds from frame to frame.
    """
    joined: list[NoteEvent] = []
    latest: dict[int, int] = {}
    for event in events:
        before = latest.get(event.pitch)
        at = min(round(event.onset / frame), deviations.shape[1] - 1)
        swings = abs(deviations[event.pitch - LOWEST, at]) > _SWING
        if before is not None and swings and event.onset - joined[before].end < _AT_ONCE:
            joined[before] = replace(joined[before], end=event.end)
            continue
        latest[event.pitch] = len(joined)
        joined.append(event)
    return joined


def _clearness(events: list[NoteEvent], attacks: Attacks) -> float:
    """Rate a clip, 0 to 1: less where octaves were taken for partials, or onsets are not in the flux.

    The network knows neither: it is as sure of an organ with stops an octave apart, and of a choir.
    """
    if not events:
        return 0.0
    at = [min(round(event.onset / attacks.frame), len(attacks.flux) - 1) for event in events]
    peaks = _highest(attacks.flux, _PEAK)[at]
    contrast = np.log(np.median(peaks) / (np.median(attacks.flux) + 1e-12) + 1e-6)
    return (1 - 0.5 * attacks.octaves) * math.sqrt(float(np.clip(contrast / _CLEAR, 0, 1)))


def _released(events: list[NoteEvent]) -> list[NoteEvent]:
    """End notes at another's onset where one is shortly before their end."""
    onsets = np.array([event.onset for event in events])
    released = []
    for event in events:
        earliest = max(event.onset + _NEAREST, event.end - _RINGS)
        others = onsets[(onsets > earliest) & (onsets <= event.end + 0.03)]
        released.append(replace(event, end=float(others.max()) if others.size else event.end))
    return released


def _spans(starts: Curve, sounds: Curve, frame: float) -> list[tuple[float, int, float]]:
    """Find the notes of a pitch: onset in frames, frame at which it has ended, certainty."""
    smooth = np.convolve(starts, np.ones(3) / 3, "same")
    reach, shortest = round(_NEAREST / frame), round(_SHORTEST / frame)
    highest = (smooth >= _highest(smooth, reach)) & (np.diff(smooth, prepend=0) > 0)
    peaks = [int(at) for at in np.flatnonzero(highest & (smooth >= _LIKELY)) if at < len(starts) - shortest]
    spans = []
    for peak, following in zip(peaks, [*peaks, len(starts)][1:], strict=True):
        over = np.flatnonzero(sounds[peak + shortest : following] < _SOUNDS)
        stop = peak + shortest + int(over[0]) if over.size else following
        near = np.arange(max(0, peak - 4), min(len(starts), peak + 5))
        onset = max(0.0, float(near @ smooth[near] / smooth[near].sum()) - _EARLY)
        spans.append((onset, stop, float(smooth[peak])))
    amid = np.flatnonzero(sounds < _SOUNDS)
    first = int(amid[0]) if amid.size else len(sounds)
    if first >= _LEFT / frame and not (spans and spans[0][0] < first):
        spans.append((0.0, first, _LEFT_SURE * float(sounds[:first].mean())))
    return spans


def _highest(row: Curve, reach: int) -> Curve:
    """Compute the highest value within ``reach`` frames on either side, (T,)."""
    padded = np.pad(row, reach, mode="edge")
    highest: Curve = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    return highest
