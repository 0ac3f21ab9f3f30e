"""Note events: onset, end, pitch and level of every note of a clip, from its factorisation.

Nothing is trained.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retimbre.alignment.grid import LOWEST
from retimbre.alignment.notes import sounding_notes

if TYPE_CHECKING:
    from retimbre.alignment.passage import Passage

_LEAST = 0.12  # seconds; shorter runs are dropped
_RISE = 6.0  # dB over four frames: a new attack of a pitch that sounds
_SNAP = 0.35  # seconds before the end found within which the next onset of any voice ends a note


@dataclass(frozen=True)
class NoteEvent:
    """Note of a clip.

    Attributes:
        onset: Seconds from the start of the passage.
        end: Seconds from the start of the passage, later than the onset.
        pitch: MIDI number.
        level: Loudness, the sum of the magnitudes of its partials in a frame, as the mean of the first .15 s.
        certainty: How sure it is, 0 to 1.
    """

    onset: float
    end: float
    pitch: int
    level: float
    certainty: float


def find_events(passage: "Passage") -> list[NoteEvent]:
    """Find the notes of a clip that is not silent, by onset."""
    activations = passage.transcription.notes.activations
    frame = passage.window.hop_length / passage.sample_rate
    sounds = sounding_notes(activations).numpy()
    loudness = activations.double().numpy()
    found = []
    for pitch, row in enumerate(sounds):
        edges = np.flatnonzero(np.diff(np.r_[False, row, False]))
        for first, last in edges.reshape(-1, 2):
            for start, stop in _cut(loudness[pitch], first + 2, last - 2):
                if (stop - start) * frame >= _LEAST:
                    level = float(loudness[pitch, start : start + max(1, round(0.15 / frame))].mean())
                    found.append(NoteEvent(start * frame, stop * frame, LOWEST + pitch, level, 0.5))
    found.sort(key=lambda event: (event.onset, event.pitch))
    onsets = np.array([event.onset for event in found])
    return [_snapped(event, onsets) for event in found]


def _cut(loudness: npt.NDArray[np.float64], start: int, stop: int) -> list[tuple[int, int]]:
    """Cut a run of frames where its loudness rises."""
    decibel = 20 * np.log10(loudness.clip(1e-9))
    rise = decibel[4:] - decibel[:-4]
    cuts = [start]
    for t in range(start + 2, stop - 4):
        near = rise[max(0, t - 4) : t + 3]
        if rise[t - 2] > _RISE and rise[t - 2] >= near.max() and t - cuts[-1] >= 4:
            cuts.append(t)
    return list(zip(cuts, [*cuts[1:], stop], strict=True))


def _snapped(event: NoteEvent, onsets: npt.NDArray[np.float64]) -> NoteEvent:
    """Move an end to the latest onset of any voice within .35 s before it."""
    inside = onsets[(onsets > event.onset + 0.06) & (onsets >= event.end - _SNAP) & (onsets <= event.end)]
    end = float(inside[0]) if inside.size else event.end
    return NoteEvent(event.onset, end, event.pitch, event.level, event.certainty)
