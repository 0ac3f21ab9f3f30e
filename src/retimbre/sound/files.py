"""Files of sound: reading and writing in pieces.

WAV, FLAC, Ogg (Vorbis, Opus) and MP3 go through libsndfile; M4A and other MPEG-4 sound through
PyAV, the extra ``av``. Files are written under a temporary name and renamed, so that a name never
holds half a file.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from retimbre._output import as_path, atomic, check_writable, is_stream
from retimbre.errors import AudioReadError, InputError, shown
from retimbre.settings import Settings, check_settings
from retimbre.sound.audio import Audio, Extent, Samples, Sound, check_rate, collect, recut
from retimbre.sound.decoding import bits_of, decoded
from retimbre.sound.encoding import FORMATS, Encoding, check_format, encode, format_of
from retimbre.sound.metadata import Metadata
from retimbre.sound.pipes import STDIN, Copy
from retimbre.sound.tags import write_metadata

_ATTEMPTS = 5  # at a level that a codec does not overshoot; the second is enough nearly always
_UNDER = 10 ** (-0.02 / 20)


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
        is_silent: Whether nothing in it moves (:class:`retimbre.sound.audio.Extent`).
        bits: Bits of its samples (:func:`retimbre.sound.decoding.bits_of`).

    Raises:
        AudioReadError: the file is missing, a folder, empty, truncated, not sound, or holds
            samples that cannot be used.
        DependencyError: an MPEG-4 file, and PyAV is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path = as_path(path, "the file")
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
        extent = Extent()
        for piece, sample_rate in decoded(self._file, str(path)):
            self.sample_rate = sample_rate
            self.n_channels = len(piece)
            self.n_samples += piece.shape[1]
            extent.add(piece)
        try:
            if not self.n_samples:
                raise InputError("the clip has no samples")
            if not extent.is_finite:
                raise InputError("the clip holds NaN or infinite samples")
            check_rate(self.sample_rate)
        except InputError as error:
            raise AudioReadError(f"{path} cannot be used: {error}") from error
        self.is_silent = extent.is_silent
        self.bits = bits_of(self._file)

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
        InputError: unknown suffix or format; a pipe or a device; a number of channels that the format cannot
            hold; the path is one of the ``inputs``; the folder is missing or cannot be written to.
    """
    check_writable(path)
    path = Path(path)
    check_format(format_of(path, format), sample_rate=sample_rate, n_channels=n_channels)
    if is_stream(path):
        raise InputError(f"{path} is a pipe or a device: expected the name of a file")
    if any(path.exists() and path.samefile(other) for other in inputs):
        raise InputError(f"{path} is one of the inputs: expected another name for the output")


def write(
    path: str | os.PathLike[str], sound: Sound, *, format: str | None = None, settings: Settings | None = None
) -> None:
    """Write a file of sound, whole or not at all; the suffix says the format, unless it is given.

    WAV and FLAC get 24 bits, or those of the file that the sound is, unless the settings say otherwise, and
    samples over full scale are clipped. Opus and MP3, which have few rates, get the next higher one that they
    have, or their highest.

    Args:
        path: ``.wav``, ``.flac``, ``.ogg`` (Vorbis), ``.opus`` or ``.mp3``.
        sound: Sound to write: an :class:`Audio`, or any other :class:`Sound`.
        format: ``"wav"``, ``"flac"``, ``"ogg"``, ``"opus"`` or ``"mp3"``, for another suffix.
        settings: ``bits`` and ``quality``; their defaults if ``None``.

    Raises:
        InputError: an unknown suffix or format, bits or a number of channels that the format cannot hold, or
            a folder that is missing or cannot be written to.
        RetimbreError: writing failed half-way; nothing is left.
    """
    if not all(hasattr(sound, name) for name in ("pieces", "sample_rate", "n_channels")):
        raise InputError(f"the sound is {shown(sound)} ({type(sound).__name__}): expected an Audio")
    check_output(path, sample_rate=sound.sample_rate, n_channels=sound.n_channels, format=format)
    encoding = Encoding.of(format_of(Path(path), format), check_settings(settings), kept_bits(sound))
    write_encoded(Path(path), sound, encoding, limit=None)


def kept_bits(sound: Sound) -> str:
    """Give the bits that a file keeps of a sound: those of its own file, or 24."""
    return getattr(sound, "bits", "24")


def write_encoded(
    path: Path, sound: Sound, encoding: Encoding, *, limit: float | None, metadata: Metadata | None = None
) -> tuple[int, float, tuple[str, ...]]:
    """Write a file; give the number of samples that were clipped, the gain, and what metadata it cannot hold.

    With a limit no sample of the file as decoded again is over it: codecs overshoot, loud noise by decibels,
    and are then given less, by as much.
    """
    with atomic(path) as temporary:
        n_over, gain = _encode(path, temporary, sound, encoding, limit)
        if metadata is None and encoding.bits != "float":
            return n_over, gain, ()
        return n_over, gain, write_metadata(temporary, encoding.format, metadata or Metadata("", 0))


def _encode(
    path: Path, temporary: Path, sound: Sound, encoding: Encoding, limit: float | None
) -> tuple[int, float]:
    is_lossy = FORMATS[encoding.format].is_lossy
    with temporary.open("w+b", buffering=0) as file:
        gain = 1.0
        for _ in range(_ATTEMPTS):
            file.seek(0)
            file.truncate()
            n_over = encode(sound, file, encoding, gain=gain, limit=limit)
            if limit is None or not is_lossy:
                break
            peak = max(float(np.abs(piece).max(initial=0)) for piece, _ in decoded(temporary, str(path)))
            if peak <= limit:
                break
            gain *= limit / peak * _UNDER
    return n_over, gain
