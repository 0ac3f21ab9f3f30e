"""Isolation of notes: the samples of every single note of a clip, cut out of it by soft masks.

At frame t, the bins around the partials k f0 of the sounding notes are shared between these notes by their
power there. A partial that lies on another note's gets the level that the instrument's other notes let expect
(:mod:`retimbre.alignment.courses`). What lies between all partials (hammer, breath, bow) belongs to the
newest onset, and to its notes in equal parts where several have it; so does what rises at an onset on the
partials of a note that was held before:

    m(n, f, t) = c(f, t) (v(n, f, t)^2 / p(f, t))^.7 + (1 - c(f, t) (1 - a(f, t) / p(f, t))) o(n, t)
    p(f, t)    = sum_j v(j, f, t)^2 + a(f, t)

with v a note's partials as lobes of the window, a the power that rises on held notes, c the cover of all
lobes and o the share of the newest onset. The masks are applied to complex bins, so that a note keeps its
phase, and with it its attack.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retimbre.alignment.courses import Course, complete
from retimbre.alignment.events import NoteEvent
from retimbre.alignment.partials import (
    Track,
    find_collisions,
    loud_collisions,
    track_partials,
    unsteadiness,
)
from retimbre.alignment.passage import Passage
from retimbre.sound.stereo import principal_axis
from retimbre.sound.stft import Window

Samples = npt.NDArray[np.float32]

_FADE_IN, _FADE_OUT = 0.02, 0.02
"""Seconds before the onset and before the end of the tail: the window spreads a note over its own length."""

_SHARE = 0.7
"""Exponent of a note's share of the power in a bin. At 1 (Wiener) a soft partial that lies on a loud one
loses much of its level, at 1/2 it keeps it, but with the loud one's phase: a fifth correlates by .955 and
.944 with what was played; the envelope error of the pairs for tuning is .02 more at 1 than at 1/2."""

_BEFORE, _AFTER = 2, 4
"""Frames before and after another note's onset in which its attack is not in the window any more."""

_RISE = 1.4
"""Most by which a held partial may rise between these frames. A level interpolated between them in place of
this bound takes too much from held notes: the LSD of the melodic pairs for tuning grows by .02."""

_SILENT = 1e-6  # magnitude of a partial that is not there
_REACH = 2  # frames before the end of a note from which a window of four sees its release
_CHORD = 0.03  # seconds within which onsets count as one
_BODY = 0.25  # seconds after the onset over which the level is measured
_LEAST = 0.06  # seconds of a note that can be used
_ENVELOPE = 0.01  # seconds of a value of the envelope from which the decay is estimated
_LEAST_VALUES = 3  # of them
_ATTACK, _END = 0.06, 0.03  # seconds after the onset and before the end that are not part of the decay


@dataclass(frozen=True, eq=False)
class NoteSample:
    """Samples of a single note.

    Attributes:
        samples: Samples (N,), from a little before the onset to the end of the tail.
        pitch: MIDI number, with its fraction.
        start: Onset in the clip in seconds.
        onset: Seconds from the first sample to the onset.
        duration: Seconds from the onset to the end, without the tail.
        level: Root mean square of the first quarter of a second.
        clarity: Share of the energy of its partials that lies on no other note's, 0 to 1.
        decay: Slope of its level after the attack in dB per second; NaN where it is too short.
        partials: Mean magnitudes of its partials from the onset to the end, (K,); zero where there is none.
        unsteadiness: Standard deviation of its pitch in semitones.
    """

    samples: Samples
    pitch: float
    start: float
    onset: float
    duration: float
    level: float
    clarity: float
    decay: float
    partials: Tensor
    unsteadiness: float


def isolate_notes(passage: Passage, events: Sequence[NoteEvent]) -> list[NoteSample]:
    """Cut the notes out of a clip; those that are too short or silent are left out.

    Args:
        passage: The clip.
        events: Its notes, by onset.
    """
    if not events:
        return []
    bins = passage.bins.cpu()
    magnitude = bins.abs().square().mean(dim=0).sqrt()
    rate, window = passage.sample_rate, passage.window
    tracks = track_partials(passage, events, magnitude)
    low = 1 + max(int(track.bins.max()) for track in tracks)  # no partial lies above
    frame = window.hop_length / rate
    amplitudes, collisions = _own_amplitudes(frame, events, tracks, (low, magnitude.shape[1]))
    total = torch.full((magnitude.shape[1], low), 1e-12).mT  # frame after frame, as the transform is laid out
    cover, attack = torch.zeros_like(total), torch.zeros_like(total)
    powers = []  # of each note, without the attacks of others
    for n, (event, track) in enumerate(zip(events, tracks, strict=True)):
        here, measured = track.frames, track.render(amplitudes[n], low).square()
        later = [e.onset / frame - here.start for e in events if e.onset > event.onset + _CHORD]
        amplitudes[n] = _held(amplitudes[n], later)
        powers.append(track.render(amplitudes[n], low).square())
        total[:, here] += measured
        attack[:, here] += measured.sub_(powers[n])
        cover[:, here] = torch.maximum(cover[:, here], track.cover(low))
    newest = 1 - cover * (1 - attack / total)
    owned = _owned(events, magnitude.shape[1], frame)

    def cut(n: int) -> NoteSample | None:
        event, track, power, own = events[n], tracks[n], powers[n], amplitudes[n]
        here = track.frames
        mask = owned[n, here, None].repeat(1, len(magnitude)).mT
        mask[:low] = cover[:, here] * (power / total[:, here]) ** _SHARE + newest[:, here] * mask[:low]
        n_samples = (mask.shape[1] - 1) * window.hop_length
        samples = _cpu(window).istft(_principal(bins[:, :, here] * mask), n_samples)[0].numpy()
        energy = own.square()
        clarity = float((energy * ~collisions[n]).sum() / energy.sum().clamp(min=1e-20))
        clarity *= float(owned[n, here].max()) ** 0.5  # a chord's notes share what lies between the partials
        onset, end = (round(at / frame) - here.start + 1 for at in (event.onset, event.end))
        partials = own[:, onset:end].mean(dim=1).nan_to_num()
        return _trim(samples, event, track, passage, clarity, partials)

    return [note for note in map(cut, range(len(events))) if note is not None]


def _own_amplitudes(
    frame: float, events: Sequence[NoteEvent], tracks: Sequence[Track], shape: tuple[int, int]
) -> tuple[list[Tensor], list[Tensor]]:
    """Estimate the magnitudes of each note's own partials, (K, T) each, and find where others are in them.

    At first every partial that lies on another's is taken as unknown; then only those on which another is
    loud: a bass note has partials near everybody's, and most are too soft to matter.
    """
    courses = [_course(event, track, frame) for event, track in zip(events, tracks, strict=True)]
    collisions = [find_collisions(track, tracks) for track in tracks]
    amplitudes = _completed(courses, tracks, collisions)
    total = torch.zeros(shape[::-1]).mT
    powers = [track.render(own, len(total)).square() for track, own in zip(tracks, amplitudes, strict=True)]
    for track, power in zip(tracks, powers, strict=True):
        total[:, track.frames] += power
    collisions = loud_collisions(tracks, collisions, powers, total)
    return _completed(courses, tracks, collisions), collisions


def _course(event: NoteEvent, track: Track, frame: float) -> Course:
    """Measure the partials of a note as if it were alone; ``frame`` is the seconds of a frame."""
    n_frames = track.peaks.shape[1]
    onset, end = (round(at / frame) - track.frames.start for at in (event.onset, event.end))
    onset = min(max(0, onset), n_frames - 1)
    end = min(max(onset + 1, end - _REACH), n_frames)
    levels = 20 * track.peaks.double().clamp(min=_SILENT).log10()
    known = track.is_present & (track.peaks > _SILENT)
    return Course(levels.numpy(), known.numpy(), onset, end, float(np.median(track.curve)))


def _completed(
    courses: Sequence[Course], tracks: Sequence[Track], collisions: Sequence[Tensor]
) -> list[Tensor]:
    """Complete the magnitudes of the partials of every note, (K, T), where they collide."""
    known = [
        replace(course, known=course.known & ~collided.numpy())
        for course, collided in zip(courses, collisions, strict=True)
    ]
    return [
        torch.from_numpy(10 ** (levels / 20)).to(track.peaks) * track.is_present
        for levels, track in zip(complete(known), tracks, strict=True)
    ]


def _held(amplitudes: Tensor, onsets: Sequence[float]) -> Tensor:
    """Take the attacks of other notes out of the partials of a note that is held.

    Args:
        amplitudes: Magnitudes of its partials, (K, T).
        onsets: Frames of the onsets of the notes that follow it.
    """
    held = amplitudes.clone()
    for onset in onsets:
        before, after = max(0, round(onset) - _BEFORE), min(round(onset) + _AFTER, amplitudes.shape[1] - 1)
        if before < after:
            bound = _RISE * torch.maximum(amplitudes[:, before], amplitudes[:, after])
            held[:, before + 1 : after] = held[:, before + 1 : after].minimum(bound[:, None])
    return held


def _owned(events: Sequence[NoteEvent], n_frames: int, hop: float) -> Tensor:
    """Give what lies between the partials to the newest onset, (notes, T); chords share it."""
    onsets = torch.tensor([event.onset for event in events], dtype=torch.float64)
    begun = onsets[:, None] <= hop * torch.arange(n_frames) + _CHORD
    latest = onsets[:, None].where(begun, -torch.inf).amax(dim=0)
    newest = (onsets[:, None] - latest).abs() < _CHORD
    return newest / newest.sum(dim=0).clamp(min=1).sqrt()


def _principal(bins: Tensor) -> Tensor:
    """Mix the channels of bins (C, F, T) along their principal axis to one, (1, F, T).

    It is as loud as they are together, and none cancels.
    """
    if len(bins) == 1:
        return bins
    axis = principal_axis(bins.flatten(1)) / len(bins) ** 0.5
    return sum(
        (weight * channel for weight, channel in zip(axis, bins, strict=True)), start=bins.new_zeros(())
    )[None]


def _trim(
    samples: Samples, event: NoteEvent, track: Track, passage: Passage, clarity: float, partials: Tensor
) -> NoteSample | None:
    """Cut a note from a little before its onset to the end of its tail, and measure it."""
    rate = passage.sample_rate
    begin = track.frames.start * passage.window.hop_length
    onset, stop = round(event.onset * rate) - begin, round(track.end * rate) - begin
    first = max(0, onset - round(_FADE_IN * rate))
    cut = samples[first:stop].copy()
    before = onset - first
    cut[:before] *= np.linspace(0, 1, before, dtype=np.float32)
    n_out = min(len(cut), round(_FADE_OUT * rate))
    cut[len(cut) - n_out :] *= np.linspace(1, 0, n_out, dtype=np.float32)
    duration = min(event.end, track.end) - event.onset
    body = cut[before : before + round(min(duration, _BODY) * rate)]
    level = float(np.sqrt(np.square(body).mean())) if len(body) else 0.0
    if len(cut) < _LEAST * rate or level == 0:
        return None
    decay = _decay(cut[before:], duration, rate)
    pitch = float(np.median(track.curve))
    measured = (duration, level, clarity, decay, partials, unsteadiness(track.curve))
    return NoteSample(cut, pitch, event.onset, before / rate, *measured)


def _decay(samples: Samples, duration: float, rate: int) -> float:
    """Fit a line to the level after the attack: its slope in dB per second."""
    length = round(_ENVELOPE * rate)
    body = samples[round(_ATTACK * rate) : round((duration - _END) * rate)]
    n = len(body) // length
    if n < _LEAST_VALUES:
        return float("nan")
    power = np.square(body[: n * length].reshape(n, length)).mean(axis=1)
    slope = np.polyfit(np.arange(n) * _ENVELOPE, 10 * np.log10(power + 1e-12), 1)[0]
    return float(slope)


def _cpu(window: Window) -> Window:
    return Window(window.n_fft, window.hop_length)
