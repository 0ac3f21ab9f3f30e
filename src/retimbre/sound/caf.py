"""CAF files whose numbers of samples contradict each other (Apple, Core Audio Format Specification 1.0).

Of compressed sound the packet table counts packets and samples; a decoder believes the latter, and loses the
end where it is too small.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from retimbre.sound.sections import Section


def sections(path: Path) -> Iterator[Section]:
    """Give what a decoder reads of a CAF file."""
    yield _section(path)


def _section(path: Path) -> Section:
    size, at, per_packet = path.stat().st_size, 8, 0
    table: tuple[int, ...] = ()
    with path.open("rb") as file:
        while 0 < at <= size - 12:
            file.seek(at)
            name, length = struct.unpack(">4sq", file.read(12))
            if name == b"desc":
                per_packet = int.from_bytes(file.read(24)[20:], "big")
            elif name == b"pakt" and len(head := file.read(24)) == 24:
                table = struct.unpack(">qqii", head)
            if length < 0:  # up to the end of the file
                break
            if name == b"data" and at + 12 + length > size:
                return Section(path, missing=f"{size - at - 12} of {length} bytes of samples are there")
            at += 12 + length
    if not per_packet or not table or not table[0]:
        return Section(path)
    n_packets, n_samples, before, after = table
    if n_packets * per_packet == n_samples + before + after:
        return Section(path)
    return Section(path, damage=f"{n_packets} packets of {per_packet} samples do not make up {n_samples}")


def encoding(path: Path) -> str:
    """Name the encoding of a CAF file by the four letters that its first chunk has."""
    with path.open("rb") as file:
        letters = file.read(32)[28:].decode("ascii", "replace").strip()
    return letters if len(letters) > 1 and letters.isalnum() else "an unknown encoding"
