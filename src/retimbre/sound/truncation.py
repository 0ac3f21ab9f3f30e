"""Truncated files of sound, found by the lengths in their own headers.

Decoders read a truncated file silently, or with a warning on stderr.
"""

import os
from pathlib import Path


def xing_bytes(path: Path) -> int:
    """Read the bytes of an MP3 stream from its Xing (or Info) header; 0 where there is none.

    Without that header the length of an MP3 is unknown.
    """
    with path.open("rb") as file:
        file.seek(_id3_bytes(file.read(10)))
        frame = file.read(256)
    if len(frame) < 2 or frame[0] != 0xFF or frame[1] < 0xE0:
        return 0
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 16 or not frame[at + 7] & 2:
        return 0
    field = at + 8 + 4 * (frame[at + 7] & 1)  # behind the number of frames, if that is there
    return int.from_bytes(frame[field : field + 4], "big")


def shorter_than(path: Path, announced: int) -> str:
    """Describe the fault of an MP3 more than 1 % shorter than announced (bytes); empty for others."""
    with path.open("rb") as file:
        start = _id3_bytes(file.read(10))
    size = path.stat().st_size - start
    return f"{size} of {announced} bytes are there" if size < 0.99 * announced else ""


def unfinished(path: Path) -> str:
    """Describe the fault of an Ogg stream that lacks its last page; empty for other files."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return ""
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - (1 << 17)))  # a page is shorter than 64 KiB
        tail = file.read()
    page = tail.rfind(b"OggS")
    n_segments = tail[page + 26] if len(tail) > page + 26 else 0
    length = 27 + n_segments + sum(tail[page + 27 : page + 27 + n_segments])
    whole = page >= 0 and len(tail) >= page + length and bool(tail[page + 5] & 4)
    return "" if whole else "the page that ends the stream is missing"


def _id3_bytes(head: bytes) -> int:
    """Read the bytes of an ID3v2 tag from its first ten; 0 where there is no tag."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + int("".join(f"{byte & 0x7F:07b}" for byte in head[6:10]), 2)
