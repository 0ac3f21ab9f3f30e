"""Chunks of a WAV file beside its samples: tags (``LIST INFO``), cue points with their names, and others.

RIFF by the specification of Microsoft and IBM (1991). Decoders pass over them. Written by hand, as mutagen,
which writes tags elsewhere, knows no chunk but that of ID3.
"""

import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Chunk = tuple[bytes, bytes]
"""Name of four bytes, and content."""

KEPT = (b"LIST", b"cue ", b"smpl", b"inst", b"bext", b"iXML", b"cart", b"acid", b"id3 ", b"ID3 ")
"""Chunks that say something of the sound that a transfer leaves as it is: names, places, loops, tempo."""

_OF_THE_SAMPLES = (
    b"fmt ",
    b"data",
    b"fact",
    b"PEAK",
    b"JUNK",
    b"junk",
    b"PAD ",
    b"FLLR",
    b"ds64",
    b"levl",
    b"MD5 ",
)
_LONGEST = 1 << 26  # bytes
_LARGEST = (1 << 32) - 9  # bytes of a RIFF file


def read_chunks(path: Path) -> tuple[list[Chunk], list[str]]:
    """Read the chunks that are kept, and name those that are not; nothing of what is no WAV."""
    kept: list[Chunk] = []
    others: list[str] = []
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return [], []
        while len(head := file.read(8)) == 8 and all(32 <= byte < 127 for byte in head[:4]):
            name, length = struct.unpack("<4sI", head)
            if name in KEPT and length <= _LONGEST:
                kept.append((name, file.read(length)))
                file.seek(length % 2, os.SEEK_CUR)
            else:
                if name not in _OF_THE_SAMPLES:
                    others.append(name.decode("ascii").strip())
                file.seek(length + length % 2, os.SEEK_CUR)
    return kept, others


def append_chunks(path: Path, chunks: Iterable[Chunk]) -> bool:
    """Append chunks to a WAV file; give whether it can hold them. The time in its peaks is set to 0.

    libsndfile writes the time of the day beside the peaks of a file of floats, after which the same samples
    would have other bytes.
    """
    added = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    with path.open("r+b") as file:
        at = file.read(1 << 12).find(b"PEAK")
        if at > 0:
            file.seek(at + 12)
            file.write(bytes(4))
        size = file.seek(0, os.SEEK_END)
        if size + size % 2 + len(added) > _LARGEST:
            return False
        file.write(b"\0" * (size % 2) + added)
        size = file.tell()
        file.seek(4)
        file.write(struct.pack("<I", size - 8))
    return True


def read_info(data: bytes) -> dict[str, str]:
    """Read the tags of a ``LIST INFO`` chunk, by their names of four letters."""
    found = {}
    at = 4
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        text = data[at + 8 : at + 8 + length].rstrip(b"\0")
        try:
            found[name.decode("ascii", "replace")] = text.decode("utf-8")
        except UnicodeDecodeError:
            found[name.decode("ascii", "replace")] = text.decode("latin-1")
        at += 8 + length + length % 2
    return found


def info_chunk(tags: Mapping[str, str]) -> Chunk:
    """Make a ``LIST INFO`` chunk.

    >>> read_info(info_chunk({"INAM": "Allegro"})[1])
    {'INAM': 'Allegro'}
    """
    return b"LIST", b"INFO" + b"".join(_text(name.encode("ascii"), text) for name, text in tags.items())


def read_cues(chunks: Iterable[Chunk]) -> list[tuple[int, str]]:
    """Read the cue points: sample and name of each, in order."""
    places: dict[int, int] = {}
    names: dict[int, str] = {}
    for name, data in chunks:
        if name == b"cue ":
            for at in range(4, len(data) - 23, 24):
                number, *_, place = struct.unpack_from("<II4sIII", data, at)
                places[number] = place
        elif name == b"LIST" and data[:4] == b"adtl":
            at = 4
            while at + 12 <= len(data):
                kind, length, number = struct.unpack_from("<4sII", data, at)
                if kind == b"labl":
                    names[number] = data[at + 12 : at + 8 + length].rstrip(b"\0").decode("utf-8", "replace")
                at += 8 + length + length % 2
    return sorted((place, names.get(number, "")) for number, place in places.items())


def cue_chunks(cues: Sequence[tuple[int, str]]) -> list[Chunk]:
    """Make the chunks of cue points.

    >>> read_cues(cue_chunks([(0, "verse"), (4410, "")]))
    [(0, 'verse'), (4410, '')]
    """
    points = b"".join(
        struct.pack("<II4sIII", number, place, b"data", 0, 0, place)
        for number, (place, _) in enumerate(cues, start=1)
    )
    chunks: list[Chunk] = [(b"cue ", struct.pack("<I", len(cues)) + points)]
    names = b"".join(
        _text(b"labl", name, struct.pack("<I", number))
        for number, (_, name) in enumerate(cues, start=1)
        if name
    )
    return [*chunks, (b"LIST", b"adtl" + names)] if names else chunks


def _text(name: bytes, text: str, before: bytes = b"") -> bytes:
    data = before + text.encode("utf-8") + b"\0"
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
