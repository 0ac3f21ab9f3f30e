"""A clip as HTML for a notebook: a player, and its waveform as inline SVG, both bounded in size.

Drawn by hand, so that a notebook shows a clip without matplotlib, and without a script or an address outside.
"""

import base64
import html
import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from retimbre.sound.audio import Samples, Sound

LONGEST = 60.0
"""Seconds of a clip that the player holds at most: about 2 MB of page."""

COLUMNS = 480
"""Columns of a drawn waveform at most."""

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BLOCK = 1 << 16  # frames per write: some encoders of libsndfile take their work space from the stack
_HEIGHT = 48  # pixels of one channel's lane
_LANES = 2  # channels that are drawn apart; more become one lane


def mp3(samples: "Samples", sample_rate: int) -> bytes:
    """Encode samples for listening, at a rate that MP3 has; more than two channels become one.

    Args:
        samples: float32 (C, N).
        sample_rate: Rate in Hz.
    """
    import soundfile

    rate = min((rate for rate in _MP3_RATES if rate >= sample_rate), default=48_000)
    frames = samples.T
    if frames.shape[1] > 2:
        frames = frames.mean(axis=1, keepdims=True)
    if rate != sample_rate:
        import soxr

        frames = soxr.resample(frames, sample_rate, rate)
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, frames.shape[1], format="MP3", subtype="MPEG_LAYER_III"
    ) as file:
        for start in range(0, len(frames), _BLOCK):
            file.write(frames[start : start + _BLOCK])
    return buffer.getvalue()


def data_uri(mime: str, data: bytes) -> str:
    """Put data into an address.

    Args:
        mime: Media type, such as ``"image/png"``.
        data: The data.

    >>> data_uri("text/plain", b"tone")
    'data:text/plain;base64,dG9uZQ=='
    """
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def extremes(sound: "Sound", columns: int = COLUMNS) -> npt.NDArray[np.float32]:
    """Find the lowest and the highest sample in each column of a waveform.

    Args:
        sound: The clip, read once in pieces.
        columns: Number of columns, W, at most; a clip of fewer samples has one for each.

    Returns:
        Shape (2, lanes, W): lowest and highest. Up to two channels have a lane each, more have one.
    """
    per_column = max(1, math.ceil(sound.n_samples / columns))
    found: list[npt.NDArray[np.float32]] = []
    for piece in sound.pieces(per_column * max(1, (1 << 20) // per_column)):
        lanes = piece if len(piece) <= _LANES else piece.mean(axis=0, keepdims=True)
        padded = np.pad(lanes, ((0, 0), (0, -lanes.shape[1] % per_column)), mode="edge")
        cut = padded.reshape(len(lanes), -1, per_column)
        found.append(np.stack([cut.min(axis=2), cut.max(axis=2)]))
    return np.concatenate(found, axis=2)


def waveform(sound: "Sound") -> str:
    """Draw the waveform of a clip as SVG, each lane from -1 to 1, in the colour of the text around it."""
    lowest, highest = extremes(sound)
    n_lanes, width = lowest.shape
    marks = []
    for lane in range(n_lanes):
        middle = _HEIGHT * (lane + 0.5)
        top = middle - np.clip(highest[lane], -1, 1) * (_HEIGHT / 2 - 1)
        bottom = middle - np.clip(lowest[lane], -1, 1) * (_HEIGHT / 2 - 1)
        # There and back; half a pixel more, so that silence is a line.
        there = [f"{x},{y:.1f}" for x, y in enumerate(top - 0.25)]
        back = [f"{x},{y:.1f}" for x, y in enumerate(bottom + 0.25)][::-1]
        marks.append(f'<polygon points="{" ".join(there + back)}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="waveform" width="100%" '
        f'height="{_HEIGHT * n_lanes}" viewBox="0 0 {max(1, width - 1)} {_HEIGHT * n_lanes}" '
        f'preserveAspectRatio="none" fill="currentColor">{"".join(marks)}</svg>'
    )


def page(sound: "Sound", facts: str = "") -> str:
    """Show a clip as HTML: its waveform, a player, and one line about it.

    Args:
        sound: The clip; the player holds its first :data:`LONGEST` seconds.
        facts: What else the line says, as plain text.
    """
    n_heard = min(sound.n_samples, round(LONGEST * sound.sample_rate))
    heard = np.concatenate(list(_first(sound, n_heard)), axis=1)
    channels = {1: "mono", 2: "stereo"}.get(sound.n_channels, f"{sound.n_channels} channels")
    line = f"{sound.n_samples / sound.sample_rate:.2f} s, {sound.sample_rate} Hz, {channels}"
    if n_heard < sound.n_samples:
        line += f"; the player holds the first {LONGEST:g} s"
    line += f"; {facts}" if facts else ""
    address = data_uri("audio/mpeg", mp3(heard, sound.sample_rate))
    return (
        f'<figure style="margin:0;max-width:{COLUMNS + 160}px">{waveform(sound)}'
        f'<audio controls preload="metadata" style="width:100%" src="{address}"></audio>'
        f'<figcaption style="font-size:85%">{html.escape(line)}</figcaption></figure>'
    )


def _first(sound: "Sound", n_samples: int) -> "Iterator[Samples]":
    """Give the first samples of a clip, in pieces (C, n)."""
    for piece in sound.pieces(1 << 20):
        yield piece[:, :n_samples]
        n_samples -= piece.shape[1]
        if n_samples <= 0:
            return
