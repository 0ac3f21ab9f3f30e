"""Measures on clips whose answer is known, and against librosa and scipy."""

import librosa
import numpy as np
import pytest
import scipy.linalg

from retimbre.music.orchestra import render
from retimbre.music.score import GREENSLEEVES, MINUET
from retimbre.quality import measure
from retimbre.sound.audio import Audio


@pytest.fixture(scope="module")
def piano() -> Audio:
    return render(MINUET, "piano", seconds=5.0)


@pytest.fixture(scope="module")
def strings() -> Audio:
    return render(MINUET, "strings", seconds=5.0)


def _noise(seconds: float, seed: int = 0) -> Audio:
    return Audio(np.random.default_rng(seed).standard_normal(round(seconds * 22_050), np.float32), 22_050)


def test_a_clip_keeps_all_of_itself_and_has_reached_itself(piano: Audio, strings: Audio) -> None:
    assert measure.kept(piano, piano) == pytest.approx({"onsets": 1.0, "chroma": 1.0})
    assert measure.reached(strings, strings, piano) == pytest.approx({"timbre": 1.0, "spectrum": 1.0})
    assert measure.reached(piano, strings, piano) == pytest.approx({"timbre": 0.0, "spectrum": 0.0}, abs=1e-9)


def test_level_rate_and_channels_do_not_matter(piano: Audio, strings: Audio) -> None:
    other = Audio(np.float32(0.1) * np.concatenate([piano.samples] * 2), piano.sample_rate).resampled(48_000)
    assert measure.kept(other, piano)["onsets"] > 0.999
    assert measure.kept(other, piano)["chroma"] > 0.999
    assert measure.timbre_distance(other, piano) < 1e-2 * measure.timbre_distance(strings, piano)


def test_noise_keeps_nothing(piano: Audio) -> None:
    kept = measure.kept(_noise(5.0), piano)
    assert abs(kept["onsets"]) < 0.2
    assert kept["chroma"] < 0.5


def test_another_song_keeps_less_than_another_instrument(piano: Audio, strings: Audio) -> None:
    other = render(GREENSLEEVES, "piano", seconds=5.0)
    for name in ("onsets", "chroma"):
        assert measure.kept(strings, piano)[name] > measure.kept(other, piano)[name] + 0.1
    assert measure.timbre_distance(other, piano) < 0.5 * measure.timbre_distance(strings, piano)


def test_a_transposed_clip_keeps_its_onsets_and_not_its_chroma(piano: Audio) -> None:
    """Played a semitone higher, at the same tempo."""
    samples = piano.samples.mean(axis=0)
    moved = librosa.effects.pitch_shift(samples, sr=piano.sample_rate, n_steps=1)
    kept = measure.kept(Audio(moved, piano.sample_rate), piano)
    assert kept["onsets"] > 0.6
    assert kept["chroma"] < 0.4


def test_shifted_onsets_are_lost(piano: Audio) -> None:
    late = np.roll(piano.samples, round(0.2 * piano.sample_rate), axis=1)
    assert measure.kept(Audio(late, piano.sample_rate), piano)["onsets"] < 0.3


def test_mfcc_against_librosa(piano: Audio) -> None:
    samples = piano.resampled(measure.RATE).samples[:1]
    clip = Audio(samples, measure.RATE)
    mel = librosa.feature.melspectrogram(
        y=samples[0].astype(np.float64), sr=measure.RATE, n_fft=1024, hop_length=256, n_mels=40, fmin=40
    )
    decibels = 10 * np.log10(mel / mel.max() + 1e-8)
    expected = librosa.feature.mfcc(S=decibels, n_mfcc=13)[1:]
    np.testing.assert_allclose(measure._mfcc(clip), expected, rtol=1e-3, atol=0.05)


def test_frechet_distance_against_scipy(piano: Audio, strings: Audio) -> None:
    a, b = (measure._mfcc(clip) for clip in (piano, strings))
    root = scipy.linalg.sqrtm(np.cov(a) @ np.cov(b)).real
    expected = np.square(a.mean(1) - b.mean(1)).sum() + np.trace(np.cov(a) + np.cov(b) - 2 * root)
    assert measure.timbre_distance(piano, strings) == pytest.approx(expected, rel=1e-4)


def test_balance_is_a_harmonic_mean() -> None:
    assert measure.balance({"onsets": 1.0, "chroma": 0.0}, {"timbre": 0.25}) == pytest.approx(1 / 3)
    assert measure.balance({"onsets": 1.0}, {"timbre": -2.0}) == 0.0
    assert measure.balance({"onsets": 1.0}, {"timbre": 1.0}) == 1.0


def test_against_a_target(piano: Audio, strings: Audio) -> None:
    assert measure.against(piano, piano) == pytest.approx({"lsd": 0.0, "timbre": 0.0}, abs=1e-6)
    far, near = measure.against(piano, strings), measure.against(_mixed(piano, strings), strings)
    assert near["lsd"] < far["lsd"]
    assert near["timbre"] < far["timbre"]


def _mixed(one: Audio, other: Audio) -> Audio:
    return Audio(np.float32(0.3) * one.samples + other.samples, one.sample_rate)


def test_a_louder_half_is_that_far_in_log_spectral_distance() -> None:
    """Half of a clip 6.02 dB louder; equal mean power takes 3.98 dB off both: 2.04 and 3.98 dB are left."""
    noise = _noise(8.0)
    samples = noise.samples.copy()
    samples[:, : noise.n_samples // 2] *= 2
    found = measure.against(Audio(samples, noise.sample_rate), noise)["lsd"]
    assert found == pytest.approx(np.sqrt((2.04**2 + 3.98**2) / 2), abs=0.05)


def test_clipping_and_length_are_counted(piano: Audio) -> None:
    samples = piano.samples.copy()
    samples[:, :1000] = 1.0
    found = measure.soundness(Audio(samples[:, :-441], piano.sample_rate), piano)
    n_samples = piano.n_samples - 441
    assert found["clipped"] == pytest.approx(1000 / n_samples, rel=1e-6)
    assert found["length"] == pytest.approx(-441 / piano.sample_rate)


def test_a_copy_is_found_wherever_it_stands_and_noise_is_none(piano: Audio) -> None:
    late = Audio(np.pad(piano.samples, ((0, 0), (9999, 0))), piano.sample_rate)
    assert measure.copied(late, piano)["copy"] > 0.99
    assert measure.copied(_noise(3.0, 1), _noise(3.0, 2))["copy"] < 0.05
