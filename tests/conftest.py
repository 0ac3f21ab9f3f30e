"""Sounds that several test modules need.

Fixtures, because pytest's import mode gives test modules no way to import each other.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

Samples = npt.NDArray[np.float32]


@pytest.fixture(scope="session")
def tone() -> Callable[..., Samples]:
    """Make a steady sine: frequency in Hz, seconds, rate in Hz, amplitude; every channel the same."""

    def make(
        frequency: float,
        seconds: float,
        sample_rate: int = 22_050,
        *,
        channels: int = 1,
        amplitude: float = 0.5,
    ) -> Samples:
        time = np.arange(round(seconds * sample_rate)) / sample_rate
        wave = amplitude * np.sin(2 * np.pi * frequency * time)
        return np.repeat(wave[None], channels, axis=0).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def sweeps() -> Callable[..., Samples]:
    """Make a slow sweep per channel, each in a band of its own.

    Nothing in a sweep repeats, so that a correlation finds delays and swapped channels. The last
    of six channels is the one for low frequencies, of which lossy formats keep those alone.
    """

    def make(seconds: float, sample_rate: int, channels: int = 1) -> Samples:
        time = np.arange(round(seconds * sample_rate)) / sample_rate
        starts = [300.0 * 1.4**i for i in range(channels)]
        if channels == 6:
            starts[5] = 30.0
        phases = [start * (time + 0.5 * time**2 / seconds) for start in starts]
        return np.stack([0.3 * np.sin(2 * np.pi * phase) for phase in phases]).astype(np.float32)

    return make
