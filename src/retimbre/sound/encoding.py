"""Encoding: the formats that are written, and sound in pieces to one of them, through libsndfile."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retimbre.errors import InputError, meant, shown
from retimbre.settings import Settings
from retimbre.sound.audio import Samples, Sound, recut
from retimbre.sound.quantisation import Quantiser, is_quantised

_BLOCK = 1 << 16  # frames per write: libsndfile's Vorbis encoder takes its work space from the stack


@dataclass(frozen=True)
class Format:
    """A format that is written.

    Attributes:
        container: libsndfile's name of the container.
        encodings: libsndfile's names of the encodings, by the bits of a sample: of a lossy format ``""``.
        rates: The rates that it has, in Hz, in order; empty where it has all.
    """

    container: str
    encodings: Mapping[str, str]
    rates: tuple[int, ...] = ()

    @property
    def is_lossy(self) -> bool:
        """Whether it gives back other samples than it was given."""
        return "" in self.encodings

    def rate_for(self, sample_rate: int) -> int:
        """Give the rate that a sound is written at: its own, else the next higher, else the highest.

        >>> [FORMATS["opus"].rate_for(rate) for rate in (22_050, 44_100, 48_000, 96_000)]
        [24000, 48000, 48000, 48000]
        """
        if not self.rates:
            return sample_rate
        return next((rate for rate in self.rates if rate >= sample_rate), self.rates[-1])


_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

_WHOLE = {"16": "PCM_16", "24": "PCM_24"}

FORMATS = {
    "wav": Format("WAV", _WHOLE | {"float": "FLOAT"}),
    "flac": Format("FLAC", _WHOLE),
    "ogg": Format("OGG", {"": "VORBIS"}),
    "opus": Format("OGG", {"": "OPUS"}, _OPUS_RATES),
    "mp3": Format("MP3", {"": "MPEG_LAYER_III"}, _MP3_RATES),
}
"""Formats by their suffix."""


@dataclass(frozen=True)
class Encoding:
    """A format, and what is chosen in it.

    Attributes:
        format: A key of :data:`FORMATS`.
        bits: Bits of a sample: ``"16"``, ``"24"`` or ``"float"``; ``""`` in a lossy format.
        quality: Quality of a lossy format, 0 to 10.
    """

    format: str
    bits: str
    quality: float

    @classmethod
    def of(cls, format: str, settings: Settings, kept: str = "24") -> "Encoding":
        """Choose as settings say.

        Args:
            format: A key of :data:`FORMATS`.
            settings: ``bits``, ``quality``.
            kept: Bits of the content; a format without fractions keeps 24 of them.

        Raises:
            InputError: bits that the format has not.

        >>> Encoding.of("flac", Settings(), kept="float").bits
        '24'
        """
        encodings = FORMATS[format].encodings
        bits: str = settings.bits
        if FORMATS[format].is_lossy:
            bits = ""
        elif bits == "keep":
            bits = kept if kept in encodings else "24"
        if bits not in encodings:
            others = " or ".join(encodings)
            raise InputError(f"bits is {bits}: expected {others} for .{format}, or write .wav")
        return cls(format, bits, settings.quality)

    def ignored(self, settings: Settings) -> tuple[str, ...]:
        """Name the settings that were set and mean nothing in this format."""
        name = "bits" if FORMATS[self.format].is_lossy else "quality"
        return (name,) if getattr(settings, name) != getattr(Settings(), name) else ()


def format_of(path: Path, format: str | None) -> str:
    """Give the format of an output, which its suffix says unless it is given.

    Raises:
        InputError: no format that is written.
    """
    name = path.suffix[1:].lower() if format is None else format
    if isinstance(name, str) and name in FORMATS:
        return name
    if format is not None:
        near = meant(format, FORMATS)
        raise InputError(f"the format is {shown(format)}: expected one of {', '.join(FORMATS)}{near}")
    suffixes = ", ".join(f".{each}" for each in FORMATS)
    raise InputError(f"{path} has the suffix {path.suffix!r}: expected one of {suffixes}")


def check_format(format: str, *, sample_rate: int, n_channels: int) -> None:
    """Check that a format can hold a sound.

    Raises:
        InputError: it has not so many channels.
    """
    import soundfile

    kind = FORMATS[format]
    rate = kind.rate_for(sample_rate)
    subtype = next(iter(kind.encodings.values()))
    try:
        soundfile.write(io.BytesIO(), np.zeros((1, n_channels)), rate, format=kind.container, subtype=subtype)
    except soundfile.LibsndfileError as error:
        raise InputError(
            f".{format} cannot hold {n_channels} channels at {rate} Hz, which the content has: write .wav"
        ) from error


class Resampled:
    """A sound at another rate, in pieces.

    Args:
        sound: The sound.
        sample_rate: The other rate in Hz.
    """

    def __init__(self, sound: Sound, sample_rate: int) -> None:
        self._sound, self.sample_rate, self.n_channels = sound, sample_rate, sound.n_channels
        self.n_samples = max(1, round(sound.n_samples * sample_rate / sound.sample_rate))

    def pieces(self, length: int) -> Iterator[Samples]:
        """Give the samples in pieces of shape (C, ``length``); the last may be shorter."""
        return recut(self._resampled(), length)

    def _resampled(self) -> Iterator[Samples]:
        import soxr

        stream = soxr.ResampleStream(self._sound.sample_rate, self.sample_rate, self.n_channels)
        missing = self.n_samples
        for piece in self._sound.pieces(_BLOCK):
            made = stream.resample_chunk(np.ascontiguousarray(piece.T)).T[:, :missing]
            missing -= made.shape[1]
            yield made
        made = stream.resample_chunk(np.zeros((0, self.n_channels), np.float32), last=True).T[:, :missing]
        yield np.pad(made, ((0, 0), (0, missing - made.shape[1])))


def encode(
    sound: Sound, file: io.FileIO, encoding: Encoding, *, gain: float = 1.0, limit: float | None = None
) -> int:
    """Encode a sound into a file that is open for reading and writing.

    Args:
        sound: The sound, at any rate.
        file: The file.
        encoding: The format, and what is chosen in it.
        gain: Factor of all samples.
        limit: Highest absolute value of a sample in a format of whole numbers; full scale if ``None``.

    Returns:
        The number of samples over full scale, which formats of whole numbers clip.

    Raises:
        OSError: the file cannot be written.
    """
    import soundfile

    kind = FORMATS[encoding.format]
    options: dict[str, Any] = {"format": kind.container, "subtype": kind.encodings[encoding.bits]}
    if kind.is_lossy:  # libsndfile's own default is poor, and its Opus 2 LU too quiet
        options["compression_level"] = min((10 - encoding.quality) / 10, 0.999)  # at 1 it refuses MP3
    quantise = None
    if encoding.bits in _WHOLE:
        is_dithered = encoding.bits == "16" and not is_quantised(sound, 16)
        quantise = Quantiser(int(encoding.bits), is_dithered=is_dithered, limit=limit)
    rate = kind.rate_for(sound.sample_rate)
    at_rate = sound if rate == sound.sample_rate else Resampled(sound, rate)
    sink, n_over = _Sink(file), 0
    with soundfile.SoundFile(sink, "w", rate, sound.n_channels, **options) as encoder:
        for piece in at_rate.pieces(_BLOCK):
            scaled = piece if gain == 1 else piece * np.float32(gain)
            n_over += 0 if quantise is None else int(np.count_nonzero(np.abs(scaled) > 1))
            encoder.write((scaled if quantise is None else quantise(scaled)).T)
    sink.check()
    return n_over


class _Sink:
    """A file for libsndfile, which ignores errors of its last writes; keeps the first to raise it later."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def write(self, data: bytes) -> int:
        """Write all bytes, or keep the error."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = self._error or error
        return len(data)

    def check(self) -> None:
        """Raise the first error that was kept."""
        if self._error is not None:
            raise self._error
