"""Texture: new sound with a style's statistics and no content, of any length, also as a loop.

The clip is made in blocks (:mod:`retimbre._texture_block`), laid in a line or in a ring.
"""

import math
import os
import time
from dataclasses import replace

from retimbre._runner import Runner
from retimbre._texture_block import TextureMaker
from retimbre.alignment.passage import Passage
from retimbre.errors import InputError, shown
from retimbre.networks.registry import network_spec
from retimbre.optim.step import PARTIAL, OnStep
from retimbre.result import Result
from retimbre.settings import Settings, check_settings, plain
from retimbre.sound import files, outputs
from retimbre.sound.audio import Audio, Samples, Sound, collect
from retimbre.sound.clips import MAX_WORKING_RATE, Clip, as_sound, excerpts, input_paths, normalized
from retimbre.sound.limiter import LIMIT, match_loudness
from retimbre.sound.loops import Plan, hop_dividing, match_loop, overlap_add, resample_periodic
from retimbre.sound.loudness import loudness
from retimbre.sound.stft import Window, compute_device


def texture(
    style: Clip,
    seconds: float,
    settings: Settings | None = None,
    *,
    loop: bool = False,
    output: str | os.PathLike[str] | None = None,
    output_format: str | None = None,
    on_step: OnStep | None = None,
) -> Result:
    """Make new sound of any length with the style's statistics and no content.

    The result has the style's rate, number of channels and loudness. Its stereo image is diffuse: per
    frequency the channels have the style's levels, coherence and phase difference, the same at all times.
    Of the settings ``strength``, ``content_weight`` and ``init`` mean nothing here; ``seed`` gives different
    textures.

    Args:
        style: The clip whose statistics are taken; any length, rate and number of channels. Of a long
            one, excerpts are analysed.
        seconds: Length of the result in seconds, at least one window (``n_fft``). Blocks bound the
            memory of the optimisation; time grows with the length.
        settings: :class:`Settings`; its defaults if ``None``.
        loop: Make the end join the start.
        output: File to write.
        output_format: As in :meth:`Transfer.__call__`.
        on_step: Called with a :class:`Step` after every evaluation. ``KeyboardInterrupt``, raised in it or by
            Ctrl-C, ends the run: the result is then as long as the blocks made so far.

    Raises:
        InputError: a style that is silent or shorter than a window, a length out of range, a network that
            takes samples, or a device that is not there.
        AudioReadError: a path that cannot be read.
        DivergedError: the loss was no number at the first evaluation: there is nothing to keep.

    >>> import numpy as np
    >>> style = (np.random.default_rng(0).standard_normal(8000), 16000)
    >>> texture(style, 1.5, Settings(n_iter=3)).audio.n_samples
    24000
    """
    began = time.perf_counter()
    settings = check_settings(settings)
    sound = as_sound(style, "style")
    target = (
        None
        if output is None
        else outputs.Output.checked(output, output_format, sound, settings, inputs=input_paths(style))
    )
    rate = min(sound.sample_rate, MAX_WORKING_RATE)
    window = Window.at_rate(settings, rate, compute_device(settings))
    pieces = excerpts(sound, settings)
    spec = network_spec(settings.network)
    if spec.sample_rate is not None:
        raise InputError(
            f"network is {settings.network}: expected one that takes a spectrogram, such as kernel"
        )
    shortest = window.n_fft / rate
    if (number := plain(seconds)) is None or not shortest <= number < math.inf:
        raise InputError(
            f"the texture is to last {shown(seconds)} s: expected a number of seconds, at least one window, "
            f"{shortest:.3f} s"
        )
    seconds = number
    if loop:
        hop_length = hop_dividing(round(seconds * rate), window.hop_length)
        window = replace(window, hop_length=hop_length)
    plan = Plan.of(seconds * rate, window, rate, loop=loop)
    samples = [normalized(piece, rate).to(window.device) for piece in pieces]
    maker = TextureMaker(Passage(samples, rate, window), plan, window.restate(settings, rate))
    runner = Runner(plan.n_blocks, on_step=on_step)
    for _ in runner.run(range(plan.n_blocks), maker.make):
        pass
    blocks = maker.blocks
    records = tuple(block.record for block in blocks)
    stopped = runner.stop_reason(records)
    whole = overlap_add([plan.trimmed(block.samples) for block in blocks], plan.step, ring=loop)
    made = _finish(whole, len(blocks) == plan.n_blocks, plan, sound, seconds, rate)
    delivery = outputs.deliver(made, target, limit=LIMIT, is_partial=stopped in PARTIAL)
    return Result(
        clip=delivery.clip,
        settings=settings,
        steps=tuple(runner.steps),
        blocks=records,
        stopped=stopped,
        seconds=time.perf_counter() - began,
        ignored=(*spec.ignored(settings), *(() if target is None else target.encoding.ignored(settings))),
        delivery=delivery,
        bits=files.kept_bits(sound),
    )


def _finish(whole: Samples, complete: bool, plan: Plan, style: Sound, seconds: float, rate: int) -> Audio:
    """Give samples of the working rate the style's rate and loudness; the exact length if complete."""
    n_samples = round(seconds * style.sample_rate)
    target = loudness(style)
    if plan.loop:
        if not complete:
            n_samples = round(whole.shape[1] * style.sample_rate / rate)
        return match_loop(Audio(resample_periodic(whole, n_samples), style.sample_rate), target)
    clip = Audio(whole, rate).resampled(style.sample_rate)
    clip = Audio(clip.samples[:, :n_samples], style.sample_rate)
    return collect(match_loudness(clip, target))
