"""Overlap-add of blocks in a line, or in a ring whose end joins its start, and the sound of loops."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retimbre.sound.audio import Audio, Samples, collect
from retimbre.sound.blocks import TEXTURE, crossfade
from retimbre.sound.limiter import match_loudness
from retimbre.sound.stft import Window


@dataclass(frozen=True)
class Plan:
    """Layout of the blocks of a texture, in frames; all are of one length.

    A block is ``margin | length | overlap | margin``. The network sees the silence around the block in the
    margins, which are therefore cut off; in the overlap the next block fades in.

    Attributes:
        n_blocks: Number of blocks.
        length: Frames from the start of a block to the start of the next.
        overlap: Frames that neighbours share.
        margin: Frames that are cut off on either side.
        hop_length: Samples from frame to frame.
        loop: Whether the last block joins the first.
    """

    n_blocks: int
    length: int
    overlap: int
    margin: int
    hop_length: int
    loop: bool

    @classmethod
    def of(cls, n_samples: float, window: Window, rate: int, *, loop: bool) -> "Plan":
        """Divide ``n_samples`` at a rate in Hz into blocks; of a loop they must be a multiple of the hop."""
        hop = window.hop_length
        n_frames = round(n_samples / hop) if loop else math.ceil(n_samples / hop)
        n_blocks = math.ceil(n_frames * hop / rate / TEXTURE.longest)
        overlap = max(2, round(TEXTURE.overlap * rate / hop)) if loop or n_blocks > 1 else 0
        length = math.ceil((n_frames if loop else n_frames - overlap) / n_blocks)
        margin = max(math.ceil(window.n_fft / 2 / hop), round(TEXTURE.margin * rate / hop))
        return cls(n_blocks, length, min(overlap, length), margin, hop, loop)

    @property
    def n_frames(self) -> int:
        """Number of frames of a block."""
        return self.length + self.overlap + 2 * self.margin

    @property
    def n_samples(self) -> int:
        """Number of samples of a block."""
        return (self.n_frames - 1) * self.hop_length

    @property
    def step(self) -> int:
        """Number of samples from the start of a block to the start of the next."""
        return self.length * self.hop_length

    @property
    def wraps(self) -> bool:
        """Whether the only block joins itself."""
        return self.loop and self.n_blocks == 1

    def trimmed(self, samples: Samples) -> Samples:
        """Cut the margins off a block (C, N)."""
        start = self.margin * self.hop_length
        return samples[:, start : start + self.step + self.overlap * self.hop_length]


def hop_dividing(n_samples: int, hop_length: int) -> int:
    """Find the hop within 5 % of the given one that divides a loop of ``n_samples`` best.

    The remainder, less than half a frame and mostly a few samples, is left to :func:`resample_periodic`.

    >>> hop_dividing(22050, 512)
    525
    """
    hops = range(math.ceil(0.95 * hop_length), math.floor(1.05 * hop_length) + 1)
    return min(hops, key=lambda hop: (abs(n_samples - hop * round(n_samples / hop)), abs(hop - hop_length)))


def overlap_add(blocks: Sequence[Samples], step: int, *, ring: bool) -> Samples:
    """Add blocks, each ``step`` samples after the one before, with crossfades where they overlap.

    Args:
        blocks: Shape (C, M) each, ``step <= M <= 2 step``.
        step: Distance of neighbours in samples.
        ring: Whether the end of the last block overlaps the start of the first.

    Returns:
        Shape (C, n step) for a ring of n blocks, (C, (n - 1) step + M) for a line.

    >>> overlap_add([np.ones((1, 6), np.float32)], 4, ring=True).round(3)
    array([[1., 1., 1., 1.]], dtype=float32)
    """
    n, (n_channels, length) = len(blocks), blocks[0].shape
    fade = length - step
    total = n * step + (0 if ring else fade)
    heads, tails = [np.ones(fade)] * n, [np.ones(fade)] * n
    for a in range(n if ring else n - 1):
        b = (a + 1) % n
        tails[a], heads[b] = crossfade(blocks[a][:, step:], blocks[b][:, :fade])
    whole = np.zeros((n_channels, total))
    for k, block in enumerate(blocks):
        shaped = block.astype(np.float64)
        shaped[:, :fade] *= heads[k]
        shaped[:, step:] *= tails[k]
        at = (k * step + np.arange(length)) % total
        for row, values in zip(whole, shaped, strict=True):
            np.add.at(row, at, values)  # (not +=: a single block overlaps itself)
    return whole.astype(np.float32)


def resample_periodic(samples: Samples, n_samples: int) -> Samples:
    """Resample a loop (C, N) to another number of samples, by its Fourier series: no edge, no click."""
    if samples.shape[1] == n_samples:
        return samples
    spectrum = np.fft.rfft(samples.astype(np.float64))
    resampled = np.fft.irfft(spectrum, n_samples) * (n_samples / samples.shape[1])
    looped: Samples = resampled.astype(np.float32)
    return looped


def match_loop(loop: Audio, target: float) -> Audio:
    """Bring a loop to a loudness in LUFS; its limiter wraps round too, so that the gain has no step."""
    margin = loop.sample_rate // 2
    wrapped = np.pad(loop.samples, ((0, 0), (margin, margin)), mode="wrap")
    matched = collect(match_loudness(Audio(wrapped, loop.sample_rate), target))
    return Audio(matched.samples[:, margin:-margin], loop.sample_rate)
