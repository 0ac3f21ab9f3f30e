"""Voices and wind by formula: no package that is installed for the pages has a recording of either.

A voice is the sum of the harmonics of a pitch, falling by 12 dB an octave as a glottal pulse's do, through
four resonances (Fant, Acoustic Theory of Speech Production, 1960) at the frequencies of vowels (Peterson and
Barney, JASA 24, 1952). It has no consonants but hisses. It shows what becomes of a voice, not how good the
result of a real one is.
"""

import numpy as np
import numpy.typing as npt

from retimbre import Audio
from retimbre.music.score import Piece

RATE = 44_100
"""Sample rate in Hz."""

FORMANTS = {
    "i": (270, 2290, 3010),
    "e": (530, 1840, 2480),
    "a": (730, 1090, 2440),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
"""First three resonances of men's vowels in Hz: heed, head, hod, hawed, who'd."""

_FOURTH, _BANDWIDTHS = 3500.0, (80.0, 100.0, 130.0, 220.0)  # Hz; usual values of formant synthesisers
_GLIDE = 0.04  # seconds in which resonances and pitch go from one sound to the next
_PEAK = 0.7

Array = npt.NDArray[np.float64]


def sing(piece: Piece, seconds: float, vowels: str = "aoeiu") -> Audio:
    """Sing a melody, one vowel after the other, with a vibrato of 5.5 Hz and 30 cents.

    Args:
        piece: The piece, of which the first voice is sung an octave lower.
        seconds: Length.
        vowels: Vowels of :data:`FORMANTS` in turn.
    """
    quarter = 60 / piece.tempo
    times = np.arange(round(seconds * RATE)) / RATE
    pitch, loud = np.full(len(times), 110.0), np.zeros(len(times))
    resonances = np.tile(np.array(FORMANTS[vowels[0]], float)[:, None], len(times))
    for n, note in enumerate(piece.voices[0]):
        place = slice(*(round(t * quarter * RATE) for t in (note.start, note.start + note.duration)))
        pitch[place] = 440 * 2 ** ((note.pitch - 12 - 69) / 12)
        resonances[:, place] = np.array(FORMANTS[vowels[n % len(vowels)]], float)[:, None]
        gap = slice(place.start, max(place.start, place.stop - round(0.06 * RATE)))
        loud[gap] = 1.0
    trembling = 2 ** (0.3 / 12 * np.sin(2 * np.pi * 5.5 * times))
    return _clip(_voice(_smooth(pitch) * trembling, _smooth(resonances), _smooth(loud)))


def speak(seconds: float, *, hertz: float, tract: float = 1.0, seed: int = 0) -> Audio:
    """Babble: syllables of a hiss or a pause and a vowel, 4 to 6 in a second, in phrases that fall in pitch.

    Args:
        seconds: Length.
        hertz: Pitch that the voice falls around.
        tract: Factor of the resonances: 1 for a man's, about 1.17 for a woman's shorter vocal tract.
        seed: Seed of the syllables.
    """
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * RATE)
    pitch, loud, hiss = np.full(n_samples, hertz), np.zeros(n_samples), np.zeros(n_samples)
    resonances = np.tile(np.array(FORMANTS["e"], float)[:, None], n_samples)
    at, phrase = 0.05, 0
    while at < seconds - 0.1:
        consonant, vowel = rng.uniform(0.04, 0.09), rng.uniform(0.09, 0.17)
        hissing, spoken = (
            slice(round(a * RATE), round(b * RATE))
            for a, b in ((at, at + consonant), (at + consonant, at + consonant + vowel))
        )
        hiss[hissing] = rng.choice([0.0, 1.0])
        loud[spoken] = rng.uniform(0.6, 1.0)
        pitch[hissing.start : spoken.stop] = hertz * (1.2 - 0.07 * phrase) * rng.uniform(0.94, 1.06)
        resonances[:, hissing.start : spoken.stop] = np.array(FORMANTS[rng.choice(list(FORMANTS))], float)[
            :, None
        ]
        at, phrase = at + consonant + vowel, phrase + 1
        if phrase > rng.integers(5, 9):
            at, phrase = at + rng.uniform(0.2, 0.35), 0
    voiced = _voice(_smooth(pitch), _smooth(resonances) * tract, _smooth(loud))
    noise = _shaped(rng.standard_normal(n_samples), 5500.0 * tract, 0.5)
    return _clip(voiced / np.abs(voiced).max() + 0.12 * noise / noise.std() * _smooth(hiss, 0.01))


def wind(seconds: float, seed: int = 0) -> Audio:
    """Make wind: low noise, and a band of noise that swells and falls."""
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * RATE)
    swell = np.interp(
        np.arange(n_samples) / RATE, np.arange(seconds + 2), rng.uniform(0.1, 1, int(seconds + 2))
    )
    low, high = (
        _shaped(rng.standard_normal(n_samples), hertz, width) for hertz, width in ((180, 1.2), (1100, 0.4))
    )
    return _clip(0.5 * low / low.std() + _smooth(swell, 0.5) * high / high.std())


def _voice(pitch: Array, resonances: Array, loud: Array) -> Array:
    """Add up harmonics, each as loud as source and resonances make it at its frequency.

    Args:
        pitch: Hz, (N,).
        resonances: First three resonances in Hz, (3, N).
        loud: Level, 0 to 1, (N,).
    """
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    fourth = np.full((1, len(pitch)), _FOURTH)
    made = np.zeros(len(pitch))
    for k in range(1, int(8000 / pitch.min())):
        hertz = k * pitch
        level = np.where(hertz < 8000, k**-2.0 * (1 + hertz / 500), 0.0)  # lips radiate high sound better
        for centre, width in zip(np.concatenate([resonances, fourth]), _BANDWIDTHS, strict=True):
            level = level * centre**2 / np.hypot(centre**2 - hertz**2, width * hertz)
        made += level * np.sin(k * phase)
    return made * loud


def _smooth(curve: Array, seconds: float = _GLIDE) -> Array:
    """Average over a Hann window, so that a step becomes a glide; along the last axis."""
    n = round(seconds * RATE)
    window = np.hanning(n + 2)[1:-1]
    size = curve.shape[-1] + n
    padded = np.pad(curve, [(0, 0)] * (curve.ndim - 1) + [(n // 2, n - n // 2)], mode="edge")
    spectrum = np.fft.rfft(padded) * np.fft.rfft(window / window.sum(), size)
    return np.asarray(np.fft.irfft(spectrum, size)[..., n - 1 : n - 1 + curve.shape[-1]])


def _shaped(noise: Array, hertz: float, octaves: float) -> Array:
    """Keep a band of noise around a frequency."""
    frequencies = np.maximum(np.fft.rfftfreq(len(noise), 1 / RATE), 1.0)
    gain = np.exp(-0.5 * (np.log2(frequencies / hertz) / octaves) ** 2)
    return np.asarray(np.fft.irfft(np.fft.rfft(noise) * gain, len(noise)))


def _clip(samples: Array) -> Audio:
    return Audio((samples * (_PEAK / np.abs(samples).max())).astype(np.float32), RATE)
