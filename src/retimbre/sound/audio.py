"""Sound: a recording in memory, and what it has in common with one that comes in pieces."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from retimbre.errors import InputError, shown
from retimbre.settings import plain
from retimbre.sound import player

Samples = npt.NDArray[np.float32]
"""float32 of shape (C, N); full scale is [-1, 1]."""

MIN_RATE, MAX_RATE = 8_000, 192_000
"""Sample rates that are read and written, in Hz."""


class Sound(Protocol):
    """Sound that can be read from start to end, as often as needed, in pieces.

    A file and what is made from it are never in memory as a whole.
    """

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""

    @property
    def n_channels(self) -> int:
        """Number of channels, C."""

    @property
    def n_samples(self) -> int:
        """Number of samples per channel, N."""

    def pieces(self, length: int) -> Iterator[Samples]:
        """Give the samples in pieces of shape (C, ``length``); the last may be shorter."""


SILENCE = 2.0**-31
"""Extent of a sound below which it is silence: a step of samples of 32 bits, 187 dB below full scale."""


class Extent:
    """Extent of a sound that comes in pieces: from the lowest sample of each channel to its highest.

    A constant, however high, is silence, and so are the remnants of a computation, such as subnormal numbers.
    """

    def __init__(self) -> None:
        self._low: npt.NDArray[np.float32] | float = np.inf
        self._high: npt.NDArray[np.float32] | float = -np.inf

    def add(self, piece: Samples) -> None:
        """Take in samples (C, n)."""
        if piece.shape[1]:
            # The channels of a file alternate: four times as slow as it is.
            piece = np.ascontiguousarray(piece)
            self._low = np.minimum(self._low, piece.min(axis=1))
            self._high = np.maximum(self._high, piece.max(axis=1))

    @property
    def is_finite(self) -> bool:
        """Whether no sample is NaN or infinite."""
        return bool(np.isfinite(self._low).all() and np.isfinite(self._high).all())

    @property
    def is_silent(self) -> bool:
        """Whether no channel extends further than :data:`SILENCE`."""
        return not (np.subtract(self._high, self._low) > SILENCE).any()


def is_silent(samples: Samples) -> bool:
    """Tell whether nothing moves in samples (C, n).

    >>> [is_silent(np.full((1, 9), value, np.float32)) for value in (0, 0.5, 1e-40)]
    [True, True, True]
    """
    extent = Extent()
    extent.add(samples)
    return extent.is_silent


@dataclass(frozen=True, eq=False)
class Audio:
    """A recording.

    ``np.asarray`` gives its samples. A notebook shows it with a player and its waveform. It can be pickled.

    Args:
        samples: float32 of shape (C, N); anything of shape (N,) or (C, N) that NumPy can read is converted,
            and so is a tensor of any device. Full scale is [-1, 1], of whole numbers that of their type: 8
            bits without sign, or 16 or 32 with one.
        sample_rate: Rate in Hz, 8000 to 192 000.

    Raises:
        InputError: no samples, NaN or infinite samples, another shape or type, a rate out of range.

    >>> tone = Audio(np.zeros((2, 22050)), 22050)
    >>> tone.n_channels, tone.n_samples, tone.seconds
    (2, 22050, 1.0)
    """

    samples: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        check_rate(self.sample_rate)
        samples = np.atleast_2d(_full_scale(_array(self.samples)))
        if samples.ndim != 2 or samples.shape[0] > samples.shape[1] > 0:
            raise InputError(
                f"samples have shape {samples.shape}: expected (channels, samples) or (samples,)"
            )
        if samples.size == 0:
            raise InputError("the clip has no samples")
        if not np.isfinite(samples).all():
            raise InputError("the clip holds NaN or infinite samples")
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "sample_rate", int(self.sample_rate))

    @property
    def n_channels(self) -> int:
        """Number of channels, C."""
        return int(self.samples.shape[0])

    @property
    def n_samples(self) -> int:
        """Number of samples per channel, N."""
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.n_samples / self.sample_rate

    @property
    def is_silent(self) -> bool:
        """Whether nothing in it moves (:class:`Extent`)."""
        return is_silent(self.samples)

    def pieces(self, length: int) -> Iterator[Samples]:
        """Give the samples in pieces of shape (C, ``length``); the last may be shorter."""
        for start in range(0, self.n_samples, length):
            yield self.samples[:, start : start + length]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Give the samples (C, N) to NumPy: the array itself, or a copy where the type or ``copy`` asks."""
        return as_array(self.samples, dtype, copy)

    def _repr_html_(self) -> str:
        """Show the clip in a notebook: a player of its first minute, and its waveform."""
        return player.page(self)

    def resampled(self, sample_rate: int) -> "Audio":
        """Give the same sound at another rate (Hz), of ``round(N * ratio)`` samples."""
        if sample_rate == self.sample_rate:
            return self
        import soxr

        n_samples = max(1, round(self.n_samples * sample_rate / self.sample_rate))
        samples = soxr.resample(self.samples.T, self.sample_rate, sample_rate).T
        return Audio(fix_length(samples, n_samples), sample_rate)


_PCM = {
    np.dtype(np.uint8): (128, 128),
    np.dtype(np.int16): (0, 1 << 15),
    np.dtype(np.int32): (0, 1 << 31),
}
"""Zero and full scale of whole numbers, by their type."""


def _array(samples: object) -> npt.NDArray[Any]:
    """Turn samples into an array; a tensor leaves its device and its gradient behind."""
    if hasattr(samples, "detach"):
        tensor: Any = samples
        tensor = tensor.detach().cpu()
        samples = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    try:
        return np.asarray(samples)
    except (TypeError, ValueError) as error:
        raise InputError(f"the samples are not numbers: {shown(error)}") from error


def _full_scale(samples: npt.NDArray[Any]) -> Samples:
    """Bring samples of any type to float32 with a full scale of one."""
    if samples.dtype in _PCM:
        zero, full = _PCM[samples.dtype]
        return ((samples.astype(np.float64) - zero) / full).astype(np.float32)
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return samples.astype(np.float32, copy=False)
    what = "of type" if samples.dtype.kind in "iu" else "not numbers:"
    raise InputError(
        f"the samples are {what} {samples.dtype}: expected floats with a full scale of 1, or whole numbers "
        "of 8 bits without sign or of 16 or 32 bits with one"
    )


def check_rate(sample_rate: object) -> None:
    """Raise an InputError for a rate (Hz) that is out of range or no whole number."""
    if getattr(sample_rate, "shape", ()) or isinstance(sample_rate, Sequence):
        raise InputError(f"the sample rate is {shown(sample_rate)}: expected (samples, rate), in this order")
    rate = plain(sample_rate)
    if rate is None or not MIN_RATE <= rate <= MAX_RATE or rate % 1:
        raise InputError(
            f"the sample rate is {shown(sample_rate)} Hz: "
            f"expected {MIN_RATE} to {MAX_RATE} Hz, a whole number"
        )


def as_array(samples: Samples, dtype: npt.DTypeLike | None, copy: bool | None) -> npt.NDArray[Any]:
    """Give samples as ``__array__`` has to, under NumPy 1 and 2.

    Args:
        samples: The samples.
        dtype: Type; their own if ``None``.
        copy: Whether to copy; where it is needed if ``None``. Without a copy that is needed NumPy 2 raises a
            ValueError.
    """
    if copy is None:
        return np.asarray(samples, dtype=dtype)
    return np.array(samples, dtype=dtype, copy=copy)


def seconds(sound: Sound) -> float:
    """Duration in seconds."""
    return sound.n_samples / sound.sample_rate


def collect(sound: Sound) -> Audio:
    """Bring a sound into memory."""
    whole = np.empty((sound.n_channels, sound.n_samples), np.float32)
    start = 0
    for piece in sound.pieces(1 << 20):
        whole[:, start : start + piece.shape[1]] = piece
        start += piece.shape[1]
    return Audio(whole, sound.sample_rate)


def recut(pieces: Iterable[Samples], length: int) -> Iterator[Samples]:
    """Cut pieces (C, n) of any lengths anew, into pieces of ``length`` and a shorter one at the end.

    >>> [piece.shape for piece in recut(np.zeros((3, 1, 5)), 6)]
    [(1, 6), (1, 6), (1, 3)]
    """
    waiting: list[Samples] = []
    n_waiting = 0
    for piece in pieces:
        waiting.append(piece)
        n_waiting += piece.shape[1]
        while n_waiting >= length:
            whole = np.concatenate(waiting, axis=1) if len(waiting) > 1 else waiting[0]
            yield whole[:, :length]
            waiting, n_waiting = [whole[:, length:]], n_waiting - length
    if n_waiting:
        yield np.concatenate(waiting, axis=1)


def fix_length(samples: Samples, n_samples: int) -> Samples:
    """Cut samples (C, N), or fill them with silence at the end, to ``n_samples``."""
    missing = n_samples - samples.shape[1]
    return np.pad(samples, ((0, 0), (0, missing))) if missing > 0 else samples[:, :n_samples]
