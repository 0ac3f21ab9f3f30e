"""Strokes of a clip: bursts are found where they are, and told apart by what they are."""

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.alignment import strokes
from retimbre.alignment.strokes import KINDS, N_BANDS, StrokeFrames, Strokes, band_centres, find_onsets
from retimbre.sound.audio import Audio

RATE = 22_050
Wave = npt.NDArray[np.float64]


def _kick(n: int) -> Wave:
    time = np.arange(n) / RATE
    stroke: Wave = 10 ** (-time / 0.15) * np.sin(2 * np.pi * (55 * time - 2 * np.exp(-time / 0.02)))
    return stroke


def _hat(n: int) -> Wave:
    noise = np.diff(np.random.default_rng(n).standard_normal(n + 2), 2)  # 12 dB an octave
    return 0.1 * 10 ** (-np.arange(n) / RATE / 0.04) * noise


def _play(struck: list[tuple[float, list[str]]], seconds: float = 4.0, rate: int = RATE) -> Wave:
    made = np.zeros(round((seconds + 1) * RATE))
    for onset, kinds in struck:
        for kind in kinds:
            stroke = (_kick if kind == "kick" else _hat)(RATE // 2)
            at = round(onset * RATE)
            made[at : at + len(stroke)] += stroke
    made = made[: round(seconds * RATE)]
    if rate == RATE:
        return made
    other: Wave = Audio(made[None].astype(np.float32), RATE).resampled(rate).samples[0].astype(np.float64)
    return other


GROOVE = [(0.3 + 0.25 * n, [["kick", "hat"], ["hat"], ["hat"], ["hat"]][n % 4]) for n in range(14)]


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_onsets_are_found_within_ten_milliseconds_at_any_rate(rate: int) -> None:
    frames = StrokeFrames.of(_play(GROOVE, rate=rate), rate)
    found = find_onsets(frames.levels) * frames.hop_length / rate
    assert len(found) == len(GROOVE)
    assert np.abs(found - [onset for onset, _ in GROOVE]).max() < 0.01


def test_two_strokes_at_one_onset_are_both_found() -> None:
    struck = Strokes.of(StrokeFrames.of(_play(GROOVE), RATE)).struck
    for row, (_, kinds) in zip(struck, GROOVE, strict=True):
        assert [KINDS[kind] for kind in np.flatnonzero(row)] == kinds


def test_a_soft_stroke_counts_beside_loud_ones() -> None:
    soft = _play([(0.5, ["kick"]), (1.5, ["kick"])]) + 0.1 * _play([(1.0, ["hat"]), (2.0, ["hat"])])
    frames = StrokeFrames.of(soft, RATE)
    assert find_onsets(frames.levels) * frames.hop_length / RATE == pytest.approx([0.5, 1, 1.5, 2], abs=0.01)


def test_levels_do_not_matter() -> None:
    samples = _play(GROOVE)
    quiet, loud = (Strokes.of(StrokeFrames.of(gain * samples, RATE)) for gain in (1e-3, 3.0))
    assert np.array_equal(quiet.onsets, loud.onsets)
    assert quiet.likelihoods == pytest.approx(loud.likelihoods, abs=1e-6)


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.sin(np.arange(2 * RATE) * 0.1)[RATE // 2 :]])
def test_silence_and_a_steady_tone_have_no_strokes_inside(samples: Wave) -> None:
    found = Strokes.of(StrokeFrames.of(samples, RATE))
    inside = (found.onsets > 10) & (found.onsets < 140)
    assert not inside.any()
    assert found.struck.shape == found.likelihoods.shape == (len(found.onsets), len(KINDS))


def test_the_middles_of_the_bands_are_where_a_sine_is_loudest() -> None:
    time = np.arange(RATE) / RATE
    for band in (10, 20, 30):
        frames = StrokeFrames.of(np.sin(2 * np.pi * band_centres()[band] * time), RATE)
        assert frames.levels[:, 80].argmax() == band
    assert band_centres().shape == (N_BANDS,)


def test_a_file_of_weights_stays_small() -> None:
    from importlib.resources import files

    assert len(files("retimbre.alignment").joinpath(strokes.WEIGHTS).read_bytes()) < 100_000
