"""The transcriber on music whose notes are known."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from retimbre.errors import DependencyError
from retimbre.metrics import transcriber as transcribe
from retimbre.metrics.transcriber import HOP, LOWEST, RATE, likelihoods, piano_roll
from retimbre.music.orchestra import render
from retimbre.music.score import MINUET, Piece
from retimbre.sound.audio import Audio

_MISSING = transcribe.missing()
heard = pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))


def _written(piece: Piece, n_frames: int) -> transcribe.Roll:
    roll = np.zeros((88, n_frames), bool)
    frames = 60 / piece.tempo * RATE / HOP
    for note in piece.notes:
        first, last = (round(when * frames) for when in (note.start, note.start + note.duration))
        roll[note.pitch - LOWEST, first:last] = True
    return roll


@heard
@pytest.mark.parametrize(("instrument", "found", "right"), [("piano", 0.95, 0.75), ("strings", 0.9, 0.7)])
def test_most_of_what_is_written_is_heard(instrument: str, found: float, right: float) -> None:
    """Over several windows: were their joins wrong, later notes would be at another time."""
    roll = piano_roll(render(MINUET, instrument, seconds=8.0))
    written = _written(MINUET, roll.shape[1])
    assert (roll & written).sum() > found * written.sum()
    assert (roll & written).sum() > right * roll.sum()
    late = slice(roll.shape[1] // 2, None)
    assert (roll & written)[:, late].sum() > found * written[:, late].sum()


@heard
def test_a_semitone_higher_is_a_row_higher() -> None:
    higher = tuple(tuple(replace(note, pitch=note.pitch + 1) for note in voice) for voice in MINUET.voices)
    low, high = (
        piano_roll(render(p, "piano", seconds=3.0)) for p in (MINUET, replace(MINUET, voices=higher))
    )
    assert (low[:-1] & high[1:]).sum() > 0.85 * (low[:-1] | high[1:]).sum()
    assert (low & high).sum() < 0.3 * (low | high).sum()


@heard
def test_a_later_clip_is_a_later_roll() -> None:
    """By a hundred frames: the joins of the windows fall elsewhere in the music."""
    clip = render(MINUET, "piano", seconds=5.0).resampled(RATE)
    late = Audio(np.pad(clip.samples, ((0, 0), (100 * HOP, 0))), RATE)
    one, other = piano_roll(clip), piano_roll(late)[:, 100:]
    assert (one & other).sum() > 0.95 * (one | other).sum()


@heard
@pytest.mark.parametrize("n_samples", [1, HOP - 1, HOP, 142 * HOP - 1, 142 * HOP, 157 * HOP, 100_000])
def test_there_is_a_frame_for_every_hop(n_samples: int) -> None:
    clip = Audio(np.random.default_rng(0).standard_normal(n_samples, np.float32), RATE)
    found = likelihoods(clip)
    assert found.shape == (88, 1 + n_samples // HOP)
    assert found.min() >= 0
    assert found.max() <= 1


@heard
def test_silence_and_noise_have_no_notes() -> None:
    assert not piano_roll(Audio(np.zeros(RATE, np.float32), RATE)).any()
    noise = Audio(np.random.default_rng(0).standard_normal(4 * RATE, np.float32), RATE)
    assert piano_roll(noise).sum(axis=0).mean() < 0.5


@heard
def test_the_same_clip_gives_the_same_answer_at_any_level() -> None:
    clip = render(MINUET, "piano", seconds=2.0)
    quiet = Audio(np.float32(0.05) * clip.samples, clip.sample_rate)
    np.testing.assert_array_equal(likelihoods(clip), likelihoods(clip))
    assert np.abs(likelihoods(quiet) - likelihoods(clip)).max() < 1e-3


@pytest.fixture
def unloaded() -> Iterator[None]:
    transcribe._session.cache_clear()
    yield
    transcribe._session.cache_clear()


@pytest.mark.usefixtures("unloaded")
def test_what_is_missing_is_named_with_both_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcribe, "_FILE", "basic_pitch/nowhere.onnx")
    with pytest.raises(DependencyError, match=r"'retimbre\[measure\]' && pip install --no-deps basic-pitch"):
        piano_roll(Audio(np.zeros(RATE, np.float32), RATE))
    assert isinstance(transcribe.missing(), DependencyError)
