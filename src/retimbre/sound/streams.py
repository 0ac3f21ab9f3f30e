"""Streams that do not tell their own length: what a decoder has to be given to read them to their end.

**MP3 without a Xing header**, as streams, recorders and old encoders write it: a decoder takes its length for
the file's size over the first frame's, which is short by any factor where the bit rate varies. So the frames
are counted by the four bytes at the start of each (ISO/IEC 11172-3, 2.4.1.3), and the decoder gets the header
that the stream lacks. **Chained Ogg** (RFC 3533, 4), one stream after the other, as radio is recorded: a
decoder stops at the end of the first, so that each is given to it by itself.
"""

import contextlib
import io
import mmap
from collections.abc import Iterator
from pathlib import Path

_BIT_RATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s of layer 3 by their index, of MPEG 1 and of the lower rates of MPEG 2 and 2.5."""
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Hz by the index of the version."""
_HEADER_RATE = 5  # index of 64 and of 40 kbit/s: a frame that is long enough for the header at any rate
_OTHERS = b"RIFF", b"RIFX", b"RF64", b"fLaC", b"FORM"  # what begins a file of another kind
_LEAST = 3  # frames in a row that make a stream


def sections(path: Path) -> Iterator[Path | io.RawIOBase]:
    """Give the parts of a file that a decoder reads one after the other; mostly the file itself."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] == b"OggS":
        places = _links(path)
        if len(places) > 1:
            ends = [*places[1:], path.stat().st_size]
            yield from (_Section(path, start, end) for start, end in zip(places, ends, strict=True))
            return
    elif head[:4] not in _OTHERS and head[4:8] != b"ftyp":
        found = _frames(path)
        if found is not None:
            start, first, n_frames, n_bytes = found
            yield _Section(path, start, path.stat().st_size, _xing(first, n_frames, n_bytes))
            return
    yield path


def opened(section: Path | io.RawIOBase) -> contextlib.AbstractContextManager[Path | io.RawIOBase]:
    """Give a context at whose end a section is closed."""
    return contextlib.nullcontext(section) if isinstance(section, Path) else contextlib.closing(section)


def _links(path: Path) -> list[int]:
    """Find where the streams of an Ogg file begin that follow one another, in bytes."""
    starts, was_first, at = [], False, 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while 0 <= at <= len(data) - 27:
            if data[at : at + 4] != b"OggS":
                at = data.find(b"OggS", at)
                continue
            is_first = bool(data[at + 5] & 2)
            if is_first and not was_first:  # several in a row are one beside the other
                starts.append(at)
            was_first, n_segments = is_first, data[at + 26]
            at += 27 + n_segments + sum(data[at + 27 : at + 27 + n_segments])
    return starts


def frame_bytes(header: bytes) -> int:
    """Read the length of a frame of layer 3 from its header of four bytes; 0 where they are none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bit_rate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bit_rate in (0, 15) or rate == 3:
        return 0
    one = version == 3
    slots = (144_000 if one else 72_000) * _BIT_RATES[one][bit_rate] // _RATES[version][rate]
    return slots + (header[2] >> 1 & 1)


def _frames(path: Path) -> tuple[int, bytes, int, int] | None:
    """Find the first frame of a stream: its place and header, the number of frames, and their bytes."""
    n_frames = n_bytes = start = at = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while 0 <= at <= len(data) - 4:
            length = frame_bytes(data[at : at + 4])
            if length and (n_frames or _runs(data, at)):
                start = start if n_frames else at
                n_frames, n_bytes, at = n_frames + 1, n_bytes + length, at + length
            else:
                at = data.find(b"\xff", at + 1)
        return (start, data[start : start + 4], n_frames, n_bytes) if n_frames else None


def _runs(data: mmap.mmap, at: int) -> bool:
    """Tell whether frames follow one another from here, as no chance of bytes does."""
    for _ in range(_LEAST):
        length = frame_bytes(data[at : at + 4])
        if not length:
            return False
        at += length
        if at + 4 > len(data):
            break
    return True


def _xing(first: bytes, n_frames: int, n_bytes: int) -> bytes:
    """Make a frame of silence with a Xing header, in the stream's own version, rate and channels."""
    header = bytes([0xFF, first[1] | 1, _HEADER_RATE << 4 | first[2] & 0x0C, first[3]])
    one, mono = first[1] >> 3 & 3 == 3, first[3] >> 6 == 3
    side = (17 if mono else 32) if one else (9 if mono else 17)
    length = frame_bytes(header)
    fields = (
        b"Xing" + (3).to_bytes(4, "big") + n_frames.to_bytes(4, "big") + (n_bytes + length).to_bytes(4, "big")
    )
    return (header + bytes(side) + fields).ljust(length, b"\0")


class _Section(io.RawIOBase):
    """Part of a file, behind some bytes; for reading."""

    def __init__(self, path: Path, start: int, end: int, prefix: bytes = b"") -> None:
        self._file, self._start, self._prefix, self._at = path.open("rb"), start, prefix, 0
        self._size = len(prefix) + end - start

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        """Give the place."""
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Read into a buffer; 0 bytes at the end."""
        n_prefix, length = len(self._prefix), max(0, min(len(buffer), self._size - self._at))
        if self._at < n_prefix:
            piece = self._prefix[self._at : self._at + length]
        else:
            self._file.seek(self._start + self._at - n_prefix)
            piece = self._file.read(length)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
