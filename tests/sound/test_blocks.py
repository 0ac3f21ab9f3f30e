"""Blocks: they cover the clip, and their joints cannot be heard."""

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from retimbre.sound import blocks
from retimbre.sound.audio import Audio, Samples


@pytest.mark.parametrize("n_samples", [1, 99, 100, 101, 190, 191, 1000, 12_345])
def test_blocks_cover_the_clip_overlap_and_are_not_too_long(n_samples: int) -> None:
    places = blocks.cut(n_samples, longest=100, overlap=10)
    assert places[0].start == 0
    assert places[-1].stop == n_samples
    assert len({p.stop - p.start for p in places}) == 1
    assert all(p.stop - p.start <= 100 for p in places)
    for a, b in pairwise(places):
        assert a.stop - b.start >= 10


def _joined(parts: list[Samples], places: list[slice], n_samples: int) -> Samples:
    joined = blocks.join(zip(places, parts, strict=True), n_samples, parts[0].shape[0])
    return np.concatenate(list(joined), axis=1)


def test_blocks_of_the_clip_itself_give_it_back() -> None:
    clip = np.random.default_rng(0).standard_normal((2, 5000)).astype(np.float32)
    places = blocks.cut(5000, longest=1200, overlap=300)
    whole = _joined([clip[:, p] for p in places], places, 5000)
    np.testing.assert_allclose(whole, clip, atol=1e-6)


def _dip(whole: Samples, places: list[slice], window: int = 500) -> float:
    """Deepest level in the overlaps against the level elsewhere, in dB."""
    power = np.convolve(np.square(whole[0], dtype=np.float64), np.ones(window) / window, mode="same")
    shared = [power[b.start + window : a.stop - window].min() for a, b in pairwise(places)]
    return float(10 * np.log10(min(shared) / np.median(power)))


def test_no_dip_where_the_blocks_are_different_noise() -> None:
    rng = np.random.default_rng(0)
    places = blocks.cut(200_000, longest=60_000, overlap=20_000)
    parts = [rng.standard_normal((1, p.stop - p.start)).astype(np.float32) for p in places]
    whole = _joined(parts, places, 200_000)
    assert _dip(whole, places) > -1.5  # of the spread of noise itself in windows of 500 samples
    middle = slice(places[1].start + 9_000, places[1].start + 11_000)
    assert np.std(whole[0, middle]) == pytest.approx(1, rel=0.06)  # a plain crossfade: 0.71


def test_no_dip_and_no_change_of_phase_on_a_steady_tone() -> None:
    tone = np.sin(np.arange(20_000) * 0.1, dtype=np.float32)[None]
    places = blocks.cut(20_000, longest=6_000, overlap=2_000)
    whole = _joined([tone[:, p] for p in places], places, 20_000)
    np.testing.assert_allclose(whole, tone, atol=1e-5)


def test_all_channels_fade_together() -> None:
    rng = np.random.default_rng(0)
    places = blocks.cut(20_000, longest=12_000, overlap=4_000)
    parts = [np.vstack([n := rng.standard_normal(12_000), 0.5 * n]).astype(np.float32) for _ in places]
    whole = _joined(parts, places, 20_000)
    np.testing.assert_allclose(whole[1], 0.5 * whole[0], atol=1e-6)


def test_silence_where_there_is_no_block() -> None:
    ones = np.ones((2, 100), np.float32)
    places = [slice(50, 150), slice(140, 240), slice(300, 400)]
    whole = _joined([ones, ones, ones], places, 500)
    expected = np.zeros((2, 500), np.float32)
    expected[:, 50:240] = expected[:, 300:400] = 1
    np.testing.assert_allclose(whole, expected, atol=1e-6)


@pytest.mark.parametrize("length", [1, 30, 1000])
def test_windows_are_slices_of_the_clip(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Audio(np.arange(2000, dtype=np.float32).reshape(2, 1000), 8000)
    pieces = clip.pieces
    monkeypatch.setattr(Audio, "pieces", lambda self, _: pieces(length))
    places = [slice(0, 10), slice(0, 100), slice(50, 120), slice(500, 600), slice(600, 601), slice(990, 1000)]
    for place, found in zip(places, blocks.pieces_at(clip, places), strict=True):
        np.testing.assert_array_equal(found, clip.samples[:, place])


def test_windows_hold_no_more_than_they_need() -> None:
    """An hour of sound that is made as it is read, and never there as a whole."""

    class Hour:
        sample_rate, n_channels, n_samples = 8000, 2, 8000 * 3600

        def pieces(self, length: int) -> Iterator[Samples]:
            for start in range(0, self.n_samples, length):
                yield np.full((2, min(length, self.n_samples - start)), start, np.float32)

    tracemalloc.start()
    places = blocks.cut(Hour.n_samples, longest=80_000, overlap=8_000)
    parts = zip(places, blocks.padded_pieces(Hour(), places, 0), strict=True)
    total = sum(part.shape[1] for part in blocks.join(parts, Hour.n_samples, 2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == Hour.n_samples
    assert peak < 30 * 2**20 < 2 * 4 * Hour.n_samples
