"""The course of an instrument's partials after the onset and after the end, learnt from all of its notes.

In a chord many partials of a note lie on another's and cannot be measured. What they do is taken from the
notes in which they can be. The level of partial k of note n, t frames after its onset, is

    L(n, k, t) = b(n, k) + sum_{u < t} d(k, u; p(n))    [dB]

with d the mean change from frame to frame over the notes that have the partial to themselves in both frames,
nearer pitches weighing more, with changes of its own after the end; and b the median distance of what was
measured, or, where nothing was, the mean over the other notes of the partial against the note's others. As
changes are averaged and not levels, a note that is short or covered for a while leaves no step. Where a
partial was measured before or after, the course is moved to meet that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float64]
Known = npt.NDArray[np.bool_]

# None of these was tuned.
_NEAR, _FAR = 5.0, 0.02
"""Standard deviation of the pitches that count in semitones; weight of all others."""

_STEEPEST = 12.0  # dB from frame to frame
_RANGE = 60.0  # dB below a note's highest level; lower ones have no course
_WHOLE = 2  # frames after the onset from which a window of four is filled by the note
_PRIOR, _FEW = 0.3, 5.0  # notes and frames whose weight the mean of all partials has
_SETTLED = 4, 2  # frames after the onset and after the end from which a partial has a decay of its own
_LEAST = 3  # frames from which the level of a partial is known
_SURE = 4.0  # frames from which it is known well
_LOW = 12  # partials by which a note is levelled that has none to itself
_BELOW = 3.0  # dB that such a note is below what is measured there, which is not its own alone


@dataclass(frozen=True, eq=False)
class Course:
    """Partials of one note from before its onset to after its end.

    Attributes:
        levels: Levels in dB, (K, T), T at least 2.
        known: Whether a level is the note's alone, boolean (K, T).
        onset: Frame of the onset, 0 to T - 1.
        end: Frame of the end, onset + 1 to T.
        pitch: MIDI number, with its fraction.
    """

    levels: Levels
    known: Known
    onset: int
    end: int
    pitch: float


def complete(courses: Sequence[Course]) -> list[Levels]:
    """Replace the levels that are not known by those that the instrument's other notes let expect.

    Args:
        courses: All notes of an instrument in a clip.

    Returns:
        Levels (K, T) of each note, the known ones as they are; the others no higher than they were, as what
        is measured there has another note's partial in it.
    """
    if not courses:
        return []
    pitch = np.array([course.pitch for course in courses])
    near = np.exp(-0.5 * ((pitch[:, None] - pitch) / _NEAR) ** 2) + _FAR
    shapes = _shapes(courses, near)
    bases, sure = _bases(courses, shapes)
    gains = _gains(bases, sure)
    weights = near @ sure
    means = near @ (sure * (bases - gains[:, None])) / np.maximum(weights, 1e-9)
    completed, k = [], np.arange(bases.shape[1])
    for n, course in enumerate(courses):
        there, own = weights[n] > 1e-3, sure[n] > 0
        expected = np.interp(k, k[there], means[n, there]) if there.any() else np.zeros(len(k))
        if own.any():
            apart = np.interp(k, k[own], (bases[n] - expected)[own])
        else:
            measured = np.median((course.levels - shapes[n])[:, course.onset : course.end], axis=1)
            apart = np.full(len(k), np.median((measured - expected)[:_LOW]) - _BELOW)
        completed.append(_met(course, (expected + apart)[:, None] + shapes[n]))
    return completed


def _shapes(courses: Sequence[Course], near: Levels) -> list[Levels]:
    """Compute the sum of the instrument's changes from the start of each note on, (K, T) each."""
    before = max(course.onset for course in courses)
    held = max(course.end - course.onset for course in courses)
    after = max(course.levels.shape[1] - course.end for course in courses)
    n_partials = len(courses[0].levels)
    sums = [np.zeros((2, len(courses), n_partials, length)) for length in (before + held, after)]
    for n, course in enumerate(courses):
        change = np.diff(course.levels, axis=1).clip(-_STEEPEST, _STEEPEST)
        heard = _heard(course)
        both = heard[:, 1:] & heard[:, :-1]
        at = before - course.onset
        for stored, part, place in zip(
            sums, (slice(course.end), slice(course.end, None)), (at, 0), strict=True
        ):
            length = change[:, part].shape[1]
            stored[:, n, :, place : place + length] = change[:, part] * both[:, part], both[:, part]
    playing, ringing = (
        _mean_changes(total, weight, near, settled)
        for (total, weight), settled in zip(sums, (before + _SETTLED[0], _SETTLED[1]), strict=True)
    )
    shapes = []
    for n, course in enumerate(courses):
        n_frames, at = course.levels.shape[1], before - course.onset
        changes = [playing[n, :, at : at + course.end], ringing[n, :, : n_frames - course.end]]
        joined = np.concatenate([np.zeros((n_partials, 1)), *changes], axis=1)
        shape = np.cumsum(joined, axis=1)[:, :n_frames]
        shapes.append(shape - shape[:, [min(course.onset + _WHOLE, n_frames - 1)]])
    return shapes


def _mean_changes(total: Levels, weight: Levels, near: Levels, settled: int) -> Levels:
    """Average the changes of every partial and frame over the notes, (N, K, T), for the pitch of each note.

    Where few notes have it, it leans on the mean of all partials in that frame, with the partial's own decay,
    and that on the mean of all frames.

    Args:
        total: Changes that are known, zero elsewhere, (N, K, T).
        weight: One where they are known, (N, K, T).
        near: Weight of each note for the pitch of another, (N, N).
        settled: Frame from which a partial has a decay.
    """
    late = total[..., settled:].sum() / max(weight[..., settled:].sum(), 1e-9)
    common = (total.sum(axis=(0, 1)) + _FEW * late) / (weight.sum(axis=(0, 1)) + _FEW)
    total, weight = (np.tensordot(near, values, axes=1) for values in (total, weight))
    decay = (total[..., settled:].sum(axis=2) + _FEW * late) / (weight[..., settled:].sum(axis=2) + _FEW)
    prior = np.broadcast_to(common, total.shape).copy()
    prior[..., settled:] += (decay - late)[..., None]
    changes: Levels = (total + _PRIOR * prior) / (weight + _PRIOR)
    return changes


def _bases(courses: Sequence[Course], shapes: Sequence[Levels]) -> tuple[Levels, Levels]:
    """Measure the level of each partial against its course, (N, K), and how sure it is, 0 to 1."""
    bases, sure = np.zeros((2, len(courses), len(courses[0].levels)))
    for n, (course, shape) in enumerate(zip(courses, shapes, strict=True)):
        inside = slice(course.onset + 1, course.end)
        known = _heard(course)[:, inside]
        count = known.sum(axis=1)
        own = count >= _LEAST
        if own.any():
            apart = np.where(known, (course.levels - shape)[:, inside], np.inf)[own]
            bases[n, own] = _median(np.sort(apart, axis=1), count[own])
        sure[n] = own * count / (count + _SURE)
    return bases, sure


def _median(ordered: Levels, count: npt.NDArray[np.int64]) -> Levels:
    """Take the median of the first values of each row, (K,): a tenth of the time of ``numpy.nanmedian``."""
    middle = np.stack([(count - 1) // 2, count // 2], axis=1)
    median: Levels = np.take_along_axis(ordered, middle, axis=1).mean(axis=1)
    return median


def _heard(course: Course) -> Known:
    """Select the known levels that are not too low to follow a course, (K, T)."""
    heard: Known = course.known & (course.levels > course.levels.max() - _RANGE)
    return heard


def _gains(bases: Levels, sure: Levels) -> Levels:
    """Find the level of each note against the others, (N,), from the partials that are known, (N, K)."""
    gains, total = np.zeros(len(bases)), np.maximum(sure.sum(axis=1), 1e-9)
    for _ in range(10):  # least squares, the notes and the partials in turn
        means = (sure * (bases - gains[:, None])).sum(axis=0) / np.maximum(sure.sum(axis=0), 1e-9)
        gains = (sure * (bases - means)).sum(axis=1) / total
    return gains


def _met(course: Course, expected: Levels) -> Levels:
    """Put expected levels (K, T) in the place of the unknown, moved to meet the known before and after."""
    n_frames = expected.shape[1]
    t = np.arange(n_frames)
    at = course.known & (t > course.onset) & (t < course.end)  # before and after, a silent one is known too
    before = np.maximum.accumulate(np.where(at, t, -1), axis=1)
    after = np.minimum.accumulate(np.where(at, t, n_frames)[:, ::-1], axis=1)[:, ::-1]
    before, after = np.where(before < 0, after, before), np.where(after == n_frames, before, after)
    apart = course.levels - expected
    met = at.sum(axis=1) >= _LEAST
    one, two = (np.take_along_axis(apart[met], i[met], axis=1) for i in (before, after))
    share = (t - before[met]) / np.maximum(after[met] - before[met], 1)
    moved = np.zeros_like(apart)
    moved[met] = one + share * (two - one)
    return np.where(course.known, course.levels, np.minimum(expected + moved, course.levels))
