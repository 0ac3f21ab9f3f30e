"""Onsets on music whose onsets are known, against librosa and against an optimal matching."""

from collections.abc import Callable

import librosa
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from retimbre.metrics.content import onset_f1
from retimbre.metrics.features import FRAME, ClipFeatures
from retimbre.metrics.onsets import TOLERANCE, Times, count_matches, pick_peaks
from retimbre.music.orchestra import render
from retimbre.music.score import GREENSLEEVES, MINUET, Piece, arrange_for_drums
from retimbre.sound.audio import Audio, Samples

_DELAY = 0.01  # seconds from a MIDI event to where its envelope is highest
_SECONDS = 8.0

pytestmark = pytest.mark.usefixtures("librosa_compiled")


def _f1(ours: Times, theirs: Times) -> float:
    return 2 * _matched(ours, theirs) / (len(ours) + len(theirs))


def _matched(ours: Times, theirs: Times) -> int:
    near = csr_array(np.abs(ours[:, None] - theirs) <= TOLERANCE)
    return int((maximum_bipartite_matching(near) >= 0).sum())


@pytest.mark.parametrize(
    ("piece", "instrument", "f1"),
    [
        (MINUET, "piano", 1.0),
        (GREENSLEEVES, "piano", 0.98),
        (MINUET, "drums", 1.0),
        (GREENSLEEVES, "drums", 1.0),
        (MINUET, "strings", 0.71),
        (GREENSLEEVES, "strings", 0.78),
    ],
)
def test_written_onsets_are_found(piece: Piece, instrument: str, f1: float) -> None:
    played = arrange_for_drums(piece) if instrument == "drums" else piece
    written = np.unique([note.start * 60 / piece.tempo for note in played.notes])
    written = written[written < _SECONDS - 0.1]  # the fade takes the last
    found = ClipFeatures(render(piece, instrument, seconds=_SECONDS)).onsets
    assert _f1(found - _DELAY, written) >= f1 - 0.02


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((MINUET, "piano"), (MINUET, "drums")),
        ((MINUET, "piano"), (GREENSLEEVES, "piano")),
        ((GREENSLEEVES, "drums"), (GREENSLEEVES, "piano")),
        ((GREENSLEEVES, "drums"), (MINUET, "piano")),
    ],
)
def test_f1_against_librosa(one: tuple[Piece, str], other: tuple[Piece, str]) -> None:
    clips = [render(*what, seconds=_SECONDS) for what in (one, other)]
    theirs = [
        librosa.onset.onset_detect(y=clip.samples.mean(axis=0), sr=clip.sample_rate, units="time")
        for clip in clips
    ]
    assert onset_f1(*clips) == pytest.approx(_f1(*theirs), abs=0.11)


def test_clicks_are_found_where_they_are_and_hum_is_none(tone: Callable[..., Samples]) -> None:
    times = np.arange(0.5, 4.0, 0.25)
    samples = np.zeros(5 * 16_000, np.float32)
    samples[np.round(times * 16_000).astype(int)] = 1.0
    found = ClipFeatures(Audio(samples, 16_000)).onsets
    assert len(found) == len(times)
    early = times - found  # a click rises as it enters the window
    assert early.min() > 0
    assert early.max() < 0.05
    assert np.ptp(early) <= FRAME + 1e-9
    hum = ClipFeatures(Audio(tone(110, 5.0, 16_000), 16_000)).onsets
    assert ((hum < 0.1) | (hum > 4.9)).all()  # it begins and it is cut off


def test_of_a_plateau_the_first_frame_is_the_peak() -> None:
    envelope = np.zeros(60)
    envelope[20:22] = envelope[40] = 100.0
    np.testing.assert_allclose(pick_peaks(envelope, FRAME), [20 * FRAME, 40 * FRAME])
    assert pick_peaks(envelope / 10, FRAME).size == 0  # under the floor
    assert pick_peaks(np.zeros(0), FRAME).size == 0


def test_pairs_against_an_optimal_matching() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        ours, theirs = (np.sort(rng.uniform(0, 2, rng.integers(1, 40))) for _ in range(2))
        assert count_matches(ours, theirs) == count_matches(theirs, ours) == _matched(ours, theirs)
