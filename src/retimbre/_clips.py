"""What comes in: clips of any kind, and what the networks hear of them."""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retimbre.errors import InputError
from retimbre.settings import Settings
from retimbre.sound import blocks
from retimbre.sound.audio import Audio, Sound, seconds
from retimbre.sound.files import Recording
from retimbre.sound.loudness import loudness
from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import Window, log_magnitude

Clip = Audio | str | os.PathLike[str] | tuple[Any, int]
"""A path, an :class:`Audio`, or (array of shape (N,) or (C, N), rate in Hz)."""

Mix = Sequence[tuple[Clip, float]]
"""Several clips with the weight of each."""

WORKING_LOUDNESS = -20.0
"""LUFS at which the clips enter the network, so that a quiet recording weighs as much as a loud one
(``log1p`` is not indifferent to level). Music mastered to -14 or -23 LUFS is moved by a few dB."""

MAX_WORKING_RATE = 48_000
"""Hz. Content of a higher rate is worked on at this one and brought back; what it holds above
24 kHz, which nobody hears, is left out."""

STYLE_SECONDS, N_EXCERPTS = 20.0, 8
"""Seconds of a style that are heard, and in how many pieces where it is longer: spread evenly over it."""


def as_sound(clip: Clip, name: str) -> Audio | Recording:
    """Open a clip and check that it can be used; ``name`` is what errors call it."""
    sound: Audio | Recording
    try:
        if isinstance(clip, Audio):
            sound = clip
        elif isinstance(clip, (str, os.PathLike)):
            sound = Recording(clip)
        else:
            sound = Audio(*clip)
    except InputError as error:
        raise InputError(f"the {name} cannot be used: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the {name} is {type(clip).__name__}: expected a path, an Audio, or (samples, rate)"
        ) from error
    if sound.is_silent:
        raise InputError(f"the {name} is silent: expected a clip with sound in it")
    return sound


def as_mix(style: Clip | Mix) -> list[tuple[Sound, float]]:
    """Open one style or several, and turn weights into shares that sum to one.

    A style of weight 0 has no part in the result and is not read.
    """
    if not isinstance(style, list):
        return [(as_sound(style, "style"), 1.0)]  # type: ignore[arg-type]
    weights = [weight for _, weight in style]
    if not weights or not all(0 <= w < np.inf for w in weights) or sum(weights) == 0:
        raise InputError(
            f"the weights of the styles are {weights}: expected numbers of at least 0, not all 0"
        )
    return [(as_sound(clip, "style"), w / sum(weights)) for clip, w in style if w > 0]


def paths(*clips: object) -> list[Path]:
    """Those of several clips, or clips with weights, that are files."""
    flat = [pair[0] if isinstance(pair, tuple) else pair for c in clips for pair in _listed(c)]
    return [Path(clip) for clip in flat if isinstance(clip, (str, os.PathLike))]


def _listed(clip: object) -> list[Any]:
    return clip if isinstance(clip, list) else [clip]


def device(settings: Settings) -> torch.device:
    """Where to compute."""
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise InputError("device is cuda: no CUDA device is there, use auto or cpu")
    return torch.device("cuda" if there and settings.device != "cpu" else "cpu")


def check_length(sound: Sound, name: str, settings: Settings) -> None:
    """Raise an InputError for a clip shorter than a window."""
    window = Window.at_rate(settings, sound.sample_rate, torch.device("cpu"))
    if sound.n_samples < window.n_fft:
        raise InputError(
            f"the {name} lasts {seconds(sound):.3f} s: expected at least one window, "
            f"{window.n_fft / sound.sample_rate:.3f} s"
        )


def excerpts(style: Sound, settings: Settings) -> list[Audio]:
    """The style itself, or of a long one pieces spread evenly over it."""
    check_length(style, "style", settings)
    rate, n_samples = style.sample_rate, style.n_samples
    places = [slice(0, n_samples)]
    if seconds(style) > STYLE_SECONDS:
        length = round(STYLE_SECONDS / N_EXCERPTS * rate)
        places = [slice(start, start + length) for start in _spread(n_samples - length, N_EXCERPTS)]
    pieces = [Audio(samples, rate) for samples in blocks.windows(style, places)]
    sounding = [piece for piece in pieces if not piece.is_silent]
    if sounding:
        return sounding
    return [Audio(s, rate) for s in blocks.windows(style, [_around_the_peak(style, length)])]


def _spread(last: int, n: int) -> Iterator[int]:
    return (int(start) for start in np.linspace(0, last, n))


def _around_the_peak(sound: Sound, length: int) -> slice:
    """Where the ``length`` samples around the loudest are: in a clip whose sound the even spread misses."""
    at, highest, start = 0, 0.0, 0
    for piece in sound.pieces(1 << 18):
        peaks = np.abs(piece).max(axis=0)
        if peaks.max() > highest:
            at, highest = start + int(peaks.argmax()), float(peaks.max())
        start += piece.shape[1]
    first = min(max(0, at - length // 2), sound.n_samples - length)
    return slice(first, first + length)


def levelled(clip: Audio, rate: int, *, floor: float = -math.inf) -> Tensor:
    """Samples (C, N) of a clip at the working rate and loudness; ``floor`` (LUFS) bounds the gain."""
    clip = clip.resampled(rate)
    gain = 10 ** ((WORKING_LOUDNESS - max(floor, loudness(clip))) / 20)
    return torch.from_numpy(clip.samples * np.float32(gain))


def analyse(clip: Audio, rate: int, window: Window, *, floor: float = -math.inf) -> Tensor:
    """Complex bins (C, F, T) of a clip at the working rate and loudness."""
    return window.stft(levelled(clip, rate, floor=floor).to(window.device))


def spectrogram(bins: Tensor) -> Tensor:
    """What networks see of complex bins (C, F, T): compressed, all channels as one, (F, T)."""
    return log_magnitude(joint_magnitude(bins))
