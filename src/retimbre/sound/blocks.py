"""Long clips in blocks: cut with overlap, and joined without a seam.

Two blocks have the same content where they overlap, but each was optimised by itself. Crossfading them
with weights w and 1 - w keeps the level only where they are alike: noise that differs loses 3 dB in the
middle. With their correlation r the sum has the power ``w^2 + (1-w)^2 + 2 r w (1-w)``; dividing by its root
keeps the level whatever r is, and leaves a plain crossfade where r is 1.
"""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


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


def around(samples: Samples, place: slice, margin: int) -> Samples:
    """Give a block of samples (C, N) with ``margin`` more on either side; mirrored at the ends of the clip.

    >>> around(np.arange(5, dtype=np.float32)[None], slice(0, 3), 2)
    array([[2., 1., 0., 1., 2., 3., 4.]], dtype=float32)
    """
    start, stop, n_samples = place.start - margin, place.stop + margin, samples.shape[1]
    inside = samples[:, max(0, start) : min(stop, n_samples)]
    beyond = (max(0, -start), max(0, stop - n_samples))
    return np.pad(inside, ((0, 0), beyond), mode="reflect" if n_samples > 1 else "edge")


def join(whole: Samples, place: slice, block: Samples, *, done: int) -> None:
    """Write a block into its place, crossfading with what is there already.

    Args:
        whole: Samples (C, N), joined up to ``done``; changed in place.
        place: Where the block belongs.
        block: Samples (C, n) of that length.
        done: End of the blocks joined so far.
    """
    n_shared = max(0, done - place.start)
    whole[:, place.start + n_shared : place.stop] = block[:, n_shared:]
    if n_shared:
        here = slice(place.start, done)
        old, new = whole[:, here].astype(np.float64), block[:, :n_shared].astype(np.float64)
        size = np.sqrt(np.square(old).sum() * np.square(new).sum())
        correlation = np.clip((old * new).sum() / size, 0, 1) if size > 0 else 1.0
        w = (np.arange(n_shared) + 0.5) / n_shared
        level = np.sqrt(w**2 + (1 - w) ** 2 + 2 * correlation * w * (1 - w))
        whole[:, here] = (w * new + (1 - w) * old) / level
