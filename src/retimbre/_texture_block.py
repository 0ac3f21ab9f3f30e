"""The blocks of a texture, made one after the other.

Each is a spectrogram that starts from short pieces of the style in random order and descends the style term
alone. Its first frames are those that the block before it ended with, held fixed; where a loop closes, its
last frames are those that the first block began with; and a loop of a single block has its own beginning
after its end. So both sides of a joint hold the same events at the same time, and the crossfade has only a
difference of phase to hide.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from retimbre._synthesis import to_waveform
from retimbre.alignment.passage import Passage
from retimbre.losses.kernel import Kernel
from retimbre.losses.terms import Objective, Style, Terms, style_statistics
from retimbre.networks.registry import make_network
from retimbre.optim.minimise import minimise
from retimbre.optim.step import Report
from retimbre.result import Block
from retimbre.settings import Settings
from retimbre.sound.audio import Audio, Samples
from retimbre.sound.loops import Plan
from retimbre.sound.stereo import DiffuseField, stereo_image
from retimbre.sound.stft import from_log_magnitude

_WIDTHS: tuple[float, ...] = (1.0, 3.0)
"""Lengths of the kernels, in units of the setting ``taps``: the second brings slow movement and rhythm
nearer to the style's (docs/texture.md)."""

_FLOOR = 1e-3  # least starting value: the gradient of |x| is zero at zero


@dataclass(frozen=True, eq=False)
class _TextureBlock:
    """One block: the requested compressed spectrogram (F, T), its samples (C, N), and its record."""

    frames: Tensor
    samples: Samples
    record: Block


class TextureMaker:
    """Makes the blocks of one texture, one after the other.

    Args:
        style: Excerpts of the style.
        plan: Places of the blocks.
        settings: The settings, with the style's window in them.

    Attributes:
        blocks: Those that are made.
    """

    def __init__(self, style: Passage, plan: Plan, settings: Settings) -> None:
        self.blocks: list[_TextureBlock] = []
        self._plan, self._window, self._settings = plan, style.window, settings
        self._generator = torch.Generator().manual_seed(settings.seed)
        self._frames, self._rate = style.frames, style.sample_rate
        self._top = self._frames.amax(dim=1, keepdim=True)
        self._diffuse = DiffuseField(style.bins)
        self._objective = Objective(_style_terms(self._frames, plan.n_frames, settings), content_weight=0.0)

    def make(self, number: int, report: Report) -> Block:
        """Make the block of a number from 0, between those that are made before and after it."""
        plan, shared = self._plan, self._plan.overlap + self._plan.margin
        before = self.blocks[-1] if self.blocks else None
        after = self.blocks[0] if self.blocks and plan.loop and number == plan.n_blocks - 1 else None
        left, right = self._frames[:, :0], self._frames[:, :0]
        directions = self._diffuse.image(self._window, plan.n_samples, self._generator)
        if before is not None:
            left = before.frames[:, plan.length :][:, :shared]
            directions[:, :, :shared] = self._image(before)[:, :, plan.length :][:, :, :shared]
        if after is not None:
            right = after.frames[:, plan.margin : plan.margin + shared]
            directions[:, :, -shared:] = self._image(after)[:, :, plan.margin : plan.margin + shared]
        around = torch.arange(plan.n_frames, device=self._window.device) % plan.length
        if plan.wraps:
            directions = directions[:, :, around]

        def spectrogram_of(x: Tensor) -> Tensor:
            frames = x.abs().minimum(self._top)
            return frames[:, around] if plan.wraps else torch.cat([left, frames, right], dim=1)

        def render(samples: Tensor) -> Audio:
            return Audio(plan.trimmed(samples.cpu().numpy()), self._rate)

        n_free = plan.length if plan.wraps else plan.n_frames - left.shape[1] - right.shape[1]
        found = minimise(
            self._objective,
            self._start(n_free),
            self._settings,
            n_iter=self._settings.n_iter,
            spectrogram_of=spectrogram_of,
            report=report,
            preview=lambda frames: render(
                self._window.istft(from_log_magnitude(frames) * stereo_image(directions), plan.n_samples)
            ),
            done=(0.0, 0.5),
        )
        waveform = to_waveform(
            found,
            directions,
            plan.n_samples,
            self._objective,
            self._window,
            self._settings,
            report=report,
            preview=render,
        )
        record = Block(
            samples=None,
            best=found.best,
            loss=waveform.loss,
            content_weight=0.0,
            spectral_convergence=waveform.spectral_convergence,
            stopped=waveform.stopped,
        )
        self.blocks.append(_TextureBlock(found.point, waveform.samples.cpu().numpy(), record))
        return record

    def _start(self, n_frames: int) -> Tensor:
        """Put short pieces of the style in random order, (F, T): its levels, and its simultaneous sounds."""
        n_style = self._frames.shape[1]
        length = _piece(self._settings.taps)
        n_pieces = -(-n_frames // length)
        starts = torch.randint(max(1, n_style - length + 1), (n_pieces, 1), generator=self._generator)
        index = (starts + torch.arange(length)).flatten()[:n_frames] % n_style
        return self._frames[:, index.to(self._window.device)].clamp(min=_FLOOR)

    def _image(self, block: _TextureBlock) -> Tensor:
        return stereo_image(self._window.stft(torch.from_numpy(block.samples).to(self._window.device)))


def _style_terms(frames: Tensor, n_frames: int, settings: Settings) -> Callable[[Tensor], Terms]:
    """Give the mean style term of spectrograms (F, ``n_frames``) at several widths of kernel, and no content.

    Antognini et al. 2019 ("Audio texture synthesis with random neural networks: improving diversity and
    quality") take filters of many lengths: short ones for simultaneous sounds, long ones for rhythm. The
    style is cut into clips of just that length, or repeated up to it (:meth:`Style.cut`). A network with
    features has the one width that is set.
    """
    style = Style([(frames, 1.0)]).cut(n_frames)
    like = style.clips[0][0]  # stands for a content: gives the shape, has no weight
    network = make_network(settings, len(like), like.device)
    networks: Sequence[object] = [network]
    if isinstance(network, Kernel):
        taps = sorted({round(network.taps * width) // 2 * 2 + 1 for width in _WIDTHS})
        networks = [replace(network, taps=k) for k in taps]
    parts = [style_statistics(each, style).terms(like) for each in networks]

    def terms(spectrogram: Tensor) -> Terms:
        mean = torch.stack([part(spectrogram).style for part in parts]).mean()
        return Terms(torch.zeros_like(mean), mean)

    return terms


def _piece(taps: int) -> int:
    """Frames of the pieces that a block starts from: as many as a kernel sees, but at most half a second.

    Longer pieces end nearer to the style and are nearer to a copy of it (docs/texture.md).
    """
    return min(taps, 21)
