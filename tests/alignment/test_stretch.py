"""Changes of pitch and length: tones keep what is not changed."""

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.alignment.stretch import bend, change_pitch, stretch

RATE = 22_050
TIME = np.arange(RATE) / RATE


def _tone(hertz: float, seconds: float = 0.6) -> npt.NDArray[np.float32]:
    time = TIME[: round(seconds * RATE)]
    partials = [np.sin(2 * np.pi * k * hertz * time + k) / k for k in range(1, 9)]
    samples: npt.NDArray[np.float32] = np.sum(partials, axis=0).astype(np.float32)
    return samples


def _peak(samples: npt.NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(np.argmax(spectrum)) * RATE / (1 << 18)


@pytest.mark.parametrize("ratio", [0.5, 0.891, 1.26, 2.0])
def test_pitch_and_length_change_by_the_ratio(ratio: float) -> None:
    changed = change_pitch(_tone(440), ratio, RATE)
    assert _peak(changed[1000:-1000]) == pytest.approx(440 * ratio, rel=1e-3)
    assert len(changed) == pytest.approx(0.6 * RATE / ratio, abs=2)
    same = change_pitch(_tone(440), 1.0, RATE)
    np.testing.assert_array_equal(same, _tone(440))


def test_a_bend_moves_every_partial_by_its_semitones() -> None:
    samples = _tone(440)
    bent = bend(samples, np.repeat([0.0, 0.5], len(samples) // 2), RATE)
    assert _peak(bent[1000:6000]) == pytest.approx(440, rel=1e-3)
    assert _peak(bent[7500:12_000]) == pytest.approx(440 * 2 ** (0.5 / 12), rel=1e-3)


@pytest.mark.parametrize("hertz", [98.0, 440.0, 1318.5])
@pytest.mark.parametrize("factor", [0.6, 1.7, 4.0])
def test_length_changes_and_pitch_and_level_do_not(hertz: float, factor: float) -> None:
    samples = _tone(hertz)
    n_samples = round(len(samples) * factor)
    changed = stretch(samples, n_samples, RATE)
    assert changed.shape == (n_samples,)
    inside = changed[500 : -round(0.05 * RATE)]
    assert _peak(inside) == pytest.approx(hertz, rel=2e-3)
    length = round(0.02 * RATE)
    frames = inside[: len(inside) // length * length].reshape(-1, length)
    levels = 10 * np.log10(np.square(frames).mean(axis=1) / np.square(samples).mean())
    assert np.abs(levels).max() < 1.5  # grains that are out of phase would leave holes


def test_a_sound_of_less_than_a_grain_is_repeated() -> None:
    short = _tone(440, 0.02)
    np.testing.assert_array_equal(stretch(short, 3 * len(short), RATE), np.tile(short, 3))
