"""The copy check by phrases."""

from dataclasses import replace

import numpy as np
import pytest

from retimbre.music import orchestra
from study import phrases
from study.pairs import TUNE


def test_a_song_that_is_replayed_is_found_forwards_and_backwards() -> None:
    song = np.arange(12)
    assert phrases.steps(song, song).tolist() == [1] * 11
    assert phrases.steps(song, song[::-1]).tolist() == [-1] * 11
    for drawn in phrases.by_chance(song, song, 12, np.random.default_rng(0)):
        # Each of the 11 neighbours is 1 of the 12 * 11 ordered pairs, of which 11 are in order.
        assert drawn.mean() == pytest.approx(11 / 12, abs=0.15)
        assert np.mean(drawn >= 11) == 0


def test_choices_without_an_order_are_as_frequent_as_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrases, "N_DRAWN", 100)
    generator = np.random.default_rng(0)
    played, reached = np.arange(40), []
    for _ in range(20):
        places = generator.integers(0, 8, 40)
        found = np.sum(phrases.steps(played, places) == 1)
        reached.append([np.mean(drawn >= found) for drawn in phrases.by_chance(played, places, 8, generator)])
    # Half of the draws, and half of those that are equal: about 5 are found, give or take 2.
    assert np.mean(reached, axis=0) == pytest.approx([0.57, 0.57], abs=0.2)


def test_repeated_notes_are_kept_where_the_style_is_shuffled() -> None:
    """Of a, a, a, a, b, b, b, b one step is taken; in another order of the same notes there are more."""
    played, places = np.arange(8), np.array([2, 2, 2, 2, 3, 3, 3, 3])
    shuffled, renamed = phrases.by_chance(played, places, 6, np.random.default_rng(0))
    assert set(renamed) == {0, 1}
    assert renamed.mean() == pytest.approx(5 / (6 * 5), abs=0.05)
    assert shuffled.mean() == pytest.approx(7 * 4 * 4 / (8 * 7), abs=0.1)


@pytest.mark.skipif(orchestra.missing("timgm") is not None, reason="the soundfont is not installed")
def test_the_sampler_is_asked_for_the_notes_of_the_content() -> None:
    """Three notes of a score of one voice are three chords, from chords that the style has."""
    pair = replace(TUNE[0], seconds=1.0)
    played, places, n_chords = phrases.choices(pair)
    assert len(played) == len(places) > 1
    assert np.all(np.diff(played) >= 0)
    assert 0 <= places.min() <= places.max() < n_chords
