"""A content in blocks, analysed for any number of transfers."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from retimbre.alignment.passage import Passage
from retimbre.errors import InputError
from retimbre.settings import Settings
from retimbre.sound import blocks
from retimbre.sound.audio import Audio, Samples
from retimbre.sound.blocks import TRANSFER
from retimbre.sound.clips import MAX_WORKING_RATE, Clip, as_sound, check_length, input_paths, normalized
from retimbre.sound.loudness import loudness
from retimbre.sound.stft import Window, compute_device

DYNAMICS = 20.0
"""dB. Each block enters at the working loudness, so that a quiet passage takes a quiet style; but not one
that is quieter than the whole clip by more than this, or background noise would be taken for music."""


@dataclass(frozen=True, eq=False)
class ContentBlock:
    """A block of a content, with a margin on either side; its analysis is kept while the object lives.

    Attributes:
        place: Samples of the content, without the margins.
        padded: float32 (C, n) at the content's rate, with the margins.
        margin: Samples of a margin.
        sample_rate: Rate of the content in Hz.
        mirrored: Samples of the margins that are a mirror image, as they lie beyond the clip: before, after.
        rate: Working rate in Hz.
        window: The transform at the working rate.
        floor: Lowest loudness in LUFS that the block is taken for.
    """

    place: slice
    padded: Samples
    margin: int
    sample_rate: int
    mirrored: tuple[int, int]
    rate: int
    window: Window
    floor: float

    @property
    def samples(self) -> Samples:
        """The block without its margins, (C, n)."""
        return self.padded[:, self.margin : self.padded.shape[1] - self.margin]

    @cached_property
    def loudness(self) -> float:
        """Integrated loudness in LUFS, without the margins."""
        return loudness(Audio(self.samples, self.sample_rate))

    @cached_property
    def passage(self) -> Passage:
        """The block at the working rate and level, margins included."""
        samples = normalized(Audio(self.padded, self.sample_rate), self.rate, floor=self.floor)
        before, after = (n * self.rate // self.sample_rate for n in self.mirrored)
        return Passage([samples.to(self.window.device)], self.rate, self.window, mirrored=(before, after))


class Content:
    """A content, cut into blocks. :meth:`retimbre.Transfer.prepare` makes one.

    Args:
        clip: The clip.
        settings: ``n_fft``, ``hop_length``, ``device``.
        keep: Whether to keep the blocks and their analysis, for further transfers.

    Raises:
        InputError: a clip that is silent or shorter than a window.
        AudioReadError: a path that cannot be read.
    """

    def __init__(self, clip: Clip, settings: Settings, *, keep: bool = False) -> None:
        self.sound = as_sound(clip, "content")
        self.paths = input_paths(clip)
        check_length(self.sound, "content", settings)
        self.rate = min(self.sound.sample_rate, MAX_WORKING_RATE)
        self.window = self.window_for(settings)
        self.places = blocks.cut(
            self.sound.n_samples,
            longest=round(TRANSFER.longest * self.sound.sample_rate),
            overlap=round(TRANSFER.overlap * self.sound.sample_rate),
        )
        self._kept: list[ContentBlock] | None = None
        self._keep = keep

    def __reduce__(self) -> NoReturn:
        raise InputError(
            "a prepared Content cannot be pickled, as its analysis belongs to its process: expected its clip"
        )

    def window_for(self, settings: Settings) -> Window:
        """Give the transform of the settings at the working rate."""
        return Window.at_rate(settings, self.rate, compute_device(settings))

    @cached_property
    def loudness(self) -> float:
        """Integrated loudness in LUFS."""
        return loudness(self.sound)

    def blocks(self) -> Iterator[ContentBlock]:
        """Give the blocks in order; those of a content that is kept are the same objects every time."""
        if self._keep and self._kept is None:
            self._kept = list(self._cut())
        return iter(self._kept) if self._kept is not None else self._cut()

    def _cut(self) -> Iterator[ContentBlock]:
        sample_rate = self.sound.sample_rate
        margin = round(TRANSFER.margin * sample_rate)
        padded = blocks.padded_pieces(self.sound, self.places, margin)
        floor = self.loudness - DYNAMICS
        for place, samples in zip(self.places, padded, strict=True):
            mirrored = blocks.beyond(place, margin, self.sound.n_samples)
            yield ContentBlock(place, samples, margin, sample_rate, mirrored, self.rate, self.window, floor)
