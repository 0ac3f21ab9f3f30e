"""How long the notes of a plucked or struck content are held, which their sound does not tell.

A pizzicato has fallen within a tenth of a second, and an event ends there. The note goes on until its voice
has another: a style that sustains would otherwise come out with holes. So where a content's notes die away,
each one that ended by falling, and not as another began, is held until a later note takes its voice over:
the one that is nearest in pitch, as voices mostly move by small steps (Temperley 2001, "The Cognition of
Basic Musical Structures", on streams).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from retimbre.alignment.events import NoteEvent
from retimbre.alignment.grid import LOWEST
from retimbre.alignment.passage import Passage

# Tuned also on six contents of pizzicato, banjo, kalimba and xylophone: with _REACH 12, _ALONE .3 to 1 or
# _LONGEST 3, their LSD is within .01.
_STEEP = -10.0  # dB per second from which on notes die away
_REACH = 9  # semitones within which a note takes over from another
_LONGEST, _ALONE = 1.5, 0.7  # seconds for which a note is held at most, and where none takes over
_CHORD, _OVERLAP = 0.04, 0.06  # seconds between onsets that count as one; by which notes of one voice overlap
_AT_ONSET = 0.03  # seconds from another's onset within which a note has ended there
_EDGES = 0.03, 0.02  # seconds after the onset and before the end that are not part of the decay


def held_notes(content: Passage) -> list[NoteEvent]:
    """Give the notes of a content as long as they are held, by onset.

    Args:
        content: The clip.
    """
    events = content.events
    if not events or _decay(content) > _STEEP:
        return events
    onsets = np.array([event.onset for event in events])
    stop = content.sounding_seconds
    held = []
    for event, taken in zip(events, _taken_over(events), strict=True):
        end = min(event.onset + _ALONE, stop) if taken is None else min(event.onset + _LONGEST, taken)
        ended_at_another = np.abs(onsets - event.end).min() < _AT_ONSET
        held.append(event if ended_at_another else replace(event, end=max(event.end, end)))
    return held


def _taken_over(events: Sequence[NoteEvent]) -> list[float | None]:
    """Find where the voice of each note has its next note, in seconds; ``None`` where there is none."""
    ends: list[float | None] = [None] * len(events)
    waiting: list[int] = []
    first = 0
    while first < len(events):
        onset = events[first].onset
        chord = [n for n in range(first, len(events)) if events[n].onset < onset + _CHORD]
        waiting = [n for n in waiting if onset - events[n].onset < _LONGEST]
        distances = sorted((abs(events[n].pitch - events[m].pitch), n, m) for n in waiting for m in chord)
        taken = set[int]()
        for distance, n, m in distances:
            sounds_on = distance > 0 and events[n].end > events[m].onset + _OVERLAP
            if distance <= _REACH and not sounds_on and ends[n] is None and m not in taken:
                taken.add(m)
                ends[n] = events[m].onset
        waiting = [n for n in waiting if ends[n] is None] + chord
        first = chord[-1] + 1
    return ends


def _decay(content: Passage) -> float:
    """Measure the median slope of the loudness of the notes, in dB per second."""
    activations = content.transcription.notes.activations.cpu().numpy()
    rate = content.sample_rate / content.window.hop_length
    slopes = []
    for event in content.events:
        first, last = round((event.onset + _EDGES[0]) * rate), round((event.end - _EDGES[1]) * rate)
        level = 20 * np.log10(activations[event.pitch - LOWEST, first : last + 1] + 1e-6)
        if len(level) >= 3:
            slopes.append(np.polyfit(np.arange(len(level)) / rate, level, 1)[0])
    return float(np.median(slopes)) if slopes else 0.0
