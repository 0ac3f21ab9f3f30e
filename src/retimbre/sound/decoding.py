"""Decoding: a file of sound in pieces, by the decoder that its first bytes call for.

libsndfile reads WAV, FLAC, Ogg and MP3, and PyAV, the extra ``av``, MPEG-4 and other films and streams, and
encodings in WAV and CAF that libsndfile does not know. Neither is believed about a length: a stream is read
to its true end, and one that is shorter than it says is an error.
"""

import io
import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from retimbre.errors import AudioReadError, DependencyError
from retimbre.sound import au, caf, flac, mpeg, ogg, riff
from retimbre.sound.audio import Samples
from retimbre.sound.kinds import needs_av, other_kind
from retimbre.sound.sections import Section

Decoded = Iterator[tuple[Samples, int]]
"""Pieces (C, n) with the rate in Hz."""

EXPECTED = "expected WAV, FLAC, Ogg, MP3 or M4A"

_PIECE = 1 << 18  # samples per read
_IS_WINDOWS = sys.platform == "win32"
_SNDFILE = (
    b"RIFF",
    b"RIFX",
    b"RF64",
    b"riff",
    b"FORM",
    b"NIST",
    b"Crea",
    b"\0\0\0\x0c",
)
"""Starts of the other files that libsndfile reads."""

_CLAIM = r"(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)"
"""Note in libsndfile's log on a WAV, AIFF, AU, W64 or RF64 that is shorter than its header claims."""


def decoded(path: Path, name: str) -> Decoded:
    """Decode a file piece by piece.

    Args:
        path: The file.
        name: Name of the file in errors.

    Raises:
        AudioReadError: it is truncated, damaged, or no sound; where it is known what it is, it is said.
        DependencyError: PyAV is needed and not installed.
    """
    with path.open("rb") as file:
        head = file.read(1 << 12)
    if needs_av(head):
        yield from _with_av(path, name)
        return
    wave = riff.chunks(path)
    try:
        yield from _with_libsndfile(_sections(path, head, wave, name), name)
    except _NotOpenedError as error:
        if wave is not None and wave.is_compressed:
            held = f"{wave.name} inside WAV"
        elif head[:4] == b"caff" and (encoding := caf.encoding(path)) != "lpcm":
            held = f"{encoding} inside CAF"
        else:
            raise
        try:
            yield from _with_av(path, name)
        except (AudioReadError, DependencyError) as second:
            reason = "" if isinstance(second, AudioReadError) else f": {second}"
            raise AudioReadError(f"{name} holds {held}, which cannot be read{reason}; convert it") from error


def _sections(path: Path, head: bytes, wave: riff.Wave | None, name: str) -> Iterator[Section]:
    """Find what libsndfile is given of a file with these first bytes."""
    if wave is not None:
        return riff.sections(path, wave)
    by_name = {b"OggS": ogg.sections, b"caff": caf.sections, **dict.fromkeys(au.STARTS, au.sections)}
    if head[:4] in by_name:
        return by_name[head[:4]](path)
    if head.startswith(_SNDFILE):
        return iter([Section(path)])
    tag = mpeg.id3_bytes(head)
    with path.open("rb") as file:
        file.seek(tag)
        if file.read(4) == b"fLaC":
            return flac.sections(path, tag)
    found = mpeg.sections(path)
    first = next(found, None)
    if first is None:
        raise AudioReadError(f"{name} cannot be read as sound ({_what(head)}): {EXPECTED}")
    return chain([first], found)


def _what(head: bytes) -> str:
    kind = other_kind(head)
    return f"it is {kind}" if kind else "no format that is known"


class _NotOpenedError(AudioReadError):
    """Stream that libsndfile does not take."""


def _with_libsndfile(sections: Iterator[Section], name: str) -> Decoded:
    import soundfile

    kind: tuple[int, int] | None = None
    n_samples = 0
    for section in sections:
        if section.missing:
            raise _truncated(name, section.missing)
        if section.damage:
            raise AudioReadError(f"{name} is damaged: {section.damage}; export or download it again")
        n_before = n_samples
        is_open = False
        try:
            with section.opened() as source, soundfile.SoundFile(_handle(source), closefd=False) as file:
                is_open = True
                kind = kind or (file.samplerate, file.channels)
                if kind != (file.samplerate, file.channels):
                    raise _changed(name, n_samples, file.samplerate, file.channels)
                announced, info = file.frames, file.extra_info
                while len(piece := file.read(_PIECE, dtype="float32", always_2d=True)):
                    n_samples += len(piece)
                    yield piece.T, file.samplerate
        except (soundfile.LibsndfileError, RuntimeError) as error:
            reason = str(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(".")
            raise (AudioReadError if is_open else _NotOpenedError)(
                f"{name} cannot be read as sound ({reason or 'it is damaged'}): {EXPECTED}"
            ) from error
        if n_samples - n_before < announced and section.is_exact:
            raise _truncated(name, f"{n_samples} of {n_before + announced} samples are there")
        claim = re.search(_CLAIM, info)
        if claim and int(claim[2]) < int(claim[1]) and not riff.is_unknown(int(claim[1])):
            raise _truncated(name, f"{claim[2]} of {claim[1]} bytes of samples are there")


_BITS = dict.fromkeys(("PCM_S8", "PCM_U8", "PCM_16", "ALAC_16"), "16")
_BITS |= dict.fromkeys(("PCM_32", "FLOAT", "DOUBLE"), "float")  # of 32 bits a float keeps as many as are read


def bits_of(path: Path) -> str:
    """Give the bits of a file's samples: ``"16"`` for up to 16, ``"24"``, or ``"float"`` for more.

    24 where its encoding has no such number, as MP3, Vorbis and AAC.
    """
    import soundfile

    try:
        with path.open("rb") as file, soundfile.SoundFile(_handle(file), closefd=False) as opened:
            return _BITS.get(opened.subtype, "24")
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        return "24"  # of what PyAV reads, or of a file that is brought in order first


def _handle(source: io.RawIOBase | io.BufferedReader) -> Any:
    """Give libsndfile a file by its number: there is no call into Python in which an interrupt is lost.

    On Windows its numbers are not Python's, as each has a C library of its own; there it reads the object.
    """
    return source.fileno() if isinstance(source, io.BufferedReader) and not _IS_WINDOWS else source


def _truncated(name: str, missing: str) -> AudioReadError:
    return AudioReadError(f"{name} is truncated: {missing}; export or download it again")


def _changed(name: str, n_samples: int, rate: int, n_channels: int) -> AudioReadError:
    return AudioReadError(
        f"{name} changes after {n_samples} samples to {rate} Hz and {n_channels} channels: split it there"
    )


def _with_av(path: Path, name: str) -> Decoded:
    try:
        import av
    except ImportError as error:
        raise DependencyError("av", extra="av") from error
    try:
        with path.open("rb") as file, av.open(file, "r") as container:
            stream = container.streams.audio[0]
            if stream.codec_context is None:  # PyAV up to 18.0 decodes it all the same, and the process ends
                raise ValueError("no decoder for its encoding is known")
            packed = av.AudioResampler(format="flt")  # of more than 8 planes PyAV loses the memory
            kind: tuple[int, int] | None = None
            n_samples = 0
            for frame in chain(container.decode(stream), (None,)):
                if frame is not None:
                    kind = kind or (frame.sample_rate, frame.layout.nb_channels)
                    if kind != (frame.sample_rate, frame.layout.nb_channels):
                        raise _changed(name, n_samples, frame.sample_rate, frame.layout.nb_channels)
                for part in packed.resample(frame):
                    n_samples += part.samples
                    samples = part.to_ndarray().reshape(-1, part.layout.nb_channels).T
                    yield samples.astype(np.float32, copy=False), part.sample_rate
    except (av.FFmpegError, IndexError, ValueError, OSError) as error:  # of a seek to nowhere, too
        raise AudioReadError(
            f"{name} cannot be read as sound ({error}): expected a file with a track of sound"
        ) from error
