"""FLAC streams of unknown or wrong length (RFC 9639).

An encoder that writes to a pipe cannot go back to count its samples in the first block, STREAMINFO, and has
0 there. libsndfile cannot read such a stream, and where the number is too low it stops there. So they are
counted by the header of the last frame, which has the number of the frame or of its first sample.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from retimbre.sound.sections import Section

_START = b"fLaC\0\0\0\x22"  # the mark of a stream, and the head of a STREAMINFO of 34 bytes
_HEADER = 42
_LONGEST = 16  # bytes of a frame's header
_TAIL = 1 << 20  # a frame is shorter, but for 8 channels of 32 bits in blocks of 65 535


def sections(path: Path, start: int) -> Iterator[Section]:
    """Give the streams in a FLAC file, each with the number of its samples.

    Args:
        path: The file.
        start: First byte of the first stream.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        places = [start]
        while (at := data.find(_START, places[-1] + _HEADER)) >= 0:
            places.append(at)
        for place, end in zip(places, [*places[1:], len(data)], strict=True):
            yield _section(path, data, place, end)


def _section(path: Path, data: mmap.mmap, start: int, end: int) -> Section:
    header = bytearray(data[start : start + _HEADER])
    if len(header) < _HEADER or header[:8] != _START:
        return Section(path, start, end)
    announced = int.from_bytes(header[21:26], "big") & (1 << 36) - 1
    n_samples = _count(data, start, end)
    if n_samples is None or n_samples == announced:
        return Section(path, start, end)
    missing = f"{n_samples} of {announced} samples are there" if n_samples < announced else ""
    header[21] = header[21] & 0xF0 | n_samples >> 32
    header[22:26] = (n_samples & 0xFFFF_FFFF).to_bytes(4, "big")
    return Section(path, start + _HEADER, end, bytes(header), missing)


def _count(data: mmap.mmap, start: int, end: int) -> int | None:
    """Count the samples of a stream by its last frame; ``None`` where no frame is found."""
    at = start + 4
    while at + 4 <= end:  # the blocks before the frames
        is_last, at = data[at] & 0x80, at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        if is_last:
            break
    first = data[at : at + _LONGEST]
    if _samples_up_to(first, 0) is None:
        return None
    first_block = _block_size(first)
    tail = data[max(at, end - _TAIL) : end]
    found = len(tail)
    while (found := tail.rfind(first[:2], 0, found + 1)) >= 0:
        header = tail[found : found + _LONGEST]
        # The rate and the bits of a sample do not change from the first frame to the last.
        alike = len(header) > 3 and (header[2] ^ first[2]) & 0x0F == 0 == (header[3] ^ first[3]) & 0x0F
        n_samples = _samples_up_to(header, first_block) if alike else None
        if n_samples is not None:
            return n_samples
        found -= 1
    return None


def _samples_up_to(header: bytes, block_size: int) -> int | None:
    """Count the samples up to the end of a frame; ``None`` where the bytes are no header.

    Args:
        header: The header and some bytes more.
        block_size: Samples of each frame before, in a stream that numbers its frames.
    """
    n_bytes = next((n for n in range(8) if not header[4] << n & 0x80), 8) if len(header) > 4 else 8
    n_bytes = max(1, n_bytes)
    size_code = header[2] >> 4 if len(header) > 2 else 0
    length = 4 + n_bytes + {6: 1, 7: 2}.get(size_code, 0)
    length += {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0) if len(header) > 2 else 0
    if n_bytes > 7 or size_code == 0 or len(header) <= length or _crc8(header[:length]) != header[length]:
        return None
    number = header[4] & (0x7F if n_bytes == 1 else (1 << (7 - n_bytes)) - 1)
    for byte in header[5 : 4 + n_bytes]:
        number = number << 6 | byte & 0x3F
    return (number if header[1] & 1 else number * block_size) + _block_size(header)


def _block_size(header: bytes) -> int:
    """Read the number of samples of a frame."""
    code = header[2] >> 4
    if code in (6, 7):
        at = 4 + max(1, next(n for n in range(8) if not header[4] << n & 0x80))
        return int.from_bytes(header[at : at + code - 5], "big") + 1
    return 192 if code == 1 else 576 << (code - 2) if code < 6 else 256 << (code - 8)


def _crc8(data: bytes) -> int:
    """Compute the checksum of a frame's header: x^8 + x^2 + x + 1."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc
