"""Texture: new sound with a style's statistics and no content, of any length, also as a loop.

The clip is made in blocks. Each is a spectrogram that starts from short pieces of the style in random
order and descends the style term alone. Its first frames are those that the block before it ended with,
held fixed; where a loop closes, its last frames are those that the first block began with; and a loop of
a single block is heard with its own beginning after its end. So both sides of a joint hold the same events
at the same time, and the crossfade has only a difference of phase to hide.
"""

import math
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from retimbre._clips import MAX_WORKING_RATE, Clip, analyse, as_sound, device, excerpts, paths, spectrogram
from retimbre._result import Result, delivered, mean, mean_step, to_waveform
from retimbre.errors import InputError
from retimbre.losses.terms import Objective
from retimbre.losses.widths import style_terms
from retimbre.networks.registry import kind_of
from retimbre.optim.minimise import OnStep, Run, Step, optimise
from retimbre.settings import Settings
from retimbre.sound import files
from retimbre.sound.audio import Audio, Samples, Sound, collected
from retimbre.sound.limiter import match_loudness
from retimbre.sound.loops import Plan, dividing, lay, match_loop, turned
from retimbre.sound.loudness import loudness
from retimbre.sound.stereo import Diffuse, image
from retimbre.sound.stft import Window

_WIDTHS: tuple[float, ...] = (1.0, 3.0)
"""Lengths of the kernels, in units of the setting ``taps``: the second brings slow movement and rhythm
nearer to the style's (docs/texture.md)."""

_FLOOR = 1e-3  # least starting value: the gradient of |x| is zero at zero


def texture(
    style: Clip,
    seconds: float,
    settings: Settings | None = None,
    *,
    loop: bool = False,
    output: str | os.PathLike[str] | None = None,
    on_step: OnStep | None = None,
) -> Result:
    """Make new sound of any length with the style's statistics and no content.

    The result has the style's rate, number of channels and loudness. Its stereo image is diffuse: per
    frequency the channels have the style's levels, coherence and phase difference, the same at all times.
    Of the settings ``strength``, ``content_weight`` and ``init`` mean nothing here; ``seed`` gives different
    textures.

    Args:
        style: The clip whose statistics are taken; any length, rate and number of channels. Of a long
            one, excerpts are heard.
        seconds: Length of the result in seconds, at least one window (``n_fft``). Blocks bound the
            memory of the optimisation; time grows with the length.
        settings: :class:`Settings`; its defaults if ``None``.
        loop: Make the end join the start.
        output: File to write.
        on_step: Called with a :class:`Step` after every evaluation. ``KeyboardInterrupt``, raised in it or by
            Ctrl-C, ends the run: the result is then as long as the blocks made so far.

    Raises:
        InputError: a style that is silent or shorter than a window, a length out of range, a network that
            hears samples, or a device that is not there.
        AudioReadError: a path that cannot be read.
        DivergedError: the loss stopped being a number; its ``result`` is the best before that.

    >>> import numpy as np
    >>> style = (np.random.default_rng(0).standard_normal(8000), 16000)
    >>> texture(style, 1.5, Settings(n_iter=3)).audio.n_samples
    24000
    """
    began = time.perf_counter()
    settings = settings or Settings()
    output = None if output is None else Path(output)
    sound = as_sound(style, "style")
    if output is not None:
        files.check_output(
            output, sample_rate=sound.sample_rate, n_channels=sound.n_channels, inputs=paths(style)
        )
    rate = min(sound.sample_rate, MAX_WORKING_RATE)
    window = Window.at_rate(settings, rate, device(settings))
    heard = excerpts(sound, settings)
    if kind_of(settings).sample_rate is not None:
        raise InputError(
            f"network is {settings.network}: expected one that hears the spectrogram, such as kernel"
        )
    shortest = window.n_fft / rate
    if not shortest <= seconds < math.inf:
        raise InputError(
            f"the texture is to last {seconds} s: expected a number of seconds, at least one window, "
            f"{shortest:.3f} s"
        )
    if loop:
        window = replace(window, hop_length=dividing(round(seconds * rate), window.hop_length))
    plan = Plan.of(seconds * rate, window, rate, loop=loop)
    loom = _Loom(
        [analyse(piece, rate, window) for piece in heard], plan, window, window.stated(settings, rate)
    )
    blocks, steps = _weave(loom, plan, on_step)
    whole = lay([plan.trimmed(b.samples) for b in blocks], plan.step, ring=loop)
    best = mean_step([steps[b.run.best.evaluation - 1] for b in blocks if b.run.best])
    made = _finish(whole, len(blocks) == plan.n_blocks, plan, sound, seconds, rate)
    return Result(
        clip=delivered(made, output if best is not None else None),
        settings=settings,
        steps=tuple(steps),
        best=best,
        written=mean([b.written for b in blocks]),
        content_weight=0.0,
        spectral_convergence=mean([b.spectral_convergence for b in blocks]),
        stopped=blocks[-1].run.stopped,
        seconds=time.perf_counter() - began,
    ).checked()


@dataclass(frozen=True)
class _Block:
    """One block: its run, whose point is the spectrogram asked for, and its samples (C, N)."""

    run: Run
    samples: Samples
    written: float
    spectral_convergence: float


class _Loom:
    """Makes blocks of one style.

    Args:
        excerpts: Complex bins (C, F, T) of pieces of the style.
        plan: Where the blocks lie.
        window: The transform.
        settings: The settings, with this window in them.
    """

    def __init__(self, excerpts: list[Tensor], plan: Plan, window: Window, settings: Settings) -> None:
        self._plan, self._window, self._settings = plan, window, settings
        self._generator = torch.Generator().manual_seed(settings.seed)
        clips = [spectrogram(bins) for bins in excerpts]
        self._frames = torch.cat(clips, dim=1)
        self._top = self._frames.amax(dim=1, keepdim=True)
        self._diffuse = Diffuse(torch.cat(excerpts, dim=2))
        terms = style_terms(self._frames, plan.n_frames, settings, widths=_WIDTHS)
        self._objective = Objective(terms, content_weight=0.0)

    def weave(self, before: _Block | None, after: _Block | None, earlier: list[Step], tell: OnStep) -> _Block:
        """Make the block between two others, ``None`` where nothing is held fixed.

        ``earlier`` are the steps told so far; ``tell`` adds to them.
        """
        plan, shared = self._plan, self._plan.overlap + self._plan.margin
        left, right = self._frames[:, :0], self._frames[:, :0]
        directions = self._diffuse.image(self._window, plan.n_samples, self._generator)
        if before is not None:
            left = before.run.point[:, plan.length :][:, :shared]
            directions[:, :, :shared] = self._image(before)[:, :, plan.length :][:, :, :shared]
        if after is not None:
            right = after.run.point[:, plan.margin : plan.margin + shared]
            directions[:, :, -shared:] = self._image(after)[:, :, plan.margin : plan.margin + shared]
        around = torch.arange(plan.n_frames, device=self._window.device) % plan.length
        if plan.wraps:
            directions = directions[:, :, around]

        def spectrogram_of(x: Tensor) -> Tensor:
            frames = x.abs().minimum(self._top)
            return frames[:, around] if plan.wraps else torch.cat([left, frames, right], dim=1)

        n_free = plan.length if plan.wraps else plan.n_frames - left.shape[1] - right.shape[1]
        run = optimise(
            self._objective,
            self._start(n_free),
            self._settings,
            spectrogram_of=spectrogram_of,
            earlier=list(earlier),
            on_step=tell,
        )
        run.steps = list(earlier)  # with those of this block; the count goes on from them
        waveform = to_waveform(
            run, directions, plan.n_samples, self._objective, self._window, self._settings, tell
        )
        samples = waveform.samples.cpu().numpy()
        return _Block(run, samples, waveform.written, waveform.spectral_convergence)

    def _start(self, n_frames: int) -> Tensor:
        """Short pieces of the style in random order, (F, T): its levels, and what sounds together."""
        n_style = self._frames.shape[1]
        length = _piece(self._settings.taps)
        n_pieces = -(-n_frames // length)
        starts = torch.randint(max(1, n_style - length + 1), (n_pieces, 1), generator=self._generator)
        index = (starts + torch.arange(length)).flatten()[:n_frames] % n_style
        return self._frames[:, index.to(self._window.device)].clamp(min=_FLOOR)

    def _image(self, block: _Block) -> Tensor:
        return image(self._window.stft(torch.from_numpy(block.samples).to(self._window.device)))


def _weave(loom: _Loom, plan: Plan, on_step: OnStep | None) -> tuple[list[_Block], list[Step]]:
    """Make all blocks, or those before an interrupt, and tell their steps."""
    blocks: list[_Block] = []
    steps: list[Step] = []

    def tell(step: Step) -> None:
        half = 0.5 * step.iteration / step.n_iter + (0.5 if step.stage == "waveform" else 0.0)
        done = (len(blocks) + half) / plan.n_blocks
        steps.append(replace(step, block=len(blocks) + 1, n_blocks=plan.n_blocks, done=done))
        if on_step is not None:
            on_step(steps[-1])

    while len(blocks) < plan.n_blocks:
        before = blocks[-1] if blocks else None
        after = blocks[0] if blocks and plan.loop and len(blocks) == plan.n_blocks - 1 else None
        try:
            blocks.append(loom.weave(before, after, steps, tell))
        except KeyboardInterrupt:
            if not blocks:
                raise
            blocks[-1].run.stopped = "interrupted"
            break
        if blocks[-1].run.stopped in ("interrupted", "diverged"):
            break
    return blocks, steps


def _piece(taps: int) -> int:
    """Frames of the pieces that a block starts from: as many as a kernel sees, but at most half a second.

    Longer pieces end nearer to the style and are nearer to a copy of it (docs/texture.md).
    """
    return min(taps, 21)


def _finish(whole: Samples, complete: bool, plan: Plan, style: Sound, seconds: float, rate: int) -> Audio:
    """Give samples of the working rate the style's rate and loudness; the exact length if complete."""
    n_samples = round(seconds * style.sample_rate)
    target = loudness(style)
    if plan.loop:
        if not complete:
            n_samples = round(whole.shape[1] * style.sample_rate / rate)
        return match_loop(Audio(turned(whole, n_samples), style.sample_rate), target)
    clip = Audio(whole, rate).resampled(style.sample_rate)
    clip = Audio(clip.samples[:, :n_samples], style.sample_rate)
    return collected(match_loudness(clip, target))
