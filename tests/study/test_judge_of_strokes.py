"""The judge of strokes: what it measures on bursts whose spectra and falls are known."""

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.errors import InputError
from retimbre.sound.audio import Audio
from study.pairs import REPORT, TUNE
from study.strokes import FALL, FLOOR, compare_strokes

RATE = 22_050
ONSETS = [0.2, 0.7, 1.2, 1.7]
Wave = npt.NDArray[np.float64]


def _play(fall: float, hertz: float = 1000.0, onsets: list[float] = ONSETS) -> Wave:
    """Strike tones that fall by 20 dB in ``fall`` seconds."""
    time = np.arange(round(2.4 * RATE)) / RATE
    after = [time - onset for onset in onsets]
    struck = [
        np.where(t >= 0, 10 ** (-t.clip(min=0) / fall) * np.sin(2 * np.pi * hertz * t), 0.0) for t in after
    ]
    played: Wave = np.sum(struck, axis=0)
    return played


def _clip(samples: Wave) -> Audio:
    return Audio((0.1 * samples).astype(np.float32), RATE)


def test_a_clip_has_no_distance_to_itself_at_any_level() -> None:
    stroke = _play(0.1)
    found = compare_strokes(_clip(0.3 * stroke), _clip(stroke), ONSETS)
    assert found == pytest.approx({"stroke": 0, "fall": 0}, abs=1e-3)


@pytest.mark.parametrize("fall", [0.05, 0.2, 0.4])
def test_the_time_to_fall_is_told_in_octaves(fall: float) -> None:
    found = compare_strokes(_clip(_play(fall)), _clip(_play(0.1)), ONSETS)
    assert found["fall"] == pytest.approx(abs(np.log2(fall / 0.1)), abs=0.35)


def test_a_stroke_that_rings_is_cut_by_the_next_in_both_clips() -> None:
    found = compare_strokes(_clip(_play(4.0)), _clip(_play(2.0)), ONSETS)
    assert found["fall"] < 0.5  # neither has fallen by 20 dB when the next one comes, but for the last


def test_the_spectrum_of_a_stroke_is_told_up_to_the_floor() -> None:
    target, lower = _clip(_play(0.1)), _clip(_play(0.1, 250.0))
    found = compare_strokes(lower, target, ONSETS)
    assert 10 < found["stroke"] < FLOOR
    both = compare_strokes(_clip(_play(0.1) + 0.1 * _play(0.1, 4000.0)), target, ONSETS)
    assert 0 < both["stroke"] < found["stroke"]


def test_what_lies_between_the_strokes_is_not_theirs() -> None:
    between = _play(0.02, 3000.0, [0.5, 1.0, 1.5])
    found = compare_strokes(_clip(_play(0.05) + 0.1 * between), _clip(_play(0.05)), ONSETS)
    assert found["stroke"] < 0.3


def test_what_cannot_be_compared() -> None:
    tone, silence = _clip(_play(0.1)), Audio(np.zeros(RATE, np.float32), RATE)
    with pytest.raises(InputError, match="silent"):
        compare_strokes(silence, tone, ONSETS)
    with pytest.raises(InputError, match="expected 22050"):
        compare_strokes(Audio(tone.samples, 16_000), tone, ONSETS)
    assert compare_strokes(tone, tone, []) == {}
    assert FALL < FLOOR


def test_the_strokes_of_a_pair_are_the_targets() -> None:
    """Of drums to piano the piano's notes, of piano to drums the arrangement's strokes."""
    drums, groove = (
        next(p for p in REPORT if p.kind == "mixed"),
        next(p for p in TUNE if p.kind == "percussive"),
    )
    eighth = 30 / drums.content_song.tempo
    assert {round(n * eighth, 3) for n in range(10)} <= {round(onset, 3) for onset in drums.strokes()}
    for pair in (drums, groove):
        assert pair.strokes() == sorted(set(pair.strokes()))
        assert 0 <= pair.strokes()[0] < pair.strokes()[-1] < pair.seconds
