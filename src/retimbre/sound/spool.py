"""A temporary store of sound: written once, read as often as needed."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from retimbre.errors import RetimbreError
from retimbre.sound.audio import Samples, recut


class Spool(contextlib.AbstractContextManager["Spool"]):
    """Temporary sound, written once, piece by piece, and read as often as needed; a context manager.

    Args:
        sample_rate: Rate in Hz.
        n_channels: Number of channels, C.
        folder: Folder of a file without a name that holds the samples until the end of the context; they are
            in memory if ``None``.

    Raises:
        RetimbreError: the folder cannot hold it.
    """

    def __init__(self, sample_rate: int, n_channels: int, folder: Path | None = None) -> None:
        self.sample_rate, self.n_channels, self.n_samples = sample_rate, n_channels, 0
        self.is_silent = True
        self._parts: list[Samples] = []
        self._folder = folder
        try:
            self._file = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError as error:
            raise RetimbreError(f"{folder} cannot hold the samples: {error.strerror}") from error

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, samples: Samples) -> None:
        """Append samples (C, n)."""
        self.n_samples += samples.shape[1]
        self.is_silent = self.is_silent and not samples.any()
        if self._file is None:
            self._parts.append(samples)
        else:
            try:
                self._file.write(np.ascontiguousarray(samples.T, dtype=np.float32).tobytes())
            except OSError as error:
                raise RetimbreError(f"{self._folder} cannot hold the samples: {error.strerror}") from error

    def pieces(self, length: int) -> Iterator[Samples]:
        """Give the samples in pieces of shape (C, ``length``); the last may be shorter."""
        if self._file is None:
            yield from recut(self._parts, length)
            return
        size = 4 * self.n_channels
        for start in range(0, self.n_samples, length):
            self._file.seek(start * size)
            data = self._file.read(min(length, self.n_samples - start) * size)
            yield np.frombuffer(data, np.float32).reshape(-1, self.n_channels).T
