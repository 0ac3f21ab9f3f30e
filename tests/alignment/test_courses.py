"""Courses of partials: what is hidden in one note comes back from the others."""

import numpy as np
import pytest

from retimbre.alignment.courses import Course, complete

FALL = np.array([-0.3, -0.6, -1.0, -1.6])  # dB per frame, of each partial
START = np.array([0.0, -8.0, -6.0, -15.0])


def _course(gain: float, n_frames: int, pitch: float, release: float = -4.0) -> Course:
    """Strike a note at frame 3 that decays, and ends eight frames before its last."""
    t, end = np.arange(n_frames), n_frames - 8
    levels = gain + START[:, None] + FALL[:, None] * (t - 3).clip(0)
    levels += (release - FALL[:, None]) * (t - end).clip(0)
    levels[:, :3] -= 30
    return Course(levels, np.ones(levels.shape, bool), 3, end, pitch)


def _hidden(course: Course, where: tuple[slice, slice]) -> tuple[Course, np.ndarray]:
    """Put another note, 12 dB louder, on some of a note's partials."""
    levels, known = course.levels.copy(), course.known.copy()
    levels[where] += 12
    known[where] = False
    return Course(levels, known, course.onset, course.end, course.pitch), course.levels


@pytest.mark.parametrize("partials", [slice(1, 2), slice(2, 4), slice(0, 1)])
def test_a_partial_that_is_never_alone_decays_as_in_the_other_notes(partials: slice) -> None:
    others = [_course(gain, n, pitch) for gain, n, pitch in ((0, 50, 60), (-6, 40, 62), (4, 30, 67))]
    hidden, true = _hidden(_course(-3, 45, 64), (partials, slice(None)))
    made = complete([*others, hidden])[-1]
    assert np.abs(made - true)[:, 4:-8].max() < 2


def test_a_partial_that_is_covered_for_a_while_is_bridged() -> None:
    others = [_course(0, 50, 60), _course(-6, 40, 62)]
    hidden, true = _hidden(_course(-3, 45, 61), (slice(1, 2), slice(15, 28)))
    assert np.abs(complete([*others, hidden])[-1] - true).max() < 0.5


def test_the_end_rings_as_in_the_other_notes() -> None:
    others = [_course(0, 50, 60), _course(-6, 40, 62)]
    hidden, true = _hidden(_course(-3, 45, 61), (slice(None), slice(37, None)))
    fall = np.diff(complete([*others, hidden])[-1], axis=1)[:, 37:]
    assert np.abs(fall - np.diff(true, axis=1)[:, 37:]).max() < 1


def test_known_levels_stay_and_no_level_rises() -> None:
    hidden, _ = _hidden(_course(-3, 45, 61), (slice(1, 3), slice(10, 20)))
    made = complete([_course(0, 50, 60), hidden])
    assert np.array_equal(made[0], _course(0, 50, 60).levels)
    assert np.array_equal(made[1][hidden.known], hidden.levels[hidden.known])
    assert (made[1] <= hidden.levels).all()
    assert complete([]) == []
