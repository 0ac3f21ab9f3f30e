"""Units: strokes are replaced by their like, when and as loud as the content's."""

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.errors import InputError
from retimbre.metrics.content import onset_f1
from retimbre.sound.audio import Audio
from study.strokes import compare_strokes
from study.units import replace_units

RATE = 22_050
ONSETS = [0.125 + 0.25 * k for k in range(8)]
Samples = npt.NDArray[np.float64]


def _stroke(low: float, high: float, fall: float, seed: int) -> Samples:
    """Noise in a band that dies away."""
    n = RATE // 3
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    hertz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum *= (hertz > low) & (hertz < high)
    wave = np.fft.irfft(spectrum, n)
    return np.asarray(wave / np.abs(wave).max() * np.exp(-np.arange(n) / RATE / fall))


def _groove(pattern: str, shift: float, seed: int, gains: tuple[float, ...] = (1.0,)) -> Audio:
    """Low and high strokes, four a second; a shift brings all bands up."""
    kit = {
        "k": _stroke(60 * shift, 200 * shift, 0.05, seed),
        "h": _stroke(3000 * shift, 6000 * shift, 0.03, seed + 1),
    }
    made = np.zeros(RATE * len(pattern) // 4 + RATE // 2)
    for k, kind in enumerate(pattern):
        start = RATE // 8 + k * RATE // 4
        made[start : start + RATE // 3] += 0.5 * gains[k % len(gains)] * kit[kind]
    return Audio(made.astype(np.float32), RATE)


def test_strokes_of_another_kit_play_the_content_s_pattern() -> None:
    content, style = _groove("khkkhhkh", 1, 0), _groove("hhkhkhkk", 1.4, 10)
    target = _groove("khkkhhkh", 1.4, 10)
    made = replace_units(content, style)
    ours, copied = (compare_strokes(clip, target, ONSETS)["stroke"] for clip in (made, content))
    assert ours < 0.4 * copied
    assert onset_f1(made, content) > 0.85


def test_a_clip_in_its_own_corpus_is_reconstructed() -> None:
    clip = _groove("khhkkhkh", 1, 0)
    assert compare_strokes(replace_units(clip, clip), clip, ONSETS)["stroke"] < 0.5


def test_strokes_are_as_loud_as_the_content_s() -> None:
    content = _groove("khkhkhkh", 1, 0, (1.0, 1.0, 0.25, 0.25))
    made = replace_units(content, _groove("hkhkhkhk", 1.2, 5)).samples[0]

    def power(k: int) -> float:
        start = RATE // 8 + k * RATE // 4
        return float(np.square(made[start : start + RATE // 5]).sum())

    for loud, soft in ((0, 2), (1, 3), (4, 6)):
        assert 10 * np.log10(power(loud) / power(soft)) == pytest.approx(12, abs=1.5)


def test_a_clip_without_onsets_is_one_unit() -> None:
    time = np.arange(RATE) / RATE
    hum = Audio((0.3 * np.sin(2 * np.pi * 100 * time)).astype(np.float32), RATE)
    made = replace_units(hum, _groove("khkh", 1, 0))
    assert made.n_samples == RATE
    assert np.isfinite(made.samples).all()


def test_silence_is_refused() -> None:
    silence, clip = Audio(np.zeros(RATE, np.float32), RATE), _groove("kh", 1, 0)
    with pytest.raises(InputError, match="the content is silent"):
        replace_units(silence, clip)
    with pytest.raises(InputError, match="the style is silent"):
        replace_units(clip, silence)
