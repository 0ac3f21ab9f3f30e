"""Recordings: what they are, how they come in and how they go out.

WAV, FLAC, Ogg (Vorbis, Opus) and MP3 go through libsndfile; M4A and other MPEG-4 sound through
PyAV, the extra ``av``. Files are written under a temporary name and renamed, so that a name never
holds half a file.
"""

import contextlib
import io
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retimbre.errors import AudioReadError, DependencyError, InputError, RetimbreError
from retimbre.sound import containers

MIN_RATE, MAX_RATE = 8_000, 192_000
"""Sample rates that are read and written, in Hz."""

_FORMATS = {
    ".wav": ("WAV", "PCM_24"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
_BLOCK = 1 << 16  # frames per write: libsndfile's Vorbis encoder takes its work space from the stack


@dataclass(frozen=True, eq=False)
class Audio:
    """A recording.

    Args:
        samples: float32 of shape (C, N); anything of shape (N,) or (C, N) that NumPy can read is
            converted. Full scale is [-1, 1].
        sample_rate: Rate in Hz, 8000 to 192 000.

    Raises:
        InputError: no samples, NaN or infinite samples, another shape, a rate out of range.

    >>> tone = Audio(np.zeros((2, 22050)), 22050)
    >>> tone.n_channels, tone.n_samples, tone.seconds
    (2, 22050, 1.0)
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        try:
            samples = np.atleast_2d(np.asarray(self.samples, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise InputError(f"samples are not numbers: {error}") from error
        if samples.ndim != 2 or samples.shape[0] > samples.shape[1] > 0:
            raise InputError(
                f"samples have shape {samples.shape}: expected (channels, samples) or (samples,)"
            )
        if samples.size == 0:
            raise InputError("the clip has no samples")
        if not np.isfinite(samples).all():
            raise InputError("the clip holds NaN or infinite samples")
        rate = self.sample_rate
        if not isinstance(rate, int | float | np.number) or not MIN_RATE <= rate <= MAX_RATE or rate % 1:
            raise InputError(
                f"the sample rate is {rate} Hz: expected {MIN_RATE} to {MAX_RATE} Hz, a whole number"
            )
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "sample_rate", int(self.sample_rate))

    @property
    def n_channels(self) -> int:
        """Number of channels, C."""
        return int(self.samples.shape[0])

    @property
    def n_samples(self) -> int:
        """Number of samples per channel, N."""
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.n_samples / self.sample_rate

    @property
    def is_silent(self) -> bool:
        """Whether every sample is zero."""
        return not self.samples.any()

    def resampled(self, sample_rate: int) -> "Audio":
        """Give the same sound at another rate (Hz), of ``round(N * ratio)`` samples."""
        if sample_rate == self.sample_rate:
            return self
        import soxr

        n_samples = max(1, round(self.n_samples * sample_rate / self.sample_rate))
        samples = soxr.resample(self.samples.T, self.sample_rate, sample_rate).T
        return Audio(fit(samples, n_samples), sample_rate)


def fit(samples: npt.NDArray[np.float32], n_samples: int) -> npt.NDArray[np.float32]:
    """Cut samples (C, N), or fill them with silence at the end, to ``n_samples``."""
    missing = n_samples - samples.shape[1]
    return np.pad(samples, ((0, 0), (0, missing))) if missing > 0 else samples[:, :n_samples]


def read(path: str | os.PathLike[str]) -> Audio:
    """Read a file of sound.

    Args:
        path: WAV, FLAC, Ogg (Vorbis, Opus), MP3, or M4A with the extra ``av``.

    Raises:
        AudioReadError: the file is missing, a folder, empty, truncated, not sound, or holds
            samples that cannot be used.
        DependencyError: an MPEG-4 file, and PyAV is not installed.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(1 << 14)
    except FileNotFoundError as error:
        raise AudioReadError(f"{path} does not exist: expected a file of sound") from error
    except IsADirectoryError as error:
        raise AudioReadError(f"{path} is a folder: expected a file of sound") from error
    except OSError as error:
        raise AudioReadError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise AudioReadError(f"{path} is empty: expected a file of sound")
    samples, sample_rate = (_read_with_av if head[4:8] == b"ftyp" else _read_with_libsndfile)(path)
    try:
        return Audio(samples, sample_rate)
    except InputError as error:
        raise AudioReadError(f"{path} cannot be used: {error}") from error


def _read_with_libsndfile(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    import soundfile

    xing = containers.xing_bytes(path)  # first: libsndfile prints a warning about a short MP3
    missing = containers.shorter_than(path, xing)
    if not missing:
        try:
            with soundfile.SoundFile(path) as file:
                announced, info, sample_rate = file.frames, file.extra_info, file.samplerate
                format_ = file.format
                samples = file.read(dtype="float32", always_2d=True).T
        except (ValueError, MemoryError) as error:  # more than fits an array: a damaged or missing length
            raise AudioReadError(
                f"{path} has no usable length ({announced} samples): convert it, for instance to WAV"
            ) from error
        except (soundfile.LibsndfileError, RuntimeError) as error:
            reason = str(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(".")
            raise AudioReadError(
                f"{path} cannot be read as sound ({reason}): expected WAV, FLAC, Ogg, MP3 or M4A"
            ) from error
        n_samples = samples.shape[1]
        # The length of an MP3 without a header is an estimate; that of a FLAC stream may be unknown.
        if n_samples < announced < 1 << 62 and (xing or format_ != "MP3"):
            missing = f"{n_samples} of {announced} samples are there"
        # libsndfile reads what there is of a short WAV and notes the header's claim in its log. Programs
        # that write to a pipe cannot know the length and put 0 or a number near 2**32 there.
        claim = re.search(r"data *: (\d+) \(should be (\d+)\)", info)
        if claim and int(claim[2]) < int(claim[1]) < 0xFFFF_0000:
            missing = f"{claim[2]} of {claim[1]} bytes of samples are there"
        missing = missing or containers.unfinished(path)
    if missing:
        raise AudioReadError(f"{path} is truncated: {missing}; export or download it again")
    return samples, sample_rate


def _read_with_av(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    try:
        import av
    except ImportError as error:
        raise DependencyError("av", extra="av") from error
    try:
        with av.open(path) as container:
            stream = container.streams.audio[0]
            planar = av.AudioResampler(format="fltp")
            frames = [
                part.to_ndarray()
                for frame in (*container.decode(stream), None)
                for part in planar.resample(frame)
            ]
            return np.concatenate(frames, axis=1), stream.rate
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise AudioReadError(
            f"{path} cannot be read as sound ({error}): expected a file with a track of sound"
        ) from error


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name when all went well.

    Raises:
        RetimbreError: the system refused to write (a full disk, a folder that is gone).
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise RetimbreError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_output(
    path: str | os.PathLike[str],
    *,
    sample_rate: int,
    n_channels: int,
    inputs: Sequence[str | os.PathLike[str]] = (),
) -> None:
    """Find out before the work whether :func:`write` will be able to do its part.

    Raises:
        InputError: unknown suffix; a rate or number of channels that the format cannot hold; the
            path is one of the ``inputs``; the folder is missing or cannot be written to.
    """
    import soundfile

    path = Path(path)
    container, encoding = _format(path)
    check_writable(path)
    if any(path.exists() and path.samefile(other) for other in inputs):
        raise InputError(f"{path} is one of the inputs: expected another name for the output")
    try:
        soundfile.write(
            io.BytesIO(), np.zeros((1, n_channels)), sample_rate, format=container, subtype=encoding
        )
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{path.suffix} cannot hold {n_channels} channels at {sample_rate} Hz, which the content "
            "has: write .wav"
        ) from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise an InputError where no file of that name could be written."""
    path = Path(path)
    probe = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: expected the name of a file")
        path.exists()  # raises where the name itself cannot be
        if not path.parent.is_dir():
            raise InputError(f"{path.parent} is not a folder: expected an existing one, make it first")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): expected another name") from error
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{path.parent} cannot be written to ({error.strerror}): expected a folder of yours"
        ) from error


def write(path: str | os.PathLike[str], audio: Audio) -> None:
    """Write a file of sound, whole or not at all; the suffix says the format.

    WAV and FLAC get 24 bits. Samples beyond full scale are clipped.

    Args:
        path: ``.wav``, ``.flac``, ``.ogg`` (Vorbis), ``.opus`` or ``.mp3``.
        audio: What to write.

    Raises:
        InputError: an unknown suffix, a rate or number of channels that the format cannot hold, or
            a folder that is missing or cannot be written to.
        RetimbreError: writing failed half-way; nothing is left.
    """
    import soundfile

    check_output(path, sample_rate=audio.sample_rate, n_channels=audio.n_channels)
    container, encoding = _format(Path(path))
    options: dict[str, Any] = {"format": container, "subtype": encoding}
    if encoding in ("VORBIS", "MPEG_LAYER_III"):
        options["compression_level"] = 0.1  # near the best quality; the encoders' own default is middling
    with atomic(path) as temporary, temporary.open("w+b", buffering=0) as file:
        sink = _Sink(file)
        with soundfile.SoundFile(sink, "w", audio.sample_rate, audio.n_channels, **options) as encoder:
            for start in range(0, audio.n_samples, _BLOCK):
                encoder.write(audio.samples[:, start : start + _BLOCK].T)
        sink.check()


class _Sink:
    """A file for libsndfile, which ignores errors of its last writes: keeps the first and raises it later."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def write(self, data: bytes) -> int:
        """Write, or note why not."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = self._error or error
        return len(data)

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._error is not None:
            raise self._error


def _format(path: Path) -> tuple[str, str]:
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise InputError(
            f"{path} has the suffix {path.suffix!r}: expected one of {', '.join(_FORMATS)}"
        ) from None
