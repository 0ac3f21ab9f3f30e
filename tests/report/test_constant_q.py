"""Constant-Q pictures: where tones land, when clicks sound, and librosa's transform."""

from collections.abc import Callable

import numpy as np
import pytest

from retimbre.report.constant_q import BINS_PER_OCTAVE, LOWEST_MIDI, N_BINS, RANGE, constant_q, frequencies
from retimbre.sound.audio import Audio, Samples


@pytest.mark.parametrize("midi", [28, 45, 57.5, 69, 81, 100, 115])
@pytest.mark.parametrize("sample_rate", [22_050, 48_000])
def test_a_tone_lands_in_its_bin(tone: Callable[..., Samples], midi: float, sample_rate: int) -> None:
    hertz = 440 * 2 ** ((midi - 69) / 12)
    picture = constant_q(Audio(tone(hertz, 2.0, sample_rate), sample_rate))
    assert picture.shape == (N_BINS, 200)
    row = round((midi - LOWEST_MIDI) * BINS_PER_OCTAVE / 12)
    assert frequencies()[row] == pytest.approx(hertz)
    middle = picture[:, 20:-20]
    assert (middle.argmax(axis=0) == row).all()
    assert middle[row].min() >= 250
    away = np.abs(np.arange(N_BINS) - row) > 12
    assert middle[away].max() < 60


def test_a_tone_between_two_bins_is_in_both_alone(tone: Callable[..., Samples]) -> None:
    """The bins' windows end where their neighbours' have their middle."""
    hertz = float(np.sqrt(frequencies()[150] * frequencies()[151]))
    decibels = (constant_q(Audio(tone(hertz, 1.0), 22_050))[:, 50] / 255 - 1) * RANGE
    assert decibels[150:152] == pytest.approx(0, abs=0.7)
    assert np.delete(decibels, [150, 151]).max() < -30


@pytest.mark.parametrize("seconds", [0.31, 3.0, 47.0])
def test_a_click_is_in_its_column(seconds: float) -> None:
    """Also where stretches join, and in columns that are longer than the windows."""
    rate = 16_000
    samples = np.zeros((1, round(seconds * rate)), np.float32)
    places = (np.array([0.25, 0.426, 0.9]) * samples.shape[1]).astype(int)
    samples[:, places] = 1
    picture = constant_q(Audio(samples, rate))
    n_frames = picture.shape[1]
    assert n_frames == min(1200, round(seconds * 100))
    high = picture[180:190].mean(axis=0)
    for place in places:
        column = place / samples.shape[1] * n_frames
        near = slice(max(0, int(column) - 2), int(column) + 3)
        assert abs(near.start + high[near].argmax() + 0.5 - column) <= 1.5
        assert high[near].max() > 200


def test_silence_and_the_shortest_clip_have_a_picture() -> None:
    assert not constant_q(Audio(np.zeros((1, 8000), np.float32), 8000)).any()
    assert constant_q(Audio(np.ones((1, 3), np.float32), 8000)).shape == (N_BINS, 1)


def test_a_picture_does_not_depend_on_the_level_or_on_silent_channels(sweeps: Callable[..., Samples]) -> None:
    samples = sweeps(3.0, 22_050)
    both = np.concatenate([samples, np.zeros_like(samples)])
    pictures = [constant_q(Audio(each, 22_050)) for each in (samples, 0.01 * samples, both)]
    for other in pictures[1:]:
        assert np.abs(pictures[0].astype(int) - other).max() <= 1


def test_against_librosa(librosa_compiled: None, sweeps: Callable[..., Samples]) -> None:
    """Its variable-Q transform with the same bins: the loudest bin of each frame, and the whole picture.

    Our windows are Hann's over frequency, .0577 f + 12 Hz wide, and its are Hann's over time; these last
    2 / (.0289 f + 6 Hz), which makes them about as wide.
    """
    import librosa

    rate, n_frames = 22_050, 100
    samples = sweeps(2.0, rate)
    ours = (constant_q(Audio(samples, rate), n_frames).astype(float) / 255 - 1) * RANGE
    n_bins = 7 * BINS_PER_OCTAVE
    theirs = np.abs(
        librosa.vqt(
            samples[0],
            sr=rate,
            hop_length=64,
            fmin=frequencies()[0],
            n_bins=n_bins,
            bins_per_octave=BINS_PER_OCTAVE,
            filter_scale=2,
            gamma=6,
        )
    )
    centres = (np.arange(n_frames) + 0.5) * samples.shape[1] / n_frames / 64
    theirs = 20 * np.log10(theirs[:, centres.astype(int)] / theirs.max() + 1e-9)
    inside = slice(5, -5)
    loudest = np.abs(ours[:n_bins, inside].argmax(axis=0) - theirs[:, inside].argmax(axis=0))
    assert loudest.max() <= 1
    one, other = (each[:n_bins, inside].clip(min=-40).ravel() for each in (ours, theirs))
    assert np.corrcoef(one, other)[0, 1] > 0.9
