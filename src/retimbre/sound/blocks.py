"""Blocks of long clips: cut with overlap and joined by crossfades, a few in memory at a time."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retimbre.sound.audio import Samples, Sound

Gains = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BlockGeometry:
    """Lengths of blocks in seconds.

    Attributes:
        longest: Length of a block at most. The work of an evaluation grows with the square of its frames.
        overlap: Overlap of neighbours.
        margin: Margin on either side, computed and cut off again: a network sees silence around its input,
            and the edges of a block take after that.
    """

    longest: float
    overlap: float
    margin: float


TRANSFER = BlockGeometry(longest=10.0, overlap=1.0, margin=0.5)
"""Ten seconds hold whole phrases. The margin holds the clip's own sound, at the ends of the clip its mirror
image; without it the first and last half second come out up to 9 dB louder."""

TEXTURE = BlockGeometry(longest=8.0, overlap=0.35, margin=0.2)
"""Each block starts with the last frames of the one before it, so a short overlap does."""


def cut(n_samples: int, *, longest: int, overlap: int) -> list[slice]:
    """Divide ``n_samples`` into blocks of equal length, at most ``longest``, that overlap by ``overlap``.

    >>> cut(25, longest=10, overlap=2)
    [slice(0, 10, None), slice(7, 17, None), slice(15, 25, None)]
    """
    if n_samples <= longest:
        return [slice(0, n_samples)]
    n_blocks = -(-(n_samples - overlap) // (longest - overlap))
    length = min(longest, -(-(n_samples + (n_blocks - 1) * overlap) // n_blocks))
    starts = np.linspace(0, n_samples - length, n_blocks).astype(int)
    return [slice(int(start), int(start) + length) for start in starts]


def pieces_at(sound: Sound, places: Iterable[slice]) -> Iterator[Samples]:
    """Read the samples (C, n) at each of several places, whose starts must not decrease."""
    pieces = sound.pieces(1 << 18)
    first, held = 0, np.zeros((sound.n_channels, 0), np.float32)  # `held` starts at sample `first`
    for place in places:
        parts = [held]
        stop = first + held.shape[1]
        while stop < place.stop:
            piece = next(pieces)
            stop += piece.shape[1]
            if stop > place.start:
                parts.append(piece)
            else:
                parts = [piece[:, :0]]
        held = np.concatenate(parts, axis=1)
        first = stop - held.shape[1]
        held = held[:, max(0, place.start - first) :]
        first = stop - held.shape[1]
        yield held[:, place.start - first : place.stop - first]


def padded_pieces(sound: Sound, places: Iterable[slice], margin: int) -> Iterator[Samples]:
    """Read the samples at each place with ``margin`` more on either side, mirrored at the ends of the clip.

    >>> from retimbre.sound.audio import Audio
    >>> next(padded_pieces(Audio(np.arange(5.0), 8000), [slice(0, 3)], 2))
    array([[2., 1., 0., 1., 2., 3., 4.]], dtype=float32)
    """
    n, places = sound.n_samples, list(places)
    wider = [slice(max(0, p.start - margin), min(n, p.stop + margin)) for p in places]
    for place, inside in zip(places, pieces_at(sound, wider), strict=True):
        yield np.pad(inside, ((0, 0), beyond(place, margin, n)), mode="reflect" if n > 1 else "edge")


def beyond(place: slice, margin: int, n_samples: int) -> tuple[int, int]:
    """Count the samples of a place's margins that lie before and after a clip of ``n_samples``.

    >>> beyond(slice(0, 3), 2, 5)
    (2, 0)
    """
    return max(0, margin - place.start), max(0, place.stop + margin - n_samples)


def join(parts: Iterable[tuple[slice, Samples]], n_samples: int, n_channels: int) -> Iterator[Samples]:
    """Join blocks (C, n) at their places to a clip of ``n_samples``, and give it in pieces.

    Neighbours are crossfaded where they overlap; a gap between them is silent.
    """
    at, held = (
        0,
        np.zeros((n_channels, 0), np.float32),
    )  # `held` starts at sample `at`; all before it was given
    for place, block in parts:
        n_shared = at + held.shape[1] - place.start
        if n_shared > 0:
            ending, beginning = held[:, -n_shared:], block[:, :n_shared]
            out, into = crossfade(ending, beginning)
            shared = (ending * out + beginning * into).astype(np.float32)
            yield held[:, :-n_shared]
            held = np.concatenate([shared, block[:, n_shared:]], axis=1)
        else:
            yield np.pad(held, ((0, 0), (0, -n_shared)))
            held = block
        at = place.start
    yield np.pad(held, ((0, 0), (0, n_samples - at - held.shape[1])))


def crossfade(ending: Samples, beginning: Samples) -> tuple[Gains, Gains]:
    """Compute the gains (n,) of a crossfade of two sounds (C, n) that keeps the level.

    Both sounds have the same content, but each was optimised by itself. Gains t and 1 - t, t = sin^2, keep
    the level only where they are equal: independent noise loses 3 dB in the middle. With their correlation
    r the sum has the power ``t^2 + (1-t)^2 + 2 r t (1-t)``; dividing by its root keeps the level whatever
    r is: a linear crossfade for equal sounds (r = 1), one of equal power for unrelated ones (r = 0).

    Args:
        ending: End of the first sound, (C, n).
        beginning: Start of the second, (C, n).

    Returns:
        Gains of the first sound and of the second.
    """
    x, y = ending.astype(np.float64), beginning.astype(np.float64)
    power = math.sqrt(float(np.square(x).sum() * np.square(y).sum()))
    r = min(1.0, max(0.0, float((x * y).sum()) / power)) if power > 0 else 1.0
    fade = x.shape[1]
    t = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / max(fade, 1)) ** 2
    size = np.sqrt(t**2 + (1 - t) ** 2 + 2 * r * t * (1 - t))
    return (1 - t) / size, t / size
