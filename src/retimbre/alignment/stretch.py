"""Changes of pitch and length of single notes.

Written by hand, as the libraries for it either bind a program that pip cannot install (Rubber Band) or bring
numba and scikit-learn with them (librosa); a note needs no more than WSOLA.
"""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

_WINDOW, _REACH = 0.04, 0.012
"""Seconds of a grain, and of the search for one that continues the last: a period of 80 Hz."""


def change_pitch(samples: Samples, ratio: float, rate: int) -> Samples:
    """Resample (N,) to (N / ratio,): all frequencies times ``ratio``, all times divided by it.

    Args:
        samples: Samples (N,).
        ratio: Ratio of the frequencies, positive.
        rate: Rate in Hz.
    """
    import soxr

    if abs(ratio - 1) < 1e-5:
        return samples.copy()
    changed: Samples = soxr.resample(samples, rate * ratio, rate)
    return changed


def bend(samples: Samples, semitones: npt.NDArray[np.float64], rate: int) -> Samples:
    """Bend the pitch: at sample n of the result (N,), frequencies are times ``2^(semitones[n] / 12)``.

    Args:
        samples: Samples (N,).
        semitones: Bend at every sample, (N,).
        rate: Rate in Hz.
    """
    places = np.cumsum(2 ** (semitones / 12)) - 1
    dense = change_pitch(samples, 0.5, rate)  # twice as dense, for a linear interpolation that is flat
    bent: Samples = np.interp(2 * places, np.arange(len(dense)), dense, right=0.0).astype(np.float32)
    return bent


def stretch(samples: Samples, n_samples: int, rate: int) -> Samples:
    """Lengthen or shorten samples (N,) to ``n_samples`` without a change of pitch.

    WSOLA (Verhelst and Roelands 1993): grains of 40 ms at equal steps in the result, each taken from
    within 12 ms of its place in the source where it correlates best with the continuation of the last one.

    Args:
        samples: Samples (N,).
        n_samples: Length of the result.
        rate: Rate in Hz.
    """
    step = round(_WINDOW * rate / 2)
    length, reach = 2 * step, round(_REACH * rate)
    if len(samples) < length + reach:
        return np.resize(samples, n_samples)
    window = np.hanning(length + 1)[:length].astype(np.float32)
    made = np.zeros(n_samples + 2 * length, np.float32)
    made[:step] = samples[:step] * (1 - window[:step])  # the first grain has none before it
    made[:length] += window * samples[:length]
    last, latest = len(samples) - length, 0
    for at in range(step, n_samples, step):
        place = min(round(at * len(samples) / n_samples), last)
        first, end = max(0, place - reach), min(last, place + reach)
        following = samples[latest + step :][:length]
        latest = first + _best_match(samples[first : end + len(following)], following)
        made[at : at + length] += window * samples[latest : latest + length]
    return made[:n_samples]


def _best_match(samples: Samples, grain: Samples) -> int:
    """Find the place in samples (N,) whose correlation with a grain (M,) is highest, 0 to N - M."""
    n_fft = 1 << (len(samples) - 1).bit_length()
    spectrum = np.fft.rfft(samples, n_fft) * np.conj(np.fft.rfft(grain, n_fft))
    n_places = len(samples) - len(grain) + 1
    correlation = np.fft.irfft(spectrum, n_fft)[:n_places]
    energy = np.cumsum(np.concatenate([[0.0], np.square(samples, dtype=np.float64)]))
    energy = energy[len(grain) :] - energy[:n_places]
    return int(np.argmax(correlation / np.sqrt(energy + 1e-9 * energy.max() + 1e-30)))
