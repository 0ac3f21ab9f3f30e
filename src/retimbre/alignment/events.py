"""Note events: onset, end, pitch, level and certainty of every note of a clip.

The loudness of each pitch over time (:mod:`retimbre.alignment.attacks`) is cut into runs where it sounds, and
runs are cut where the pitch likely starts anew. Notes that are faint beside others at the same time are
dropped, and so are doubtful ones. A note ends where its pitch has fallen, or at the onset of another shortly
before: most notes ring on after their release, and voices mostly change together. Nothing is trained but the
weights of what tells an attack.

The pieces of a passage are taken one by one: no note reaches from one to the next.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retimbre.alignment.attacks import Attacks, Rows, attack_odds, find_attacks
from retimbre.alignment.grid import LOWEST
from retimbre.alignment.notes import Notes

if TYPE_CHECKING:
    from retimbre.alignment.passage import Passage

# The numbers here and in `attacks` were tuned by hand, mostly one at a time, for the F1 of onsets and of
# notes with their ends on 150 clips: songs and instruments of the benchmark's pairs to tune on, recombined,
# in two soundfonts. The parts of the certainty were set once, so that it comes near the share of right notes.
_QUIET, _UNDER, _SHARED = -34.0, -20.0, 0.6
"""A pitch sounds down to this many dB below the loudest of the clip, and of 45 ms on either side, and where
it has this share of a lower one whose partial it could be."""

_LEAST = 0.09  # seconds; the shortest note, and the least distance of two onsets of a pitch
_GAP = 0.03  # seconds; shorter gaps in a run are closed
_NEAREST = 0.06  # seconds; of the onsets of a pitch that are nearer the likeliest is taken
_STARTED = 0.05  # of a run's first peak, at which its note has started
_SALIENT, _BESIDE = 0.2, 0.6  # least level beside the loudest note, and beside one a semitone away
_FALLEN = 10 ** (-9 / 20)  # of its level, at which a note has ended
_RINGS = 0.35  # seconds that a note rings on beyond its release where another starts then
_PARTIALS = 12, 19, 24, 28  # semitones to the partials that are most often taken for notes
_SURE_START, _SURE_AGAIN = 4.0, 1.0  # added to the log-odds of a note's start, and of a start amid a run
_DOUBTFUL = 0.3  # notes that are less certain are dropped


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
    before, after = passage.mirrored_frames
    activations = notes.activations.clone()
    activations[:, :before] = 0
    activations[:, activations.shape[1] - after :] = 0
    events: list[NoteEvent] = []
    first = 0
    for piece in passage.unmirrored:
        n_frames = 1 + piece.shape[1] // window.hop_length
        own = Notes(notes.amplitudes, activations[:, first : first + n_frames], notes.noise)
        if own.activations.any():
            attacks = find_attacks(piece, rate, window, own, grid)
            found = _found(attacks, piece.shape[1] / rate)
            begin = (
                first * window.hop_length / rate
            )  # by the frames of the passage, in which notes are cut out
            events += [replace(e, onset=e.onset + begin, end=e.end + begin) for e in found]
        first += n_frames
    return events


def reliability(events: list[NoteEvent]) -> float:
    """Estimate how far the events of a clip can be trusted, 0 to 1: the mean of their certainty."""
    return sum(event.certainty for event in events) / max(1, len(events))


def _found(attacks: Attacks, seconds: float) -> list[NoteEvent]:
    """Find the notes of a piece of some seconds."""
    salient = _salient(_cut(attacks))
    rated = zip(salient, _certainties(_ended(salient, attacks, seconds), attacks), strict=True)
    kept = [replace(event, certainty=sure) for event, sure in rated if sure >= _DOUBTFUL]
    return _ended(kept, attacks, seconds)


def _cut(attacks: Attacks) -> list[NoteEvent]:
    """Cut the loudness of every pitch into notes, ends where the pitch is no longer heard."""
    levels, frame = attacks.levels, attacks.frame
    heard = _heard(attacks)
    if not heard.any():
        return []
    odds, place = attack_odds(attacks, heard)
    reach = round(_NEAREST / frame)
    peaks = heard & (odds >= 0) & (place >= _highest(place, reach, reach))
    least = round(_LEAST / frame)
    events = []
    for row in np.flatnonzero(heard.any(axis=1)):
        for begin, stop in _runs(heard[row]):
            cuts = [begin]
            for at in np.flatnonzero(peaks[row, begin:stop]) + begin:
                if at - cuts[-1] >= least:
                    cuts.append(int(at))
            for a, b in zip(cuts, [*cuts[1:], stop], strict=True):
                if b - a < least:
                    continue
                onset = _start(levels[row], a, b, frame) if a == begin else a * frame
                level = float(levels[row, a : min(b, a + round(0.15 / frame))].mean())
                sure = float(odds[row, max(0, a - 6) : a + 8].max())
                sure = 1 / (1 + np.exp(-sure - (_SURE_START if a == begin else _SURE_AGAIN)))
                events.append(NoteEvent(onset, b * frame, LOWEST + int(row), level, sure))
    return sorted(events, key=lambda event: (event.onset, event.pitch))


def _heard(attacks: Attacks) -> npt.NDArray[np.bool_]:
    """Select where each pitch sounds, (P, T): loud enough, and no partial of a lower one."""
    levels = attacks.levels
    heard = levels > 10 ** (_QUIET / 20) * levels.max()
    heard &= levels > 10 ** (_UNDER / 20) * _highest(levels.max(axis=0)[None], 8, 8)
    for k in range(2, 9):
        up = round(12 * np.log2(k))
        heard[up:] &= levels[up:] >= _SHARED * levels[:-up]
    reach = round(_GAP / attacks.frame)
    closed = _highest(heard.astype(float), reach, reach)
    return (-_highest(-closed, reach, reach) > 0) & attacks.sounds


def _start(level: Rows, begin: int, stop: int, frame: float) -> float:
    """Find the start of a note, in seconds, near the frame from which its pitch is heard."""
    reach = round(0.03 / frame)
    from_ = max(0, begin - reach)
    row = level[from_ : min(stop, begin + round(0.15 / frame))]
    peak = int(row[begin - from_ :].argmax()) + begin - from_
    base = float(row[: begin - from_ + reach].min())
    below = np.flatnonzero(row[: peak + 1] < base + _STARTED * (row[peak] - base))
    return (from_ + (int(below[-1]) + 1 if below.size else 0)) * frame


def _salient(events: list[NoteEvent]) -> list[NoteEvent]:
    """Drop notes that are faint beside others at the same time."""
    kept = []
    for event in events:
        beside = [e for e in events if abs(e.pitch - event.pitch) == 1 and _BESIDE * e.level > event.level]
        shared = max((min(e.end, event.end) - max(e.onset, event.onset) for e in beside), default=0.0)
        if shared <= 0.5 * (event.end - event.onset):
            kept.append(event)
    at_once = [
        max(e.level for e in kept if e is event or e.onset - 0.05 <= event.onset <= e.end - 0.03)
        for event in kept
    ]
    return [event for event, loudest in zip(kept, at_once, strict=True) if event.level >= _SALIENT * loudest]


def _ended(events: list[NoteEvent], attacks: Attacks, seconds: float) -> list[NoteEvent]:
    """End notes where they have fallen, or at another's onset before that."""
    onsets = np.array([event.onset for event in events])
    ended = []
    for event in events:
        a = round(event.onset / attacks.frame)
        level = attacks.levels[event.pitch - LOWEST, a : max(a + 2, round(event.end / attacks.frame))]
        above = np.flatnonzero(level >= _FALLEN * np.percentile(level, 80))
        end = min(event.end, (a + int(above[-1]) + 1) * attacks.frame, seconds)
        another = onsets[(onsets > event.onset + 0.06) & (onsets >= end - _RINGS) & (onsets <= end + 0.03)]
        end = float(another.max()) if another.size else end
        ended.append(replace(event, end=max(end, event.onset + 0.03)))
    return ended


def _certainties(events: list[NoteEvent], attacks: Attacks) -> list[float]:
    """Rate how sure each event is, 0 to 1; until here that is how likely its attack is.

    It is short, or faint beside another, or above a louder one whose partial it could be; octaves were taken
    for partials in this clip; or its onsets do not stand out of the flux between them, as with a choir.
    """
    if not events:
        return []
    at = [round(event.onset / attacks.frame) for event in events]
    peaks = _highest(attacks.flux[None], 5, 5)[0][[min(t, len(attacks.flux) - 1) for t in at]]
    contrast = np.log(np.median(peaks) / (np.median(attacks.flux) + 1e-12) + 1e-6)
    clip = (1 - 0.5 * attacks.octaves) * float(np.clip(contrast / 1.5, 0, 1)) ** 0.5
    rated = []
    for event in events:
        beside = [e for e in events if e.onset <= event.onset + 0.05 and e.end >= event.onset + 0.03]
        level = event.level / max(e.level for e in beside)
        lower = max((e.level for e in beside if event.pitch - e.pitch in _PARTIALS), default=0.0)
        length = event.end - event.onset
        sure = min(1.0, max(0.2, event.certainty)) * length / (length + 0.06) * 1.1 * level / (level + 0.1)
        rated.append(clip * sure / (1 + 0.3 * lower / event.level))
    return rated


def _runs(row: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(row, prepend=False, append=False))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _highest(rows: Rows, before: int, after: int) -> Rows:
    """Compute the highest value from ``before`` frames earlier to ``after`` later, (R, T)."""
    padded = np.pad(rows, ((0, 0), (before, after)), mode="edge")
    highest: Rows = np.lib.stride_tricks.sliding_window_view(padded, before + after + 1, axis=1).max(axis=2)
    return highest
