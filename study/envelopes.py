"""Envelopes of the partials and the noise between them, of an output against the target, note by note.

Where a partial of the score lies is known, so that nothing is transcribed: its level is the largest within 35
cents and a bin of its place, wide enough for a piano's stretched partials and a vibrato. Both clips count at
the same power.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retimbre.errors import InputError
from retimbre.sound.audio import Audio
from study.pairs import Sounding

N_PARTIALS = 10
"""Partials of a note that are compared, where they are below Nyquist's frequency by 500 Hz."""
FLOOR = 30.0
"""dB below a note's highest level in the target: anything lower counts as so low."""
ATTACK = 0.1
"""Seconds of a note's attack; the rest is its decay."""
NOISE_BAND = (200.0, 6000.0)
"""Hz between which noise is compared."""

_BEFORE, _AFTER = 0.01, 0.15  # seconds around a note that are its own too
_HOP = 0.01  # s
_HANN = (0.5, 0.5)  # coefficients of its cosines, as many as bins from the middle of its lobe to the edge
_HARRIS = (0.35875, 0.48829, 0.14128, 0.01168)  # Blackman-Harris: a partial leaks 92 dB below itself, not 31
_WINDOW, _NOISE_WINDOW = 0.0464, 0.1858  # s: times for the envelopes, bins between the partials for the noise
_CENTS = 35  # of a partial around its place
_CLEAR = 1.5  # lobes from a partial to a bin of noise
_QUIETEST = -80.0  # dB of the clip's root mean square: noise as low as counts

Levels = npt.NDArray[np.float64]


class Spectrogram(NamedTuple):
    """Levels of a clip in dB of its root mean square, (F, T), and their spacings in Hz and seconds."""

    levels: Levels
    hertz: float
    seconds: float

    def frames(self, start: float, end: float) -> slice:
        """Find the frames from ``start`` to ``end`` in seconds, both within the clip."""
        first, last = (int(np.ceil(at / self.seconds - 1e-9)) for at in (start, end))
        return slice(max(first, 0), max(min(last, self.levels.shape[1]), 0))


def compare_envelopes(output: Audio, target: Audio, score: Sequence[Sounding]) -> dict[str, float]:
    """Compare the envelopes of the notes' partials.

    For each note and each of its partials, the mean over the frames from 10 ms before the onset to 150 ms
    after the end (or to the next note of the same pitch) of the absolute difference of the levels, then the
    mean over the partials, then over the notes. Frames are left out in which a partial of another sounding
    note is nearer than the main lobe of a bin, and those in which both clips are below the floor: instruments
    that are silent most of the time would be near to each other by that alone.

    Args:
        output: Clip to be judged, one channel.
        target: The score on the right instrument, at the same rate.
        score: Notes that both play.

    Returns:
        dB: ``error``, and its two parts: ``attack`` of the first 100 ms and ``decay`` of the rest. A part for
        which no note has a frame is left out.

    Raises:
        InputError: a clip is silent, or the rates differ.
    """
    ours, theirs = _spectrograms(output, target, _WINDOW, _HANN)
    found: dict[str, list[float]] = {"error": [], "attack": [], "decay": []}
    notes = sorted(set(score))
    for note in notes:
        begin, end = note.onset - _BEFORE, note.end + _AFTER
        again = [other.onset for other in notes if other.pitch == note.pitch and other.onset > note.onset]
        frames = ours.frames(begin, min([end, *(onset - _BEFORE for onset in again)]))
        times = np.arange(frames.start, frames.stop) * ours.seconds
        partials = _partials(note.pitch, output.sample_rate / 2 - 500)[:N_PARTIALS]
        alone = np.array([_alone(partial, times, note, notes, ours.hertz) for partial in partials])
        if not alone.any():
            continue
        levels = [
            np.array([_level(spectrum, partial, frames) for partial in partials])
            for spectrum in (ours, theirs)
        ]
        floor = levels[1][alone].max() - FLOOR
        apart = np.abs(np.maximum(levels[0], floor) - np.maximum(levels[1], floor))
        alone &= np.maximum(*levels) > floor
        early = times < note.onset + ATTACK
        for name, part in (("error", early | ~early), ("attack", early), ("decay", ~early)):
            means = [row[kept].mean() for row, kept in zip(apart, alone & part, strict=True) if kept.any()]
            if means:
                found[name].append(float(np.mean(means)))
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def compare_noise(output: Audio, target: Audio, score: Sequence[Sounding]) -> dict[str, float]:
    """Compare the levels of the noise between the partials, from 200 Hz to 6 kHz, while notes sound.

    The bins are those further than one and a half lobes and 35 cents from all partials of the notes around.
    Their levels in dB are averaged in each of the bands of an octave.

    Args:
        output: Clip to be judged, one channel.
        target: The score on the right instrument, at the same rate.
        score: Notes that both play.

    Returns:
        dB: ``noise``, the mean over the bands of output less target, positive where there is too much; and
        ``noise_absolute``, the mean of the bands' absolute values. Nothing where no bin is free.

    Raises:
        InputError: a clip is silent, or the rates differ.
    """
    ours, theirs = _spectrograms(output, target, _NOISE_WINDOW, _HARRIS)
    hertz = np.arange(len(ours.levels)) * ours.hertz
    free = np.zeros(ours.levels.shape, dtype=bool)
    for note in score:
        free[:, ours.frames(note.onset, note.end)] = True
    free[(hertz < NOISE_BAND[0]) | (hertz > NOISE_BAND[1])] = False
    for note in set(score):
        # Within a quarter of the window from its middle it is above -13 dB.
        frames = ours.frames(note.onset - _NOISE_WINDOW / 4, note.end + _AFTER + _NOISE_WINDOW / 4)
        for partial in _partials(note.pitch, NOISE_BAND[1] * 1.1):
            width = _CLEAR * len(_HARRIS) * ours.hertz + _width(partial)
            free[np.abs(hertz - partial) < width, frames] = False
    apart = np.maximum(ours.levels, _QUIETEST) - np.maximum(theirs.levels, _QUIETEST)
    octaves = np.floor(np.log2(np.maximum(hertz, 1) / NOISE_BAND[0]))
    bands = [
        float(apart[octaves == k][free[octaves == k]].mean())
        for k in range(int(np.log2(NOISE_BAND[1] / NOISE_BAND[0])) + 1)
        if free[octaves == k].any()
    ]
    if not bands:
        return {}
    return {"noise": float(np.mean(bands)), "noise_absolute": float(np.abs(bands).mean())}


def _spectrograms(
    output: Audio, target: Audio, seconds: float, window: Sequence[float]
) -> tuple[Spectrogram, Spectrogram]:
    if output.sample_rate != target.sample_rate:
        raise InputError(f"the output has {output.sample_rate} Hz: expected {target.sample_rate}")
    n_samples = min(output.n_samples, target.n_samples)
    return _spectrogram(output, n_samples, seconds, window), _spectrogram(target, n_samples, seconds, window)


def _spectrogram(audio: Audio, n_samples: int, seconds: float, terms: Sequence[float]) -> Spectrogram:
    """Compute levels, frames centred at multiples of 10 ms; a sinusoid has its amplitude's."""
    samples = audio.samples[:, :n_samples].mean(axis=0, dtype=np.float64)
    level = np.sqrt(np.square(samples).mean())
    if level == 0:
        raise InputError("the clip is silent: expected sound")
    n_fft, hop = 2 * round(seconds * audio.sample_rate / 2), round(_HOP * audio.sample_rate)
    phase = 2 * np.pi * np.arange(n_fft) / n_fft
    window = sum((-1) ** k * term * np.cos(k * phase) for k, term in enumerate(terms))
    padded = np.pad(samples / level, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1)).T * (2 / window.sum())
    levels = 20 * np.log10(np.maximum(magnitude, 1e-8))
    return Spectrogram(levels, audio.sample_rate / n_fft, hop / audio.sample_rate)


def _fundamental(pitch: int) -> float:
    return 440.0 * float(2.0 ** ((pitch - 69) / 12))


def _partials(pitch: int, highest: float) -> Levels:
    first = _fundamental(pitch)
    return np.arange(1.0, int(highest / first) + 1) * first


def _width(partial: float) -> float:
    """Compute how far in Hz a partial may lie from its place."""
    return float(partial * (2 ** (_CENTS / 1200) - 1))


def _level(spectrum: Spectrogram, partial: float, frames: slice) -> Levels:
    """Find the highest level within reach of a partial, (T,) over the frames."""
    reach = max(_width(partial), spectrum.hertz)
    low, high = (round((partial + side * reach) / spectrum.hertz) for side in (-1, 1))
    highest: Levels = spectrum.levels[max(low, 1) : high + 1, frames].max(axis=0)
    return highest


def _alone(
    partial: float, times: Levels, note: Sounding, notes: Sequence[Sounding], hertz: float
) -> npt.NDArray[np.bool_]:
    """Find the frames in which no other note has a partial within reach, (T,)."""
    alone = np.ones(len(times), dtype=bool)
    for other in notes:
        if other.pitch == note.pitch:
            continue
        first = _fundamental(other.pitch)
        nearest = max(round(partial / first), 1) * first
        if abs(nearest - partial) < len(_HANN) * hertz + _width(partial):
            alone &= (times < other.onset - _BEFORE) | (times >= other.end + _AFTER)
    return alone
