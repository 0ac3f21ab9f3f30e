"""Quantisation: the error of dithered samples is noise that knows nothing of the sound."""

import numpy as np
import pytest

from retimbre.sound.audio import Audio, Samples
from retimbre.sound.quantisation import Quantiser, is_quantised

STEP = 2**-15
RATE = 48_000


def sine(amplitude: float, seconds: float = 4.0) -> Samples:
    phase = 2 * np.pi * 997 * np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(phase)).astype(np.float32)[None]


def quantised(samples: Samples, *, is_dithered: bool) -> Samples:
    return ((Quantiser(16, is_dithered=is_dithered)(samples) >> 16) * STEP).astype(np.float32)


def test_a_tone_below_half_a_step_is_heard_only_with_dither() -> None:
    """Rounding makes silence of it; with dither its level is what it was, in noise."""
    samples = sine(0.4 * STEP)
    assert not quantised(samples, is_dithered=False).any()
    made = quantised(samples, is_dithered=True)
    level = 2 * np.vdot(made, samples) / samples.size / (0.4 * STEP)
    assert level == pytest.approx(0.4 * STEP, rel=0.02)


def test_the_error_has_no_harmonics_and_the_power_of_the_theory() -> None:
    """Triangular dither leaves an error of a quarter of a squared step (Lipshitz et al. 1992), and white."""
    samples = sine(3.3 * STEP)
    error = (quantised(samples, is_dithered=True) - samples)[0] / STEP
    assert error.mean() == pytest.approx(0, abs=0.01)
    assert error.var() == pytest.approx(1 / 4, rel=0.02)
    plain = (quantised(samples, is_dithered=False) - samples)[0] / STEP
    third = [spectrum[3 * 997 * 4] / spectrum.mean() for spectrum in np.abs(np.fft.rfft([error, plain]))]
    assert third[0] < 4
    assert third[1] > 40


def test_the_same_samples_give_the_same_numbers_however_they_are_cut() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (2, 10_000)).astype(np.float32)
    whole = Quantiser(16, is_dithered=True)(samples)
    quantise = Quantiser(16, is_dithered=True)
    np.testing.assert_array_equal(np.hstack([quantise(samples[:, :77]), quantise(samples[:, 77:])]), whole)


def test_silence_stays_silence_and_nothing_is_over_the_limit() -> None:
    samples = np.zeros((1, 1000), np.float32)
    assert not Quantiser(16, is_dithered=True)(samples).any()
    limit = 10 ** (-1 / 20)
    for bits in (16, 24):
        made = Quantiser(bits, is_dithered=True, limit=limit)(samples + np.float32(limit))
        assert 0 < np.abs(made / 2**31).max() <= limit


def test_only_what_is_between_the_steps_is_dithered() -> None:
    steps = np.arange(-5, 5, dtype=np.float32)[None] * STEP
    assert is_quantised(Audio(steps, RATE), 16)
    assert not is_quantised(Audio(steps + STEP / 3, RATE), 16)
