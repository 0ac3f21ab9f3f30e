"""Ogg streams: those that follow one another in a file, and ones that lack their end (RFC 3533).

A decoder stops at the end of the first of several, as radio is recorded; each is given to it by itself.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from retimbre.sound.sections import Section


def sections(path: Path) -> Iterator[Section]:
    """Give the streams of an Ogg file that follow one another; mostly the file itself."""
    places, fault = _links(path)
    if fault:
        yield Section(path, damage=fault)
        return
    if len(places) < 2:
        yield Section(path, missing=_unfinished(path) if places == [0] else "")
        return
    ends = [*places[1:], path.stat().st_size]
    for number, (start, end) in enumerate(zip(places, ends, strict=True), start=1):
        yield Section(path, start, end, missing=_unfinished(path) if number == len(places) else "")


def _links(path: Path) -> tuple[list[int], str]:
    """Find where the streams of an Ogg file begin that follow one another, in bytes; and a fault of theirs.

    A decoder passes over a page that is there twice, whatever is in it.
    """
    starts, was_first, at = [], False, 0
    fault, last = "", dict[bytes, int]()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while 0 <= at <= len(data) - 27:
            if data[at : at + 4] != b"OggS":
                at = data.find(b"OggS", at)
                continue
            is_first = bool(data[at + 5] & 2)
            if is_first and not was_first:  # several in a row are one beside the other
                starts.append(at)
                last.clear()
            stream, number = data[at + 14 : at + 18], int.from_bytes(data[at + 18 : at + 22], "little")
            if number <= last.get(stream, -1):
                fault = f"page {number} of its stream is there twice, or out of order"
            last[stream] = number
            was_first, n_segments = is_first, data[at + 26]
            at += 27 + n_segments + sum(data[at + 27 : at + 27 + n_segments])
    return starts, fault


def _unfinished(path: Path) -> str:
    """Describe the fault of a file that lacks its last page; empty for others."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - (1 << 17)))  # a page is shorter than 64 KiB
        tail = file.read()
    page = tail.rfind(b"OggS")
    n_segments = tail[page + 26] if len(tail) > page + 26 else 0
    length = 27 + n_segments + sum(tail[page + 27 : page + 27 + n_segments])
    whole = page >= 0 and len(tail) >= page + length and bool(tail[page + 5] & 4)
    return "" if whole else "the page that ends the stream is missing"
