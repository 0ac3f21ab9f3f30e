"""Sections of a file: what a decoder is given to read a stream to its end.

A decoder takes the length of a stream from its header. Where that does not say it, or says it wrongly, the
decoder gets the bytes of the stream behind a header that does.
"""

import io
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Section:
    """Part of a file that a decoder reads by itself.

    Attributes:
        path: The file.
        start: First byte of the part.
        end: Byte after the last; ``None`` for the whole file as it is.
        prefix: Bytes that the decoder is given before the part.
        missing: Fault of a part that is truncated; empty for one that is not.
        damage: Fault of a part that is damaged otherwise; likewise.
        is_exact: Whether its header counts its samples exactly.
    """

    path: Path
    start: int = 0
    end: int | None = None
    prefix: bytes = b""
    missing: str = ""
    damage: str = ""
    is_exact: bool = True

    def opened(self) -> io.RawIOBase | io.BufferedReader:
        """Open it for reading; the caller closes it."""
        if self.end is None:
            return self.path.open("rb")
        return _Part(self.path, self.start, self.end, self.prefix)


class _Part(io.RawIOBase):
    """Part of a file, behind some bytes; for reading."""

    def __init__(self, path: Path, start: int, end: int, prefix: bytes) -> None:
        self._file, self._start, self._prefix, self._at = path.open("rb"), start, prefix, 0
        self._size = len(prefix) + end - start

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; one before the start is the start."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        """Give the place."""
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Read into a buffer; 0 bytes at the end."""
        n_prefix, length = len(self._prefix), max(0, min(len(buffer), self._size - self._at))
        piece = self._prefix[self._at : self._at + length]
        if len(piece) < length:  # a decoder takes fewer bytes than it asked for as the end
            self._file.seek(self._start + max(0, self._at - n_prefix))
            piece += self._file.read(length - len(piece))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
