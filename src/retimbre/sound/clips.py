"""Clips of any kind: opened, mixed, cut to excerpts, and brought to the working rate and level."""

import math
import os
from collections.abc import Iterator, Sequence
from numbers import Real
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
from retimbre.sound.stft import Window

Clip = Audio | str | os.PathLike[str] | tuple[Any, int]
"""A path, an :class:`Audio`, or (array of shape (N,) or (C, N), rate in Hz)."""

Mix = Sequence[tuple[Clip, float]]
"""Several clips with the weight of each, in a list or a tuple."""

WORKING_LOUDNESS = -20.0
"""LUFS at which the clips enter the network, so that a quiet recording weighs as much as a loud one
(``log1p`` is not invariant to level). Music mastered to -14 or -23 LUFS changes by a few dB."""

MAX_WORKING_RATE = 48_000
"""Hz. Content of a higher rate is resampled to this one and back; frequencies above 24 kHz, which are
inaudible, are left out."""

STYLE_SECONDS, N_EXCERPTS = 20.0, 8
"""Seconds of a style that are analysed, and the number of excerpts of a longer one, spread evenly over it."""


def as_sound(clip: Clip, name: str) -> Audio | Recording:
    """Open a clip and check that it has sound.

    Args:
        clip: The clip.
        name: Name of its role in errors, such as ``"style"``.

    Raises:
        InputError: no clip, or a silent one.
        AudioReadError: a path that cannot be read.
    """
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
        which = f"the {name} ({sound.path})" if isinstance(sound, Recording) else f"the {name}"
        raise InputError(
            f"{which} is silent, as no sample differs from the next: expected one with sound in it"
        )
    return sound


def as_mix(style: Clip | Mix) -> list[tuple[Audio | Recording, float]]:
    """Open one style or several, and normalise their weights to shares that sum to one.

    A style of weight 0 is not read.

    Raises:
        InputError: no pairs of clip and weight, weights that cannot be used, or as in :func:`as_sound`.
    """
    if not _is_mix(style):
        return [(as_sound(style, "style"), 1.0)]  # type: ignore[arg-type]
    pairs: list[tuple[Clip, float]] = []
    for item in style:  # type: ignore[union-attr]
        if not (isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Real)):
            raise InputError(f"the styles hold {_describe(item)}: expected pairs of a clip and its weight")
        pairs.append((item[0], float(item[1])))
    weights = [weight for _, weight in pairs]
    if not weights or not all(0 <= weight < math.inf for weight in weights) or sum(weights) == 0:
        raise InputError(
            f"the weights of the styles are {weights}: expected numbers of at least 0, not all 0"
        )
    return [(as_sound(clip, "style"), w / sum(weights)) for clip, w in pairs if w > 0]


def _is_mix(style: object) -> bool:
    """Tell several clips with weights from one clip, of which (samples, rate) is a tuple too."""
    if isinstance(style, tuple):
        return not (len(style) == 2 and isinstance(style[1], Real))
    return isinstance(style, Sequence) and not isinstance(style, (str, bytes))


def _describe(item: object) -> str:
    return f"a tuple of {len(item)}" if isinstance(item, tuple) else type(item).__name__


def input_paths(*clips: Clip | Mix) -> list[Path]:
    """List the files among clips and mixes."""
    flat: list[Any] = []
    for clip in clips:
        flat += [pair[0] for pair in clip] if _is_mix(clip) else [clip]  # type: ignore[index, union-attr]
    return [Path(clip) for clip in flat if isinstance(clip, (str, os.PathLike))]


def check_length(sound: Sound, name: str, settings: Settings) -> None:
    """Raise an InputError for a clip shorter than a window."""
    window = Window.at_rate(settings, sound.sample_rate, torch.device("cpu"))
    if sound.n_samples < window.n_fft:
        raise InputError(
            f"the {name} lasts {seconds(sound):.3f} s: expected at least one window, "
            f"{window.n_fft / sound.sample_rate:.3f} s"
        )


def excerpts(style: Sound, settings: Settings) -> list[Audio]:
    """Cut excerpts from a style: all of it, or of a long one ``N_EXCERPTS`` spread evenly over it."""
    check_length(style, "style", settings)
    rate, n_samples = style.sample_rate, style.n_samples
    places = [slice(0, n_samples)]
    if seconds(style) > STYLE_SECONDS:
        length = round(STYLE_SECONDS / N_EXCERPTS * rate)
        places = [slice(start, start + length) for start in _spread_starts(n_samples - length, N_EXCERPTS)]
    pieces = [Audio(samples, rate) for samples in blocks.pieces_at(style, places)]
    audible = [piece for piece in pieces if not piece.is_silent]
    if audible:
        return audible
    return [Audio(s, rate) for s in blocks.pieces_at(style, [_loudest_place(style, length)])]


def _spread_starts(last: int, n: int) -> Iterator[int]:
    return (int(start) for start in np.linspace(0, last, n))


def _loudest_place(sound: Sound, length: int) -> slice:
    """Find ``length`` samples around the highest peak, for a clip whose even excerpts are silent."""
    at, highest, start = 0, 0.0, 0
    for piece in sound.pieces(1 << 18):
        peaks = np.abs(piece).max(axis=0)
        if peaks.max() > highest:
            at, highest = start + int(peaks.argmax()), float(peaks.max())
        start += piece.shape[1]
    first = min(max(0, at - length // 2), sound.n_samples - length)
    return slice(first, first + length)


def normalized(clip: Audio, rate: int, *, floor: float = -math.inf) -> Tensor:
    """Resample a clip to the working rate and scale it to the working loudness.

    Args:
        clip: The clip.
        rate: Working rate in Hz.
        floor: Lowest loudness in LUFS that is assumed for it, which bounds the gain.

    Returns:
        Samples (C, N).
    """
    clip = clip.resampled(rate)
    gain = 10 ** ((WORKING_LOUDNESS - max(floor, loudness(clip))) / 20)
    return torch.from_numpy(clip.samples * np.float32(gain))
