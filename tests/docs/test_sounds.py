"""The voices and the wind of the pages, by what an ear goes by: pitch, vowels, syllables, noise."""

import numpy as np
import pytest

from docs.extension import sounds
from retimbre.music.score import Piece, parse

RATE = sounds.RATE


def _levels(samples: sounds.Array) -> tuple[sounds.Array, sounds.Array]:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.asarray(np.fft.rfftfreq(len(samples), 1 / RATE)), np.asarray(20 * np.log10(spectrum + 1e-9))


def _scale(vowel_quarters: int) -> Piece:
    return Piece("scale", "", 60, 4, 1, (parse(f"A4:{vowel_quarters} E5", bar=4, beat=1),))


def test_a_song_has_its_pitches_an_octave_lower_and_a_vibrato() -> None:
    clip = sounds.sing(_scale(2), 4.0, vowels="a").samples[0].astype(float)
    for start, hertz in ((0.5, 220.0), (2.5, 220 * 2 ** (7 / 12))):
        part = clip[round(start * RATE) : round((start + 1.09) * RATE)]  # six turns of the vibrato
        frequencies, levels = _levels(part)
        near = (frequencies > hertz * 0.94) & (frequencies < hertz * 1.06)
        power = 10 ** (levels[near] / 10)
        centre = float((frequencies[near] * power).sum() / power.sum())
        assert 1200 * np.log2(centre / hertz) == pytest.approx(0, abs=10)
        width = float(np.sqrt(((frequencies[near] - centre) ** 2 * power).sum() / power.sum()))
        assert 12 < 1200 * np.log2(1 + width / hertz) < 35  # 30 cents / sqrt(2) is 21


@pytest.mark.parametrize("vowel", list(sounds.FORMANTS))
def test_a_vowel_is_loudest_around_its_resonances(vowel: str) -> None:
    """The harmonic next to the second resonance is louder than those halfway to its neighbours."""
    clip = sounds.sing(_scale(2), 2.0, vowels=vowel).samples[0].astype(float)
    frequencies, levels = _levels(clip[round(0.4 * RATE) : round(1.6 * RATE)])

    def loudest(hertz: float) -> float:
        return float(levels[np.abs(frequencies - hertz) < 130].max())

    first, second, third = sounds.FORMANTS[vowel]
    if second - first > 600:
        assert loudest(second) > loudest((second + first) / 2)
    assert loudest(second) > loudest((second + third) / 2)
    assert loudest(first) > loudest(third)


def test_syllables_come_at_the_rate_of_speech_and_voices_differ() -> None:
    low, high = (sounds.speak(4.0, hertz=hertz, seed=3).samples[0].astype(float) for hertz in (105, 205))
    level = np.sqrt(np.convolve(low**2, np.hanning(round(0.03 * RATE)), "same")[:: RATE // 200])
    over = level > np.convolve(level, np.ones(60) / 60, "same")  # the mean of .3 s around
    syllables = int((over[1:] & ~over[:-1]).sum())
    assert 3 <= syllables / 4.0 <= 9
    pitches = []
    for clip in (low, high):
        correlation = np.fft.irfft(np.abs(np.fft.rfft(clip, 2 * len(clip))) ** 2)
        lags = slice(RATE // 320, RATE // 70)
        pitches.append(RATE / (lags.start + int(correlation[lags].argmax())))
    assert pitches[0] == pytest.approx(105, rel=0.25)
    assert pitches[1] == pytest.approx(205, rel=0.25)


def test_wind_is_noise_that_swells() -> None:
    clip = sounds.wind(6.0).samples[0].astype(float)
    _, levels = _levels(clip[: 2 * RATE])
    assert levels.max() - np.median(levels[levels > levels.max() - 60]) < 40  # no line stands out
    loudness = np.sqrt((clip[: 11 * (len(clip) // 11)].reshape(11, -1) ** 2).mean(axis=1))
    assert loudness.max() / loudness.min() > 1.2


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_is_the_same_sound(seed: int) -> None:
    one, same, other = (sounds.speak(1.0, hertz=120, seed=s).samples for s in (seed, seed, seed + 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
