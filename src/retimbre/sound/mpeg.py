"""MP3 streams, found by their frames (ISO/IEC 11172-3, 2.4.1).

A decoder takes the length of a stream without a Xing header, as recorders, radio and old encoders write it,
for the file's size over the first frame's, which is short by any factor where the bit rate varies. So the
frames are counted by the four bytes at the start of each, and the decoder gets the header that the stream
lacks. Streams that follow one another are given to it one by one.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retimbre.sound.sections import Section

_BIT_RATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s of layer 3 by their index, of MPEG 1 and of the lower rates of MPEG 2 and 2.5."""
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Hz by the index of the version."""
_HEADER_RATE = 5  # index of 64 and of 40 kbit/s: a frame that is long enough for the header at any rate
_LEAST = 3  # frames in a row that make a stream
_JUNK = 1000  # bytes between frames that a decoder passes over
_START = 1 << 20  # bytes before the first frame, behind a tag


@dataclass
class _Stream:
    """Frames in a row, of one rate and number of channels."""

    start: int
    header: bytes
    xing: tuple[int, int] | None
    n_frames: int = 0
    n_bytes: int = 0
    end: int = 0

    def add(self, at: int, length: int) -> None:
        """Count a frame."""
        self.n_frames, self.n_bytes, self.end = self.n_frames + 1, self.n_bytes + length, at + length


def sections(path: Path, start: int = 0, end: int | None = None) -> Iterator[Section]:
    """Give the MP3 streams in a part of a file, each with a header that says its length; none may be there.

    Args:
        path: The file.
        start: First byte of the part.
        end: Byte after its last; the end of the file if ``None``.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = len(data) if end is None else min(end, len(data))
        tag = start + id3_bytes(data[start : start + 10])
        streams = _streams(data, tag, end) or (_streams(data, start, end) if tag > start else [])
        for stream in streams:
            yield _section(path, data, stream, end)


def _section(path: Path, data: mmap.mmap, stream: _Stream, end: int) -> Section:
    start, stop = stream.start, min(stream.end, end)
    if stream.xing is not None:
        n_frames, n_bytes = stream.xing
        if end - start < 0.99 * n_bytes:
            return Section(path, start, stop, missing=f"{end - start} of {n_bytes} bytes are there")
        if stream.n_frames <= n_frames + 1:  # the header itself is not counted
            return Section(path, start, stop)
        first = frame_bytes(stream.header)  # it is wrong: the stream goes on behind its announced end
        start, stream.n_frames, stream.n_bytes = start + first, stream.n_frames - 1, stream.n_bytes - first
    # The length of a stream that was counted here is that of whole frames, and the last may be torn.
    return Section(path, start, stop, _xing(stream), is_exact=False)


def _streams(data: mmap.mmap, at: int, end: int) -> list[_Stream]:
    """Find the streams between two bytes."""
    found: list[_Stream] = []
    in_step, first = False, at
    while 0 <= at <= end - 4 and (found or at - first < _START):
        length = frame_bytes(data[at : at + 4])
        if length and (in_step or _follow(data, at, end, any_number=not found)):
            stream, xing = (found[-1] if found else None), _read_xing(data[at : at + 256])
            alike = stream is not None and _alike(stream.header, data[at : at + 4])
            if stream is None or xing is not None or not alike or at - stream.end > _JUNK:
                if in_step and not alike and not _follow(data, at, end):
                    in_step, at = False, data.find(b"\xff", at + 1, end if found else first + _START)
                    continue
                stream = _Stream(at, data[at : at + 4], xing)
                found.append(stream)
            stream.add(at, length)
            in_step, at = True, at + length
        else:
            in_step, at = False, data.find(b"\xff", at + 1, end if found else first + _START)
    return found


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


def _alike(header: bytes, other: bytes) -> bool:
    """Tell whether two frames have the same version, rate and number of channels."""
    mono = header[3] >> 6 == 3, other[3] >> 6 == 3
    return not (header[1] ^ other[1]) & 0x18 and not (header[2] ^ other[2]) & 0x0C and mono[0] == mono[1]


def _follow(data: mmap.mmap, at: int, end: int, *, any_number: bool = False) -> bool:
    """Tell whether frames follow one another from here, as no chance of bytes does; to the end if fewer."""
    first = data[at : at + 4]
    for _ in range(_LEAST):
        header = data[at : at + 4]
        length = frame_bytes(header)
        if not length or not _alike(first, header):
            return False
        at += length
        if at + 4 > end:
            return any_number
    return True


def _read_xing(frame: bytes) -> tuple[int, int] | None:
    """Read the numbers of frames and of bytes of a stream from its Xing (or Info) header."""
    version, mono = frame[1] >> 3 & 3, frame[3] >> 6 == 3
    at = 4 + ((17 if mono else 32) if version == 3 else (9 if mono else 17))
    if frame[at : at + 4] not in (b"Xing", b"Info") or len(frame) < at + 16 or frame[at + 7] & 3 != 3:
        return None
    return int.from_bytes(frame[at + 8 : at + 12], "big"), int.from_bytes(frame[at + 12 : at + 16], "big")


def _xing(stream: _Stream) -> bytes:
    """Make a frame of silence with a Xing header, in the stream's own version, rate and channels."""
    first = stream.header
    header = bytes([0xFF, first[1] | 1, _HEADER_RATE << 4 | first[2] & 0x0C, first[3]])
    one, mono = first[1] >> 3 & 3 == 3, first[3] >> 6 == 3
    side = (17 if mono else 32) if one else (9 if mono else 17)
    length = frame_bytes(header)
    numbers = stream.n_frames.to_bytes(4, "big") + (stream.n_bytes + length).to_bytes(4, "big")
    return (header + bytes(side) + b"Xing" + (3).to_bytes(4, "big") + numbers).ljust(length, b"\0")


def id3_bytes(head: bytes) -> int:
    """Read the bytes of an ID3v2 tag from its first ten; 0 where there is no tag."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + int("".join(f"{byte & 0x7F:07b}" for byte in head[6:10]), 2)
