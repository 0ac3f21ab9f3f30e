"""WAV files, by their chunks: their encoding, and ones that a decoder cannot follow.

Some programs leave out the byte that fills up a chunk of odd length, or write the samples before their
format. The decoder is given the samples of such a file behind a header in order; an MP3 inside a WAV is given
to it as the stream that it is.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retimbre.sound import mpeg
from retimbre.sound.sections import Section

_MP3 = 0x55
_PLAIN = 1, 3, 6, 7  # PCM, float, A-law, u-law
_ENCODINGS = {
    0x02: "Microsoft ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x38: "ADPCM", 0x40: "G.721 ADPCM",
    0x45: "G.726 ADPCM", 0x14: "G.723 ADPCM", 0x64: "G.726 ADPCM", 0x65: "G.722 ADPCM", 0x20: "Yamaha ADPCM",
    0x50: "MPEG layer 2", _MP3: "MP3", 0xFF: "AAC", 0x1600: "AAC", 0x1602: "AAC", 0x160: "Windows Media",
    0x161: "Windows Media", 0x162: "Windows Media", 0x2000: "AC-3", 0xF1AC: "FLAC", 0x674F: "Vorbis",
    0x6750: "Vorbis", 0x6751: "Vorbis", 0x704F: "Opus", 0x22: "TrueSpeech", 0x42: "G.723.1", 0x270: "ATRAC",
}  # fmt: skip
"""Names of encodings by their number; others are named by it."""


def is_unknown(length: int) -> bool:
    """Tell whether a length stands for "unknown", as programs that write to a pipe put it into a header."""
    return length >= 0xFFFF_0000 or 0x7FFF_F000 <= length <= 0x8000_0000


@dataclass(frozen=True)
class Wave:
    """Chunks of a WAV file.

    Attributes:
        encoding: Number of the encoding.
        chunk: The chunk with the format, its head included.
        start: First byte of the samples.
        end: Byte after the last, by the length that is announced; at most that of the file.
        missing: Fault of samples that are fewer than announced; empty for others.
        in_order: Whether a decoder can follow the chunks.
    """

    encoding: int
    chunk: bytes
    start: int
    end: int
    missing: str
    in_order: bool

    @property
    def is_compressed(self) -> bool:
        """Whether it holds no plain numbers."""
        return self.encoding not in _PLAIN

    @property
    def name(self) -> str:
        """Name of the encoding."""
        return _ENCODINGS.get(self.encoding, f"an encoding of number 0x{self.encoding:04X}")


def chunks(path: Path) -> Wave | None:
    """Read the chunks of a WAV file up to the samples; ``None`` where it is none, or has none."""
    size, chunk, samples, in_order = path.stat().st_size, b"", None, True
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        at = 12
        while (samples is None or not chunk) and at <= size - 8:
            file.seek(at)
            name, length = struct.unpack("<4sI", file.read(8))
            if not _is_name(name):
                return None
            if name == b"fmt ":
                file.seek(at)
                chunk = file.read(8 + min(length, 1 << 12))
            file.seek(at + 8 + length)
            after = file.read(5)
            if name == b"data" and samples is None:
                is_open = length == 0 and at + 8 < size and not _is_name(after[:4])
                samples, in_order = (at + 8, length), in_order and bool(chunk) and not is_open
            is_bare = length % 2 and _is_name(after[:4]) and not (after[:1] == b"\0" and _is_name(after[1:]))
            in_order = in_order and not (is_bare and samples is None)
            at += 8 + length + (length % 2 and not is_bare)
    if samples is None or len(chunk) < 24:
        return None
    start, length = samples
    there = max(0, size - start)
    missing = f"{there} of {length} bytes of samples are there"
    missing = missing if there < length and not is_unknown(length) else ""
    encoding = int.from_bytes(chunk[8:10], "little")
    if encoding == 0xFFFE and len(chunk) >= 34:  # extensible: the number is that of the long form
        encoding = int.from_bytes(chunk[32:34], "little")
    return Wave(encoding, chunk, start, min(size, start + (length or there)), missing, in_order)


def sections(path: Path, wave: Wave) -> Iterator[Section]:
    """Give what a decoder reads of a WAV file."""
    if wave.encoding == _MP3 and not wave.missing:
        yield from mpeg.sections(path, wave.start, wave.end)
    elif wave.in_order:
        yield Section(path, missing=wave.missing)
    else:
        n_bytes = wave.end - wave.start
        header = wave.chunk + b"data" + n_bytes.to_bytes(4, "little")
        riff = b"RIFF" + (4 + len(header) + n_bytes).to_bytes(4, "little") + b"WAVE"
        yield Section(path, wave.start, wave.end, riff + header, missing=wave.missing)


def _is_name(name: bytes) -> bool:
    """Tell whether four bytes can name a chunk."""
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)
