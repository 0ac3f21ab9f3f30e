"""Sorted tables of LevelDB, in which TensorFlow's checkpoints lie: the values, out of files of strangers.

A footer of 48 bytes ends the file. It says where two blocks lie, each as (offset, size), and ends with
:data:`MAGIC`. The second block is the index, whose values say where the blocks of data lie. A block is

    entries: how many bytes of the last key are kept, follow them, and are in the value; those two
    uint32 for each place where keys start anew, and uint32: how many such places there are

and behind it stand a byte for the compression and a sum of all that. Other numbers are varints: seven bits a
byte, the lowest first (LevelDB, table_format.md).

Nothing is believed that does not lie within the file. Blocks may not overlap, so that the file's size bounds
the work. Nothing is copied. Errors are ``ValueError``, or :class:`UnreadError`.
"""

import struct
from collections.abc import Iterator

from retimbre.networks.crc32c import crc32c

MAGIC = bytes.fromhex("57fb808b247547db")
"""How a table ends."""

_FOOTER, _TRAILER = 48, 5  # bytes
_LONGEST = 10  # bytes of a varint of 64 bits


class UnreadError(Exception):
    """What is in order, but not read here."""


def values(data: memoryview) -> Iterator[memoryview]:
    """Give the values of a table in the order of their keys.

    Raises:
        ValueError: the table is damaged.
        UnreadError: it is compressed.
    """
    footer = part(data, len(data) - _FOOTER, _FOOTER)
    _, _, at = _handle(footer, 0)
    start, size, _ = _handle(footer, at)
    end = 0
    for entry in _entries(_block(data, start, size)):
        start, size, _ = _handle(entry, 0)
        if start < end:
            raise ValueError(f"the block at {start} starts in another")
        end = start + size + _TRAILER
        yield from _entries(_block(data, start, size))


def part(data: memoryview, start: int, size: int) -> memoryview:
    """Give some bytes, all of which have to be there."""
    if min(start, size) < 0 or start + size > len(data):
        raise ValueError(f"{size} bytes at {start} of {len(data)}")
    return data[start : start + size]


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read a whole number; give where it ends too.

    >>> varint(memoryview(bytes([0, 0x96, 0x01])), 1)
    (150, 3)
    """
    value = 0
    for k, byte in enumerate(data[at : at + _LONGEST]):
        value |= (byte & 127) << 7 * k
        if byte < 128:
            return value, at + k + 1
    raise ValueError(f"no end of the number at {at} of {len(data)}")


def _block(data: memoryview, start: int, size: int) -> memoryview:
    """Give the entries of a block."""
    block = part(data, start, size + _TRAILER)
    summed, (n_restarts, _, masked) = block[: size + 1], struct.unpack("<IBI", part(block, size - 4, 9))
    turned = (masked - 0xA282EAD8) % (1 << 32)  # a sum of bytes that hold sums is masked (crc32c.h)
    if crc32c(summed) != (turned >> 17 | turned << 15) % (1 << 32):
        raise ValueError(f"the sum of the block at {start} is wrong")
    if summed[size]:
        raise UnreadError("is a checkpoint of TensorFlow that is compressed")
    return part(block, 0, size - 4 - 4 * n_restarts)


def _entries(block: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(block):
        _, at = varint(block, at)
        n_key, at = varint(block, at)
        n_value, at = varint(block, at)
        yield part(block, at + n_key, n_value)
        at += n_key + n_value


def _handle(data: memoryview, at: int) -> tuple[int, int, int]:
    start, at = varint(data, at)
    size, at = varint(data, at)
    return start, size, at
