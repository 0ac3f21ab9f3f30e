"""A kit: every kind's own sound, and every stroke cut out, from strokes that overlap."""

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.alignment.kit import Kit, fit_templates
from retimbre.alignment.strokes import StrokeFrames, Strokes

RATE = 22_050
Wave = npt.NDArray[np.float64]


def _burst(low: float, high: float, fall: float, seed: int) -> Wave:
    """Make noise between two frequencies that falls by 20 dB in ``fall`` seconds."""
    n = RATE // 2
    hertz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n)) * ((hertz > low) & (hertz < high))
    return np.fft.irfft(spectrum, n) * 10 ** (-np.arange(n) / RATE / fall)


DULL, BRIGHT = _burst(60, 400, 0.1, 0), _burst(4000, 9000, 0.2, 1)
TIMES = [0.2, 0.5, 0.8, 1.1, 1.4, 1.7]
STRUCK = np.array([[1, 0], [1, 1], [0, 1], [1, 1], [1, 0], [0, 1]], float)  # dull, bright


def _kit(levels: npt.NDArray[np.float64] = STRUCK) -> tuple[Kit, Wave, Wave]:
    parts = np.zeros((2, round(2.4 * RATE)))
    for time, row in zip(TIMES, levels, strict=True):
        for part, gain, burst in zip(parts, row, (DULL, BRIGHT), strict=True):
            part[round(time * RATE) :][: len(burst)] += gain * burst
    frames = StrokeFrames.of(parts.sum(axis=0), RATE)
    onsets = np.array([round(time * RATE / frames.hop_length) for time in TIMES])
    guess = np.zeros((len(onsets), 6))
    guess[:, :2] = levels > 0
    return Kit(frames, onsets, *fit_templates(frames.levels, onsets, guess)), *parts


def test_levels_are_told_apart_where_strokes_overlap() -> None:
    levels = STRUCK * np.array([[1, 0], [0.5, 0.4], [0, 1], [0.8, 0.7], [0.3, 0], [0, 0.2]])
    kit, _, _ = _kit(levels)
    assert kit.levels[:, :2] == pytest.approx(levels, abs=0.08)
    assert not kit.levels[:, 2:].any()
    assert set(kit.loudness) == {0, 1}


def test_each_template_is_its_own_drum() -> None:
    kit, _, _ = _kit()
    dull, bright = (np.square(template).sum(axis=1) for template in kit.templates[:2])
    assert dull[:5].sum() > 0.9 * dull.sum()
    assert bright[25:].sum() > 0.9 * bright.sum()


@pytest.mark.parametrize("kind", [0, 1])
def test_a_stroke_is_cut_out_of_the_one_over_it(kind: int) -> None:
    kit, *parts = _kit()
    for sample, n in zip(kit.samples[kind], np.flatnonzero(STRUCK[:, kind]), strict=True):
        at = kit.onsets[n] * kit.frames.hop_length
        alone = _powers(parts[kind][at : at + RATE // 4])
        made = _powers(sample.samples[sample.onset :][: RATE // 4])
        assert np.abs(made - alone).sum() < 0.1 * alone.sum()


def _powers(samples: npt.NDArray[np.floating]) -> Wave:
    """Compute the power in bands of 100 Hz."""
    spectrum: Wave = np.square(np.abs(np.fft.rfft(samples, RATE // 2)))[:5500]
    bands: Wave = spectrum.reshape(-1, 50).sum(axis=1)
    return bands


def test_all_strokes_together_are_the_clip() -> None:
    kit, *parts = _kit()
    made = np.zeros(len(parts[0]) + RATE)
    for kind, samples in kit.samples.items():
        for sample, n in zip(samples, np.flatnonzero(kit.levels[:, kind]), strict=True):
            at = kit.onsets[n] * kit.frames.hop_length - sample.onset
            made[at : at + len(sample.samples)] += sample.samples
    clip = np.sum(parts, axis=0)
    error = np.square(made[: len(clip)] - clip).mean() / np.square(clip).mean()
    assert 10 * np.log10(error) < -20


def test_strokes_explain_a_clip_of_strokes_and_no_noise() -> None:
    struck, _, _ = _kit()
    noise = Kit.of(Strokes.of(StrokeFrames.of(np.random.default_rng(0).standard_normal(3 * RATE), RATE)))
    assert struck.explained > 0.85
    assert noise.explained < 0.7


def test_silence_is_a_kit_without_strokes() -> None:
    kit = Kit.of(Strokes.of(StrokeFrames.of(np.zeros(RATE), RATE)))
    assert kit.loudness == {}
    assert kit.samples == {}
    assert kit.explained == 0
