"""Quantisation: samples to whole numbers of 16 or 24 bits, to 16 with dither.

Dither is the sum of two uniform random numbers of a step each (TPDF), after which the mean and the variance
of the error do not depend on the sound (Lipshitz, Wannamaker and Vanderkooy 1992). At 24 bits the error, 149
dB below full scale, is below the noise of every converter, and is left as it is.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from retimbre.sound.audio import Samples, Sound

_SEED = 0
_BLOCK = 1 << 16


class Quantiser:
    """Quantisation of a sound that comes in pieces.

    The same sound gives the same numbers, however it is cut. A sample of exactly 0 stays 0: digital silence
    has no error to be spread.

    Args:
        bits: 16 or 24.
        is_dithered: Whether dither is added.
        limit: Highest absolute value that a number may stand for; full scale if ``None``.

    >>> Quantiser(16, is_dithered=False)(np.float32([[0.5, -1.0, 2.0, 0.0]])) >> 16
    array([[ 16384, -32768,  32767,      0]], dtype=int32)
    """

    def __init__(self, bits: int, *, is_dithered: bool, limit: float | None = None) -> None:
        self._steps, self._shift = 1 << (bits - 1), 32 - bits
        self._highest = self._steps - 1 if limit is None else int(limit * self._steps)
        self._lowest = -self._steps if limit is None else -self._highest
        self._random = np.random.Generator(np.random.PCG64(_SEED)) if is_dithered else None

    def __call__(self, samples: Samples) -> npt.NDArray[np.int32]:
        """Give the numbers of samples (C, N), in the upper bits of 32."""
        scaled = samples.astype(np.float64) * self._steps
        if self._random is not None:
            drawn = self._random.random((samples.shape[1], samples.shape[0], 2))
            scaled += np.where(samples == 0, 0.0, drawn.sum(axis=2).T - 1)
        numbers = np.clip(np.rint(scaled), self._lowest, self._highest)
        return np.left_shift(numbers.astype(np.int32), self._shift)


def is_quantised(sound: Sound, bits: int) -> bool:
    """Tell whether every sample of a sound is a number of so many bits already, such as those of a file."""
    steps = np.float32(1 << (bits - 1))

    def fits(samples: npt.NDArray[Any]) -> bool:
        scaled = samples * steps
        return bool(np.array_equal(scaled, np.rint(scaled)))

    return all(fits(piece) for piece in sound.pieces(_BLOCK))
