"""Files of sound: reading and writing in pieces.

WAV, FLAC, Ogg (Vorbis, Opus) and MP3 go through libsndfile; M4A and other MPEG-4 sound through
PyAV, the extra ``av``. Files are written under a temporary name and renamed, so that a name never
holds half a file.
"""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retimbre._output import atomic, check_space, check_writable, is_stream, partial_path
from retimbre.errors import AudioReadError, InputError, shown
from retimbre.sound.audio import Audio, Samples, Sound, check_rate, collect, recut
from retimbre.sound.decoding import decoded
from retimbre.sound.pipes import STDIN, Copy

_FORMATS = {
    ".wav": ("WAV", "PCM_24"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
_BLOCK = 1 << 16  # frames per write: libsndfile's Vorbis encoder takes its work space from the stack


class Recording:
    """A file of sound that is read piece by piece, each time from its start.

    Opening reads it through once, so that every fault is known before the work.

    Args:
        path: WAV, FLAC, Ogg (Vorbis, Opus), MP3, or M4A with the extra ``av``. A pipe or a device is read
            once, into a temporary file; ``/dev/stdin`` is standard input.

    Attributes:
        path: Path of the file.
        sample_rate: Rate in Hz.
        n_channels: Number of channels, C.
        n_samples: Number of samples per channel, N.
        is_silent: Whether every sample is zero.

    Raises:
        AudioReadError: the file is missing, a folder, empty, truncated, not sound, or holds
            samples that cannot be used.
        DependencyError: an MPEG-4 file, and PyAV is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not os.fspath(path):
            raise AudioReadError("the name of a file is empty: expected a file of sound")
        self.path = path = Path(path)
        self._copy = Copy(path) if path == STDIN or is_stream(path) else None
        self._file = path if self._copy is None else self._copy.path
        try:
            with self._file.open("rb") as file:
                is_empty = not file.read(1)
        except FileNotFoundError as error:
            raise AudioReadError(f"{path} does not exist: expected a file of sound") from error
        except IsADirectoryError as error:
            raise AudioReadError(f"{path} is a folder: expected a file of sound") from error
        except (OSError, ValueError) as error:
            raise AudioReadError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error
        if is_empty:
            raise AudioReadError(f"{path} is empty: expected a file of sound")
        self.sample_rate = self.n_channels = self.n_samples = 0
        self.is_silent, finite = True, True
        for piece, sample_rate in decoded(self._file, str(path)):
            self.sample_rate = sample_rate
            self.n_channels = len(piece)
            self.n_samples += piece.shape[1]
            self.is_silent = self.is_silent and not piece.any()
            finite = finite and bool(np.isfinite(piece).all())
        try:
            if not self.n_samples:
                raise InputError("the clip has no samples")
            if not finite:
                raise InputError("the clip holds NaN or infinite samples")
            check_rate(self.sample_rate)
        except InputError as error:
            raise AudioReadError(f"{path} cannot be used: {error}") from error

    def pieces(self, length: int) -> Iterator[Samples]:
        """Give the samples in pieces of shape (C, ``length``); the last may be shorter."""
        return recut((piece for piece, _ in decoded(self._file, str(self.path))), length)


def read(path: str | os.PathLike[str]) -> Audio:
    """Read a file of sound into memory; formats and errors are those of :class:`Recording`."""
    return collect(Recording(path))


def check_output(
    path: str | os.PathLike[str],
    *,
    sample_rate: int,
    n_channels: int,
    inputs: Sequence[str | os.PathLike[str]] = (),
    format: str | None = None,
) -> None:
    """Check before the work that :func:`write` can write a file.

    Raises:
        InputError: unknown suffix or format; a pipe or a device; a rate or number of channels that the format
            cannot hold; the path is one of the ``inputs``; the folder is missing or cannot be written to.
    """
    import soundfile

    check_writable(path)
    path = Path(path)
    container, encoding = _format(path, format)
    if is_stream(path):
        raise InputError(f"{path} is a pipe or a device: expected the name of a file")
    if any(path.exists() and path.samefile(other) for other in inputs):
        raise InputError(f"{path} is one of the inputs: expected another name for the output")
    try:
        soundfile.write(
            io.BytesIO(), np.zeros((1, n_channels)), sample_rate, format=container, subtype=encoding
        )
    except soundfile.LibsndfileError as error:
        raise InputError(
            f".{format or path.suffix[1:]} cannot hold {n_channels} channels at {sample_rate} Hz, which the "
            "content has: write .wav"
        ) from error


def write(path: str | os.PathLike[str], sound: Sound, *, format: str | None = None) -> None:
    """Write a file of sound, whole or not at all; the suffix says the format, unless it is given.

    WAV and FLAC get 24 bits. Samples beyond full scale are clipped.

    Args:
        path: ``.wav``, ``.flac``, ``.ogg`` (Vorbis), ``.opus`` or ``.mp3``.
        sound: Sound to write: an :class:`Audio`, or any other :class:`Sound`.
        format: ``"wav"``, ``"flac"``, ``"ogg"``, ``"opus"`` or ``"mp3"``, for another suffix.

    Raises:
        InputError: an unknown suffix or format, a rate or number of channels that the format cannot hold, or
            a folder that is missing or cannot be written to.
        RetimbreError: writing failed half-way; nothing is left.
    """
    import soundfile

    check_output(path, sample_rate=sound.sample_rate, n_channels=sound.n_channels, format=format)
    container, encoding = _format(Path(path), format)
    options: dict[str, Any] = {"format": container, "subtype": encoding}
    if encoding in ("VORBIS", "MPEG_LAYER_III"):
        options["compression_level"] = 0.1  # near the best quality; the encoders' own default is middling
    with atomic(path) as temporary, temporary.open("w+b", buffering=0) as file:
        sink = _Sink(file)
        with soundfile.SoundFile(sink, "w", sound.sample_rate, sound.n_channels, **options) as encoder:
            for piece in sound.pieces(_BLOCK):
                encoder.write(piece.T)
        sink.check()


@dataclass(frozen=True)
class Output:
    """File to write.

    Attributes:
        path: Its name.
        format: Its format, such as ``"wav"``.
    """

    path: Path
    format: str

    @classmethod
    def checked(
        cls,
        path: str | os.PathLike[str],
        format: str | None,
        sound: Sound,
        *,
        inputs: Sequence[str | os.PathLike[str]],
    ) -> "Output":
        """Check before the work that a sound's like can be written; raise as :func:`check_output` does.

        The disk must have room for samples and output.
        """
        check_output(
            path,
            sample_rate=sound.sample_rate,
            n_channels=sound.n_channels,
            inputs=inputs,
            format=format,
        )
        path = Path(path)
        check_space(path.parent, (4 + 3) * sound.n_channels * sound.n_samples)
        return cls(path, format_of(path, format))


def deliver(sound: Sound, output: Output | None, *, is_partial: bool = False) -> Audio | Path:
    """Write a sound to a file, or bring it into memory where there is none.

    A partial one is written beside the file, which keeps what it held.
    """
    if output is None:
        return collect(sound)
    path = partial_path(output.path) if is_partial else output.path
    write(path, sound, format=output.format)
    return path


class _Sink:
    """A file for libsndfile, which ignores errors of its last writes; keeps the first to raise it later."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def write(self, data: bytes) -> int:
        """Write all bytes, or keep the error."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = self._error or error
        return len(data)

    def check(self) -> None:
        """Raise the first error that was kept."""
        if self._error is not None:
            raise self._error


def format_of(path: Path, format: str | None) -> str:
    """Give the format of an output, which its suffix says unless it is given.

    Raises:
        InputError: no format that is written.
    """
    suffix = path.suffix.lower() if format is None else f".{format}"
    if suffix not in _FORMATS:
        given = (
            f"the format is {shown(format)}" if format is not None else f"{path} has the suffix {suffix!r}"
        )
        expected = _FORMATS if format is None else [each[1:] for each in _FORMATS]
        raise InputError(f"{given}: expected one of {', '.join(expected)}")
    return suffix[1:]


def _format(path: Path, format: str | None) -> tuple[str, str]:
    return _FORMATS[f".{format_of(path, format)}"]
