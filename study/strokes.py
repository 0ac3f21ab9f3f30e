"""Strokes of an output against the target's, one by one: what is struck, and how long it rings.

When a stroke falls is known from the score, so that none is sought. Both clips count at the same power.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retimbre.errors import InputError
from retimbre.sound.audio import Audio
from retimbre.sound.mel import slaney_mel

SECONDS = 0.2
"""Length of what is compared from each onset; the next stroke may begin within it, in both clips alike."""
FLOOR = 40.0
"""dB below the highest band of a stroke in the target: anything lower counts as so low."""
FALL = 20.0
"""dB below its peak at which a stroke has died away."""

_N_BANDS, _LOWEST = 40, 40.0  # mel bands, and Hz of their lowest edge
_WINDOW, _HOP = 0.0232, 0.005  # s: short for an attack, so that bass drums share two or three bands
_PEAK, _LONGEST = 0.05, 1.0  # s from the onset to the peak, and to the end of the search for the fall
_SHORTEST = 0.01  # s: a fall that is quicker is as quick for the window

Levels = npt.NDArray[np.float64]


def compare_strokes(output: Audio, target: Audio, onsets: Sequence[float]) -> dict[str, float]:
    """Compare the strokes at known onsets.

    Args:
        output: Clip to be judged, one channel.
        target: The right answer, at the same rate.
        onsets: Seconds at which both are struck; strokes at one onset are one.

    Returns:
        ``stroke``: mean absolute difference in dB of the mel bands over :data:`SECONDS` from the onset, where
        either clip is above the floor, then the mean over the strokes. ``fall``: mean absolute difference in
        octaves of the times in which the level falls by :data:`FALL` dB from its peak, at most until the next
        onset. Empty without onsets.

    Raises:
        InputError: a clip is silent, or the rates differ.
    """
    if output.sample_rate != target.sample_rate:
        raise InputError(f"the output has {output.sample_rate} Hz: expected {target.sample_rate}")
    n_samples = min(output.n_samples, target.n_samples)
    ours, theirs = (_bands(clip, n_samples) for clip in (output, target))
    hop = round(_HOP * target.sample_rate) / target.sample_rate
    times = [onset for onset in sorted(set(onsets)) if round(onset / hop) < ours.shape[1]]
    strokes, falls = [], []
    for onset, following in zip(times, [*times, np.inf][1:], strict=True):
        first = round(onset / hop)
        mine, its = (
            10 * np.log10(clip[:, first : first + round(SECONDS / hop)] + 1e-12) for clip in (ours, theirs)
        )
        floor = its.max() - FLOOR
        heard = np.maximum(mine, its) > floor
        strokes.append(np.abs(np.maximum(mine, floor) - np.maximum(its, floor))[heard].mean())
        last = first + max(int(min(following - onset - _WINDOW / 2, _LONGEST) / hop), 1)
        quick, slow = (_fall(clip[:, first:last].sum(axis=0), hop) for clip in (ours, theirs))
        falls.append(abs(np.log2(quick / slow)))
    return {"stroke": float(np.mean(strokes)), "fall": float(np.mean(falls))} if strokes else {}


def _fall(power: Levels, hop: float) -> float:
    """Measure the seconds from the peak of a stroke (T,) to where it stays ``FALL`` dB lower."""
    peak = int(np.argmax(power[: max(1, round(_PEAK / hop))]))
    loud = np.flatnonzero(power[peak:] >= power[peak] * 10 ** (-FALL / 10))
    return max(float(loud[-1] + 1) * hop, _SHORTEST)


def _bands(audio: Audio, n_samples: int) -> Levels:
    """Compute the power in mel bands (bands, T) over that of the clip; frames are centred at their times."""
    samples = audio.samples[:, :n_samples].mean(axis=0, dtype=np.float64)
    power = np.square(samples).mean()
    if power == 0:
        raise InputError("the clip is silent: expected sound")
    n_fft, hop = 2 * round(_WINDOW * audio.sample_rate / 2), round(_HOP * audio.sample_rate)
    padded = np.pad(samples / np.sqrt(power), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    spectrum = np.square(np.abs(np.fft.rfft(frames * np.hanning(n_fft + 1)[:-1], axis=1))).T
    bank = slaney_mel(_N_BANDS, n_fft, audio.sample_rate, _LOWEST, audio.sample_rate / 2).double().numpy()
    bands: Levels = bank.T @ spectrum / n_fft
    return bands
