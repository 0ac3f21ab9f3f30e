"""Features of clips whose answer is known, and against librosa."""

from collections.abc import Callable

import librosa
import numpy as np
import numpy.typing as npt
import pytest

from retimbre.metrics.features import RATE, ClipFeatures
from retimbre.music.orchestra import render
from retimbre.music.score import MINUET
from retimbre.sound.audio import Audio

Tone = Callable[..., npt.NDArray[np.float32]]
pytestmark = pytest.mark.usefixtures("librosa_compiled")


@pytest.fixture(scope="module")
def piano() -> Audio:
    return render(MINUET, "piano", seconds=5.0)


def _noise(n_samples: int, sample_rate: int) -> Audio:
    return Audio(0.1 * np.random.default_rng(0).standard_normal(n_samples, np.float32), sample_rate)


def test_mfcc_against_librosa(piano: Audio) -> None:
    samples = piano.resampled(RATE).samples[:1]
    mel = librosa.feature.melspectrogram(
        y=samples[0].astype(np.float64), sr=RATE, n_fft=1024, hop_length=256, n_mels=40, fmin=40
    )
    decibels = 10 * np.log10(mel / mel.max() + 1e-8)
    expected = librosa.feature.mfcc(S=decibels, n_mfcc=13)[1:]
    np.testing.assert_allclose(ClipFeatures(Audio(samples, RATE)).mfcc, expected, rtol=1e-3, atol=0.05)


def test_treble_is_the_share_of_what_lies_there(tone: Tone) -> None:
    both = Audio(tone(1000, 2.0, 44_100, amplitude=0.3) + tone(12_000, 2.0, 44_100, amplitude=0.1), 44_100)
    assert ClipFeatures(both).treble == pytest.approx(0.1, abs=1e-3)
    assert ClipFeatures(_noise(100_003, 48_000)).treble == pytest.approx(14 / 24, abs=0.01)
    assert ClipFeatures(_noise(1000, 16_000)).treble == 0
    assert ClipFeatures(Audio(np.zeros(1000, np.float32), 44_100)).treble == 0


def test_flatness_of_white_noise_is_euler_s_constant_in_decibels() -> None:
    """And with the power of two channels the digamma function of 2 less the logarithm of 2."""
    expected = -10 * np.euler_gamma / np.log(10)
    assert ClipFeatures(_noise(5 * RATE, RATE)).flatness == pytest.approx(expected, abs=0.05)
    both = 0.1 * np.random.default_rng(0).standard_normal((2, 5 * RATE), np.float32)
    expected = 10 / np.log(10) * (1 - np.euler_gamma - np.log(2))
    assert ClipFeatures(Audio(both, RATE)).flatness == pytest.approx(expected, abs=0.05)


def test_flatness_against_librosa(piano: Audio) -> None:
    samples = piano.resampled(RATE).samples[:1]
    spectrum = np.abs(librosa.stft(samples[0].astype(np.float64), n_fft=1024, hop_length=256))
    power = spectrum**2 / (spectrum**2).max() + 1e-8
    expected = 10 * np.log10(librosa.feature.spectral_flatness(S=power, power=1, amin=1e-12)).mean()
    assert ClipFeatures(Audio(samples, RATE)).flatness == pytest.approx(expected, abs=0.1)


def test_a_tone_is_far_from_flat_and_what_is_silent_does_not_count(tone: Tone) -> None:
    sound = tone(440, 2.0, RATE)
    padded = Audio(np.pad(sound, ((0, 0), (0, 5 * RATE))), RATE)
    assert ClipFeatures(Audio(sound, RATE)).flatness < -40
    assert ClipFeatures(padded).flatness == pytest.approx(ClipFeatures(Audio(sound, RATE)).flatness, abs=1.5)
    assert ClipFeatures(Audio(np.zeros(RATE, np.float32), RATE)).flatness == 0


def test_what_is_heard_is_computed_once(piano: Audio) -> None:
    heard = ClipFeatures(piano)
    assert ClipFeatures.of(heard) is heard
    assert heard.mel is heard.mel
    assert heard.cut(piano.seconds) is heard
    assert heard.cut(100.0) is heard
    assert heard.cut(1.0).audio.n_samples == piano.sample_rate


def test_channels_that_cancel_are_heard(tone: Tone) -> None:
    one = tone(440, 1.0, RATE)
    clip = ClipFeatures(Audio(np.concatenate([one, -one]), RATE))
    np.testing.assert_allclose(clip.mel, ClipFeatures(Audio(one, RATE)).mel)
