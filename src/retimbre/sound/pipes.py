"""Pipes, devices and standard input: read once, into a temporary file that can be read again."""

import contextlib
import io
import os
import tempfile
import weakref
from pathlib import Path

from retimbre._output import check_space, remove_stale, temporary_path
from retimbre.errors import AudioReadError, RetimbreError
from retimbre.sound.kinds import other_kind

STDIN = Path("/dev/stdin")
"""Path that stands for standard input, on every system."""

_PIECE = 1 << 20
_CHECKED = 1 << 26  # bytes between two looks at the disk


class Copy:
    """Temporary copy of what comes from a pipe or a device; removed with the object, or by :meth:`remove`.

    Args:
        source: The pipe, or :data:`STDIN`. It is opened once.

    Attributes:
        path: The copy.

    Raises:
        AudioReadError: nothing comes, what comes is no sound, or it cannot be read.
        RetimbreError: the disk of temporary files is full.
    """

    def __init__(self, source: Path) -> None:
        folder = Path(tempfile.gettempdir())
        remove_stale(folder)
        self.path = temporary_path(folder)
        self.remove = weakref.finalize(self, _unlink, self.path)
        try:
            with self.path.open("xb", buffering=0) as file, _opened(source) as stream:
                n_bytes = 0
                while piece := _read(stream.fileno()):
                    if not n_bytes and (kind := other_kind(piece)):
                        raise AudioReadError(f"{source} cannot be read as sound: it gives {kind}")
                    if n_bytes % _CHECKED + len(piece) >= _CHECKED:
                        check_space(folder, 2 * _CHECKED)
                    _write(file.fileno(), piece, folder)
                    n_bytes += len(piece)
        except OSError as error:
            self.remove()
            raise AudioReadError(f"{source} cannot be read: {error.strerror}") from error
        except BaseException:
            self.remove()
            raise
        if not n_bytes:
            self.remove()
            raise AudioReadError(f"{source} is empty: expected sound from it")


def _opened(source: Path) -> io.FileIO:
    if source == STDIN:
        return io.FileIO(os.dup(0))
    return io.FileIO(source)


def _read(number: int) -> bytes:
    """Read a piece; whole where bytes come in small ones, so that its start can be judged."""
    piece = b""
    while len(piece) < _PIECE and (more := os.read(number, _PIECE - len(piece))):
        piece += more
    return piece


def _write(number: int, piece: bytes, folder: Path) -> None:
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[os.write(number, rest) :]
    except OSError as error:
        raise RetimbreError(f"{folder} cannot hold the sound from a pipe: {error.strerror}") from error


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
