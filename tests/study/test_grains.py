"""Grains: a clip is found in its own, features by librosa, and what does not change."""

import numpy as np
import pytest

from retimbre.errors import InputError
from retimbre.metrics.features import ClipFeatures
from retimbre.sound.audio import Audio
from retimbre.sound.loudness import loudness
from study.grains import FRAME, HOP, _features, granulate

RATE = 16_000


def _clip(seed: int, n: int = 12) -> Audio:
    """Bursts of noise in bands of their own, an eighth of a second each."""
    rng = np.random.default_rng(seed)
    pieces = []
    for centre in rng.uniform(300, 6000, n):
        spectrum = np.fft.rfft(rng.standard_normal(RATE // 8))
        spectrum *= np.abs(np.fft.rfftfreq(RATE // 8, 1 / RATE) - centre) < 200
        pieces.append(np.fft.irfft(spectrum))
    samples = np.concatenate(pieces)
    return Audio((0.5 * samples / np.abs(samples).max()).astype(np.float32), RATE)


def _likeness(one: Audio, other: Audio) -> float:
    """Compute the cosine of the magnitudes in mel bands."""
    a, b = (np.sqrt(ClipFeatures(clip).mel).ravel() for clip in (one, other))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_a_clip_in_its_own_corpus_is_nearer_than_by_another() -> None:
    clip, other = _clip(0), _clip(1)
    both = Audio(np.concatenate([other.samples, clip.samples], axis=1), RATE)
    own, foreign = (_likeness(granulate(clip, style, grain=0.05), clip) for style in (both, other))
    assert own > 0.75
    assert own > foreign + 0.4


def test_the_features_are_librosa_s() -> None:
    librosa = pytest.importorskip("librosa")
    clip = _clip(0).samples[0].astype(np.float64)
    magnitudes = np.abs(librosa.stft(clip, n_fft=FRAME, hop_length=HOP, pad_mode="constant"))
    expected = librosa.feature.mfcc(S=magnitudes, n_mfcc=13).T[:-1]
    assert _features(clip) == pytest.approx(expected, abs=1e-4)


def test_a_grain_is_the_style_s_own_samples_under_a_window() -> None:
    """Of a style whose samples are all .5 or -.5, a grain of 512 has the magnitudes of a cosine window."""
    style = np.tile(np.array([0.5, -0.5], np.float32), RATE // 2)
    made = granulate(_clip(2), Audio(style, RATE), grain=HOP / RATE).samples[0]
    window = np.sin(np.pi * (np.arange(HOP) + 0.5) / HOP)
    grain = np.abs(made[10 * HOP : 11 * HOP])
    assert grain / grain.max() == pytest.approx(window, abs=1e-3)


def test_the_content_s_length_rate_and_loudness() -> None:
    content = Audio(np.tile(_clip(0).samples, (2, 1)), RATE)
    made = granulate(content, Audio(_clip(3).samples, 22_050))
    assert (made.n_channels, made.n_samples, made.sample_rate) == (1, content.n_samples, RATE)
    assert loudness(made) == pytest.approx(loudness(content), abs=0.1)


def test_silence_is_refused() -> None:
    silence, clip = Audio(np.zeros(RATE, np.float32), RATE), _clip(0)
    with pytest.raises(InputError, match="the content is silent"):
        granulate(silence, clip)
    with pytest.raises(InputError, match="the style is silent"):
        granulate(clip, silence)
