import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.sound import limiter
from retimbre.sound import loudness as module
from retimbre.sound.audio import Audio, collect
from retimbre.sound.limiter import CEILING, Limited

Samples = npt.NDArray[np.float32]
Tone = Callable[..., Samples]
RATES = [8_000, 22_050, 44_100, 48_000, 192_000]


def loudness(samples: Samples, sample_rate: int) -> float:
    return module.loudness(Audio(samples, sample_rate))


def limit(samples: Samples, sample_rate: int, *, ceiling: float = CEILING) -> Samples:
    return collect(Limited(Audio(samples, sample_rate), ceiling=ceiling)).samples


def match_loudness(samples: Samples, sample_rate: int, target: float) -> Samples:
    return collect(limiter.match_loudness(Audio(samples, sample_rate), target)).samples


def noise(*shape: int, amplitude: float = 0.1, seed: int = 0) -> Samples:
    return (amplitude * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def clicks(sample_rate: int, *, channels: int = 2, seconds: float = 2.0, height: float = 1.0) -> Samples:
    """Noise with a burst of 5 ms, 40 dB above it, every 250 ms, stronger in one channel than the other."""
    samples = noise(channels, round(seconds * sample_rate), amplitude=0.003)
    for start in range(sample_rate // 8, samples.shape[1], sample_rate // 4):
        samples[:, start : start + sample_rate // 200] *= 100
    samples *= height / np.abs(samples).max()
    return samples * np.linspace(1, 0.25, channels, dtype=np.float32)[:, None]


def reference(samples: Samples, sample_rate: int, *, block: float = 0.4) -> float:
    """Measure with pyloudnorm, whose "DeMan" filters come from the same analogue prototypes."""
    import pyloudnorm

    meter = pyloudnorm.Meter(sample_rate, filter_class="DeMan", block_size=block)
    return float(meter.integrated_loudness(samples.T.astype(np.float64)))


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize(("channels", "expected"), [(1, -3.01), (2, 0.0)])
def test_calibration(sample_rate: int, channels: int, expected: float, tone: Tone) -> None:
    full_scale = tone(997, 2.0, sample_rate, channels=channels, amplitude=1.0)
    assert loudness(full_scale, sample_rate) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("sample_rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sound", ["60 Hz", "997 Hz", "5000 Hz", "noise", "clicks"])
@pytest.mark.parametrize("silent_half", [False, True])
def test_against_pyloudnorm(
    sample_rate: int, channels: int, sound: str, silent_half: bool, tone: Tone
) -> None:
    if sound.endswith("Hz"):
        samples = tone(float(sound[:-3]), 3.0, sample_rate, channels=channels)
    elif sound == "noise":
        samples = noise(channels, 3 * sample_rate)
    else:
        samples = clicks(sample_rate, channels=channels, seconds=3.0)
    if silent_half:
        samples[:, samples.shape[1] // 2 :] = 0
    assert loudness(samples, sample_rate) == pytest.approx(reference(samples, sample_rate), abs=0.05)


def half(samples: Samples, decibels: float) -> Samples:
    """Make the second half quieter by so much."""
    mixed = samples.copy()
    mixed[:, samples.shape[1] // 2 :] *= 10 ** (decibels / 20)
    return mixed


@pytest.mark.parametrize(("decibels", "loss"), [(-40.0, 0.0), (-15.0, 0.0), (-11.0, 2.7), (-6.0, 2.0)])
def test_the_gate_leaves_out_what_is_10_units_below_the_mean(
    decibels: float, loss: float, tone: Tone
) -> None:
    """Power 1 and power p have the mean (1 + p) / 2; at -15 dB p is 12 dB below it, at -11 dB 8."""
    loud = tone(997, 8.0, 22_050)
    lost = loudness(loud, 22_050) - loudness(half(loud, decibels), 22_050)
    assert lost == pytest.approx(loss, abs=0.3)  # blocks across the border cost a little


@pytest.mark.parametrize(("level", "loss"), [(-60.0, 0.0), (-68.0, 0.0), (-72.0, 3.0)])
def test_the_gate_leaves_out_what_is_below_minus_70(level: float, loss: float, tone: Tone) -> None:
    faint = tone(997, 8.0, 22_050, amplitude=10 ** ((level + 3) / 20))
    assert loudness(faint, 22_050) == pytest.approx(level, abs=0.1)
    lost = level - loudness(half(faint, -math.inf), 22_050)
    assert lost == pytest.approx(loss, abs=0.3)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("gain", [-40.0, -6.0, 6.0])
def test_a_gain_moves_loudness_by_as_much(sample_rate: int, gain: float) -> None:
    quiet = noise(2, sample_rate)
    louder = quiet * np.float32(10 ** (gain / 20))
    assert loudness(louder, sample_rate) - loudness(quiet, sample_rate) == pytest.approx(gain, abs=1e-3)


def test_a_second_channel_of_equal_power_adds_three_decibels() -> None:
    one, other = noise(1, 48_000), noise(1, 48_000, seed=1)
    both = np.concatenate([one, other])
    added = 10 * math.log10(sum(10 ** (loudness(x, 48_000) / 10) for x in (one, other)))
    assert loudness(both, 48_000) == pytest.approx(added, abs=0.05)
    assert added - loudness(one, 48_000) == pytest.approx(3.01, abs=0.1)


def test_polarity_and_order_of_channels_do_not_matter() -> None:
    samples = noise(3, 22_050) * np.array([[1.0], [0.5], [0.1]], dtype=np.float32)
    assert loudness(-samples, 22_050) == pytest.approx(loudness(samples, 22_050), abs=1e-9)
    assert loudness(samples[::-1], 22_050) == pytest.approx(loudness(samples, 22_050), abs=1e-9)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.39])
def test_a_clip_shorter_than_a_block_is_one_block(seconds: float, tone: Tone) -> None:
    samples = tone(997, seconds, 48_000)
    assert loudness(samples, 48_000) == pytest.approx(reference(samples, 48_000, block=seconds), abs=0.05)
    assert loudness(samples, 48_000) == pytest.approx(loudness(tone(997, 2.0, 48_000), 48_000), abs=0.3)


@pytest.mark.parametrize("n_samples", [1, 2, 100])
def test_a_few_samples_have_a_loudness(n_samples: int) -> None:
    assert -60 < loudness(noise(1, n_samples, amplitude=0.5), 44_100) < 0


@pytest.mark.parametrize("n_samples", [2, 1000, 48_000])
def test_silence(n_samples: int) -> None:
    assert loudness(np.zeros((2, n_samples), dtype=np.float32), 48_000) == -math.inf


def test_what_is_all_under_the_gate_is_measured_without_it(tone: Tone) -> None:
    loud, faint = (tone(997, 1.0, 48_000, amplitude=a) for a in (1.0, 1e-4))
    assert loudness(faint, 48_000) == pytest.approx(loudness(loud, 48_000) - 80, abs=0.01)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("ceiling", [CEILING, 0.1, 1.0])
@pytest.mark.parametrize("n_samples", [2, 7, 500, 20_001])
def test_no_sample_passes_the_ceiling(sample_rate: int, ceiling: float, n_samples: int) -> None:
    rng = np.random.default_rng(n_samples)
    impulses = np.where(rng.random((2, n_samples)) < 0.01, 30 * rng.standard_normal((2, n_samples)), 0.01)
    for samples in (noise(1, n_samples, amplitude=2.0), impulses.astype(np.float32)):
        limited = limit(samples, sample_rate, ceiling=ceiling)
        assert limited.shape == samples.shape
        assert limited.dtype == np.float32
        assert np.abs(limited).max() <= ceiling * (1 + 2e-7)  # one rounding of float32
        assert np.isfinite(limited).all()


@pytest.mark.parametrize("at", [0, 11_025, 22_049])
def test_a_single_peak_comes_down_to_the_ceiling_and_no_further(at: int) -> None:
    samples = np.full((1, 22_050), 0.25, dtype=np.float32)
    samples[0, at] = -3.0
    limited = limit(samples, 22_050)
    assert limited[0, at] == pytest.approx(-CEILING, rel=0.01)


def test_samples_far_from_peaks_are_left_alone() -> None:
    samples = noise(2, 44_100, amplitude=0.1)
    samples[0, 20_000] = 4.0
    limited = limit(samples, 44_100)
    far = np.abs(np.arange(44_100) - 20_000) > 0.01 * 44_100  # seven blocks and a half, in whole ones
    np.testing.assert_array_equal(limited[:, far], samples[:, far])
    assert np.abs(limited[1, 19_950:20_050]).max() < 0.5 * np.abs(samples[1, 19_950:20_050]).max()


def test_the_gain_is_smooth() -> None:
    samples = np.full((1, 44_100), 0.1, dtype=np.float32)
    samples[0, 20_000] = 10.0
    gain = (limit(samples, 44_100) / samples)[0]
    assert gain.min() < 0.1
    # A mean over five blocks changes by a fifth from one block of 44 samples to the next.
    assert np.abs(np.diff(gain)).max() < 1 / 5 / 44 + 1e-5


def test_all_channels_get_the_same_gain() -> None:
    samples = clicks(22_050, channels=3, height=4.0)
    samples[1, samples[1] == 0] = 1e-6
    limited = limit(samples, 22_050)
    assert np.abs(limited - samples).max() > 1
    gains = (limited / samples).astype(np.float64)
    np.testing.assert_allclose(gains[1:], gains[:1].repeat(2, axis=0), rtol=1e-6)


def test_what_is_under_the_ceiling_stays_as_it_is() -> None:
    samples = clicks(22_050, height=CEILING * 0.999)
    np.testing.assert_array_equal(limit(samples, 22_050), samples)
    silence = np.zeros((2, 100), dtype=np.float32)
    np.testing.assert_array_equal(limit(silence, 22_050), silence)


def test_a_limiter_does_not_change_what_it_is_given() -> None:
    samples = clicks(22_050, height=3.0)
    before = samples.copy()
    limit(samples, 22_050)
    match_loudness(samples, 22_050, -10.0)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("sample_rate", [22_050, 48_000])
def test_loudness_is_reached_though_peaks_are_limited(sample_rate: int) -> None:
    samples = noise(2, 2 * sample_rate, amplitude=0.05)
    samples[:, sample_rate // 8 :: sample_rate // 4] = 0.9
    target = loudness(samples, sample_rate) + 6.0
    assert np.abs(samples).max() * 10 ** (6 / 20) > 1.5 * CEILING  # a plain gain would clip
    matched = match_loudness(samples, sample_rate, target)
    assert loudness(matched, sample_rate) == pytest.approx(target, abs=0.1)
    assert np.abs(matched).max() <= CEILING * (1 + 2e-7)


def test_without_peaks_matching_is_one_gain() -> None:
    samples = noise(2, 44_100, amplitude=0.01)
    matched = match_loudness(samples, 44_100, loudness(samples, 44_100) + 12)
    np.testing.assert_allclose(matched, samples * 10 ** (12 / 20), rtol=1e-5)


@pytest.mark.parametrize("target", [-60.0, -23.0, -14.0])
@pytest.mark.parametrize("seconds", [0.1, 1.0])
def test_targets_far_away_are_reached(target: float, seconds: float, tone: Tone) -> None:
    samples = tone(440, seconds, amplitude=1e-3)
    matched = match_loudness(samples, 22_050, target)
    assert loudness(matched, 22_050) == pytest.approx(target, abs=0.1)


def test_a_target_out_of_reach_still_keeps_the_ceiling() -> None:
    matched = match_loudness(noise(1, 22_050), 22_050, 10.0)
    assert np.abs(matched).max() <= CEILING * (1 + 2e-7)
    assert loudness(matched, 22_050) > -8.0
