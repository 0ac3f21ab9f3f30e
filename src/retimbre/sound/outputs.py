"""Outputs: files, checked before the work and written at its end, that keep what the content's file says."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retimbre._output import check_space, partial_path
from retimbre.settings import Settings
from retimbre.sound.audio import Audio, Sound, collect
from retimbre.sound.encoding import FORMATS, Encoding, format_of
from retimbre.sound.files import check_output, kept_bits, write_encoded
from retimbre.sound.metadata import Metadata
from retimbre.sound.tags import read_metadata


@dataclass(frozen=True)
class Origin:
    """The file of a content, whose tags its output keeps.

    Attributes:
        path: The file.
        sample_rate: Its rate in Hz.
        style: Name of the style, for the title.
    """

    path: Path
    sample_rate: int
    style: str

    def metadata(self) -> Metadata | None:
        """Read what the file says of its sound; ``None`` where that is nothing, or it is no longer there."""
        try:
            return read_metadata(self.path, self.sample_rate).titled(self.style) or None
        except OSError:
            return None


@dataclass(frozen=True)
class Output:
    """File to write.

    Attributes:
        path: Its name.
        encoding: Its format, and what is chosen in it.
        origin: File whose tags it keeps.
    """

    path: Path
    encoding: Encoding
    origin: Origin | None = None

    @classmethod
    def checked(
        cls,
        path: str | os.PathLike[str],
        format: str | None,
        sound: Sound,
        settings: Settings,
        *,
        inputs: Sequence[str | os.PathLike[str]],
        bits: str | None = None,
        origin: Origin | None = None,
    ) -> "Output":
        """Check before the work that a sound's like can be written; raise as :func:`check_output` does.

        The disk must have room for samples and output.

        Args:
            path: Its name.
            format: Its format, where its suffix does not say it.
            sound: The content, or what is as long and wide.
            settings: ``bits``, ``quality``.
            inputs: Files that it must not be.
            bits: Bits to keep, where they are not the sound's.
            origin: File whose tags are kept, if the setting ``tags`` says so.
        """
        check_output(
            path,
            sample_rate=sound.sample_rate,
            n_channels=sound.n_channels,
            inputs=inputs,
            format=format,
        )
        path = Path(path)
        encoding = Encoding.of(format_of(path, format), settings, kept_bits(sound) if bits is None else bits)
        check_space(path.parent, (4 + 4) * sound.n_channels * sound.n_samples)
        return cls(path, encoding, origin if settings.tags == "keep" else None)


@dataclass(frozen=True)
class Delivery:
    """A sound that was delivered.

    Attributes:
        clip: It, or the path that it was written to.
        n_clipped: Number of samples over full scale that the format clipped.
        sample_rate: Rate that it was written at, in Hz.
        was_resampled: Whether that is another rate than its own, which the format has not.
        lowered: dB by which it was lowered, as its codec overshoots.
        left_out: Names of what the content's file says of its sound and the format cannot hold.
    """

    clip: Audio | Path
    n_clipped: int
    sample_rate: int
    was_resampled: bool = False
    lowered: float = 0.0
    left_out: tuple[str, ...] = ()


def deliver(
    sound: Sound, output: Output | None, *, limit: float | None = None, is_partial: bool = False
) -> Delivery:
    """Write a sound to a file, or bring it into memory where there is none.

    Args:
        sound: The sound.
        output: The file.
        limit: Highest absolute sample of the file as it is decoded again; any if ``None``.
        is_partial: Whether it is written beside the file, which keeps what it held.
    """
    if output is None:
        return Delivery(collect(sound), 0, sound.sample_rate)
    path = partial_path(output.path) if is_partial else output.path
    format = output.encoding.format
    check_output(path, sample_rate=sound.sample_rate, n_channels=sound.n_channels, format=format)
    metadata = None if output.origin is None else output.origin.metadata()
    n_clipped, gain, left_out = write_encoded(path, sound, output.encoding, limit=limit, metadata=metadata)
    rate = FORMATS[format].rate_for(sound.sample_rate)
    return Delivery(path, n_clipped, rate, rate != sound.sample_rate, -20 * math.log10(gain), left_out)
