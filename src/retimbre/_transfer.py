"""The transfer: two clips in, one out. The orchestrator of everything below."""

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retimbre import networks
from retimbre.errors import DivergedError, InputError
from retimbre.objective.kernels import KernelTerms
from retimbre.objective.losses import NetworkTerms, Objective, Style
from retimbre.objective.optimise import OnStep, Run, Step, StopReason, optimise
from retimbre.settings import Settings
from retimbre.sound import audio as sound
from retimbre.sound import blocks
from retimbre.sound.audio import Audio
from retimbre.sound.loudness import limit, loudness, match_loudness
from retimbre.sound.phase import griffin_lim, spectral_convergence
from retimbre.sound.spectral import Window, compress, expand, image, joint_magnitude

Clip = Audio | str | os.PathLike[str] | tuple[Any, int]
"""A path, an :class:`Audio`, or (array of shape (N,) or (C, N), rate in Hz)."""

Mix = Sequence[tuple[Clip, float]]
"""Several clips with the weight of each."""

WORKING_LOUDNESS = -20.0
"""LUFS at which the clips enter the network, so that a quiet recording weighs as much as a loud one
(``log1p`` is not indifferent to level). Music mastered to -14 or -23 LUFS is moved by a few dB."""

BLOCK, OVERLAP = 10.0, 1.0
"""Seconds: longest block of a long clip, and how far neighbours overlap. The work of an evaluation grows
with the square of the block's frames; in ten seconds the network still hears whole phrases."""

MARGIN = 0.5
"""Seconds around a block that are heard and cut off again: its neighbours, or at the ends of the clip its
mirror image. The network sees silence around what it is given, and works on the edge of that: without
margins the first and last half second come out up to 9 dB louder."""

DYNAMICS = 20.0
"""dB. Each block enters at WORKING_LOUDNESS, so that a quiet passage takes a quiet style; but not one that is
quieter than the whole clip by more than this, or background noise would be taken for music."""

STYLE_SECONDS, N_EXCERPTS = 20.0, 8
"""Seconds of a style that are heard, and in how many pieces where it is longer: spread evenly over it."""

MAX_WORKING_RATE = 48_000
"""Hz. Content of a higher rate is worked on at this one and brought back; what it holds above
24 kHz, which nobody hears, is left out."""


@dataclass(frozen=True)
class Result:
    """What a transfer came to.

    Attributes:
        audio: The stylised clip: rate, channels and number of samples of the content.
        settings: The settings it was made with.
        steps: One per evaluation, in order; empty at strength 0.
        best: The best step of the spectrogram's stage: what was asked for. ``None`` at strength 0. Of
            several blocks this and the next three are means.
        written: Loss recomputed from the samples, before their level was set: what was reached.
        content_weight: Weight of the content term that the strength came to (or that was set).
        spectral_convergence: Of the spectrogram asked for and that of the samples, in dB
            (:func:`retimbre.sound.phase.spectral_convergence`); lower is nearer.
        stopped: Why the spectrogram's stage ended; ``"untouched"`` at strength 0.
        seconds: Time taken.
    """

    audio: Audio
    settings: Settings
    steps: tuple[Step, ...]
    best: Step | None
    written: float
    content_weight: float
    spectral_convergence: float
    stopped: StopReason
    seconds: float

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the clip; the suffix says the format (:func:`retimbre.write`)."""
        sound.write(path, self.audio)


def transfer(
    content: Clip, style: Clip | Mix, settings: Settings | None = None, *, on_step: OnStep | None = None
) -> Result:
    """Give the content's notes and rhythm the style's sound.

    All clips are brought to one rate (the content's, at most 48 kHz) and loudness; their channels are
    seen as one joint spectrogram, which descends the objective and is then spread over the channels by
    the content's own stereo image. Griffin-Lim finds a waveform for it, and a few steps on the waveform
    itself bring that as near to the objective as the spectrogram was. The result has the content's
    loudness.

    Args:
        content: The clip whose notes and rhythm are kept.
        style: The clip whose sound is taken; any length, rate and number of channels. Or a list of
            (clip, weight): their statistics are mixed, not their sound.
        settings: :class:`Settings`; its defaults if ``None``.
        on_step: Called with a :class:`Step` after every evaluation. ``KeyboardInterrupt``, raised in it
            or by Ctrl-C, ends the run with the best result so far.

    Raises:
        InputError: a clip that is silent or shorter than a window, weights that cannot be used, or a
            device that is not there.
        AudioReadError: a path that cannot be read.
        DivergedError: the loss stopped being a number; its ``result`` is the best before that.

    >>> rng = np.random.default_rng(0)
    >>> content = (np.sin(np.arange(11025) * 0.1), 22050)
    >>> style = (rng.standard_normal((2, 8000)), 16000)
    >>> result = transfer(content, style, Settings(n_iter=3))
    >>> result.audio.n_channels, result.audio.n_samples, result.audio.sample_rate
    (1, 11025, 22050)
    """
    began = time.perf_counter()
    settings = settings or Settings()
    content = as_audio(content, "content")
    styles = as_mix(style)
    device = _device(settings)
    rate = min(content.sample_rate, MAX_WORKING_RATE)
    window = Window.at_rate(settings, rate, device)
    _check_length(content, "content", settings)
    if settings.content_weight is None and settings.strength == 0:
        return _untouched(content, settings, began)
    mix = Style(
        [
            (
                torch.cat(
                    [_spectrogram(_analyse(e, rate, window)) for e in _excerpts(clip, settings)], dim=1
                ),
                share,
            )
            for clip, share in styles
        ]
    )
    whole, outcomes = _blocks(content, mix, rate, window, settings, on_step)
    result = Result(
        audio=_finish(whole, content),
        settings=settings,
        steps=tuple(step for outcome in outcomes for step in outcome.steps),
        best=_mean_step([o.best for o in outcomes if o.best is not None]),
        written=_mean([o.written for o in outcomes]),
        content_weight=_mean([o.content_weight for o in outcomes]),
        spectral_convergence=_mean([o.spectral_convergence for o in outcomes]),
        stopped=outcomes[-1].stopped,
        seconds=time.perf_counter() - began,
    )
    if result.stopped == "diverged":
        raise _diverged(result)
    return result


@dataclass(frozen=True)
class _Outcome:
    """What one block came to; samples (C, n) at the content's rate and the block's own loudness."""

    samples: NDArray[np.float32]
    steps: list[Step]
    best: Step | None
    written: float
    content_weight: float
    spectral_convergence: float
    stopped: StopReason


def _blocks(
    content: Audio, mix: Style, rate: int, window: Window, settings: Settings, on_step: OnStep | None
) -> tuple[Audio, list[_Outcome]]:
    """Transfer a clip block by block; what an interrupt leaves undone stays the content."""
    sample_rate = content.sample_rate
    places = blocks.cut(
        content.n_samples, longest=round(BLOCK * sample_rate), overlap=round(OVERLAP * sample_rate)
    )
    floor = loudness(content.samples, sample_rate) - DYNAMICS
    whole, done = content.samples.copy(), 0
    outcomes: list[_Outcome] = []
    for number, place in enumerate(places, start=1):
        block = Audio(content.samples[:, place], sample_rate)
        if block.is_silent:
            done = 0  # nothing to fade from: the silence is the content's own
            continue
        steps: list[Step] = []

        def tell(step: Step, number: int = number, steps: list[Step] = steps) -> None:
            last = next((o.steps[-1] for o in reversed(outcomes) if o.steps), None)
            steps.append(
                replace(
                    step,
                    evaluation=step.evaluation + (last.evaluation if last else 0),
                    seconds=step.seconds + (last.seconds if last else 0.0),
                    block=number,
                    n_blocks=len(places),
                )
            )
            if on_step is not None:
                on_step(steps[-1])

        try:
            heard = Audio(blocks.around(content.samples, place, round(MARGIN * sample_rate)), sample_rate)
            outcomes.append(_block(block, heard, mix, rate, window, settings, floor, tell, steps))
        except KeyboardInterrupt:
            if not outcomes:
                raise
            outcomes[-1] = replace(outcomes[-1], stopped="interrupted")
            break
        blocks.join(whole, place, outcomes[-1].samples, done=done)
        done = place.stop
        if outcomes[-1].stopped in ("interrupted", "diverged"):
            break
    return Audio(whole, sample_rate), outcomes


def _block(
    block: Audio,
    heard: Audio,
    mix: Style,
    rate: int,
    window: Window,
    settings: Settings,
    floor: float,
    tell: OnStep,
    steps: list[Step],
) -> _Outcome:
    bins = _analyse(heard, rate, window, floor=floor)
    spectrogram = _spectrogram(bins)
    mix = mix.fitted(spectrogram.shape[1])
    objective = _objective(spectrogram, mix, settings)
    loudest = [s.amax(dim=1, keepdim=True) for s in (spectrogram, *(clip for clip, _ in mix.clips))]
    top = torch.stack(loudest).amax(dim=0)  # no bin need be louder than it ever is in any of the clips
    run = optimise(objective, _start(spectrogram, mix, settings), settings, top=top, on_step=tell)
    n_samples = round(heard.n_samples * rate / heard.sample_rate)
    samples, _, written, convergence = _to_waveform(run, bins, n_samples, objective, window, settings, tell)
    clip = Audio(samples.cpu().numpy(), rate).resampled(block.sample_rate)
    margin = (heard.n_samples - block.n_samples) // 2
    made = sound.fit(clip.samples[:, margin:], block.n_samples)
    if made.any():
        level = loudness(block.samples, block.sample_rate) - loudness(made, block.sample_rate)
        made = made * np.float32(10 ** (level / 20))
    return _Outcome(
        samples=made,
        steps=steps,
        best=steps[run.best.evaluation - 1] if run.best else None,
        written=written,
        content_weight=objective.content_weight,
        spectral_convergence=convergence,
        stopped=run.stopped,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_step(steps: Sequence[Step]) -> Step | None:
    """The last step, with the means of the terms."""
    if not steps:
        return None
    loss, content, style = (_mean([getattr(s, k) for s in steps]) for k in ("loss", "content", "style"))
    return replace(steps[-1], loss=loss, content=content, style=style)


def as_audio(clip: Clip, name: str) -> Audio:
    """Read a clip and check that it can be used; ``name`` is what errors call it."""
    try:
        if isinstance(clip, (str, os.PathLike)):
            clip = sound.read(clip)
        elif not isinstance(clip, Audio):
            samples, sample_rate = clip
            clip = Audio(samples, sample_rate)
    except InputError as error:
        raise InputError(f"the {name} cannot be used: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the {name} is {type(clip).__name__}: expected a path, an Audio, or (samples, rate)"
        ) from error
    if clip.is_silent:
        raise InputError(f"the {name} is silent: expected a clip with sound in it")
    return clip


def as_mix(style: Clip | Mix) -> list[tuple[Audio, float]]:
    """Read one style or several, and turn weights into shares that sum to one.

    A style of weight 0 has no part in the result and is not read.
    """
    if not isinstance(style, list):
        return [(as_audio(style, "style"), 1.0)]  # type: ignore[arg-type]
    weights = [weight for _, weight in style]
    if not weights or not all(0 <= w < np.inf for w in weights) or sum(weights) == 0:
        raise InputError(
            f"the weights of the styles are {weights}: expected numbers of at least 0, not all 0"
        )
    return [(as_audio(clip, "style"), w / sum(weights)) for clip, w in style if w > 0]


def _device(settings: Settings) -> torch.device:
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise InputError("device is cuda: no CUDA device is there, use auto or cpu")
    return torch.device("cuda" if there and settings.device != "cpu" else "cpu")


def _check_length(clip: Audio, name: str, settings: Settings) -> None:
    window = Window.at_rate(settings, clip.sample_rate, torch.device("cpu"))
    if clip.n_samples < window.n_fft:
        raise InputError(
            f"the {name} lasts {clip.seconds:.3f} s: expected at least one window, "
            f"{window.n_fft / clip.sample_rate:.3f} s"
        )


def _excerpts(clip: Audio, settings: Settings) -> list[Audio]:
    """The style itself, or of a long one pieces spread evenly over it."""
    _check_length(clip, "style", settings)
    if clip.seconds <= STYLE_SECONDS:
        return [clip]
    length = round(STYLE_SECONDS / N_EXCERPTS * clip.sample_rate)
    starts = np.linspace(0, clip.n_samples - length, N_EXCERPTS).astype(int)
    pieces = [Audio(clip.samples[:, start : start + length], clip.sample_rate) for start in starts]
    sounding = [piece for piece in pieces if not piece.is_silent]
    return sounding or [_around_the_peak(clip, length)]


def _around_the_peak(clip: Audio, length: int) -> Audio:
    """Give the ``length`` samples around the loudest: of a clip whose sound the even spread misses."""
    start = int(np.abs(clip.samples).max(axis=0).argmax()) - length // 2
    start = min(max(0, start), clip.n_samples - length)
    return Audio(clip.samples[:, start : start + length], clip.sample_rate)


def _analyse(clip: Audio, rate: int, window: Window, *, floor: float = -math.inf) -> Tensor:
    """Complex bins (C, F, T) of a clip at the working rate and loudness; ``floor`` (LUFS) bounds the gain."""
    clip = clip.resampled(rate)
    gain = 10 ** ((WORKING_LOUDNESS - max(floor, loudness(clip.samples, rate))) / 20)
    return window.stft(torch.from_numpy(clip.samples * np.float32(gain)).to(window.device))


def _spectrogram(bins: Tensor) -> Tensor:
    return compress(joint_magnitude(bins))


def _objective(content: Tensor, style: Style, settings: Settings) -> Objective:
    if settings.network == "kernel":
        objective = Objective(KernelTerms(content, style, layers=settings.layers, taps=settings.taps))
    else:
        network = networks.build(settings, len(content), content.device)
        objective = Objective(NetworkTerms(network, content, style))
    if settings.content_weight is None:
        objective.balance(settings.strength, content, style)
    else:
        objective.content_weight = settings.content_weight
    return objective


def _start(content: Tensor, style: Style, settings: Settings) -> Tensor:
    if settings.init == "content":
        return content
    if settings.init == "style":
        return style.frames(content.shape[1])
    generator = torch.Generator().manual_seed(settings.seed)
    noise = torch.rand(content.shape, generator=generator)
    return noise.to(content.device) * 2 * content.mean()


def _to_waveform(
    run: Run,
    bins: Tensor,
    n_samples: int,
    objective: Objective,
    window: Window,
    settings: Settings,
    on_step: OnStep | None,
) -> tuple[Tensor, list[Step], float, float]:
    """Samples (C, N) for the spectrogram of a run; the steps it took, the loss reached, the convergence."""
    # A channel that is silent stays so: where all are nearly silent, rounding would leak into it.
    sounding = (bins.abs().amax(dim=(1, 2)) > 0).to(run.point)[:, None]

    def spectrogram_of(samples: Tensor) -> Tensor:
        return _spectrogram(window.stft(samples * sounding))

    asked = expand(run.point)
    samples, _ = griffin_lim(asked, image(bins), window, n_samples, n_iter=settings.n_iter_phase)
    samples = samples * sounding
    steps: list[Step] = []
    if settings.n_iter_waveform and run.stopped not in ("interrupted", "diverged"):
        finish = optimise(
            objective,
            samples,
            settings,
            stage="waveform",
            spectrogram_of=spectrogram_of,
            earlier=run.steps,
            on_step=on_step,
        )
        samples, steps = finish.point, finish.steps
        if finish.stopped == "interrupted":
            run.stopped = "interrupted"
    with torch.no_grad():
        reached = spectrogram_of(samples)
        written = float(objective.total(objective.terms(reached)))
    return samples, steps, written, spectral_convergence(expand(reached), asked)


def _finish(clip: Audio, content: Audio) -> Audio:
    """Give a clip the content's loudness, under the ceiling."""
    if clip.is_silent:
        return clip
    target = loudness(content.samples, content.sample_rate)
    return Audio(match_loudness(clip.samples, clip.sample_rate, target), clip.sample_rate)


def _untouched(content: Audio, settings: Settings, began: float) -> Result:
    audio = Audio(limit(content.samples, content.sample_rate, ceiling=1.0), content.sample_rate)
    return Result(
        audio=audio,
        settings=settings,
        steps=(),
        best=None,
        written=0.0,
        content_weight=float("inf"),
        spectral_convergence=-float("inf"),
        stopped="untouched",
        seconds=time.perf_counter() - began,
    )


def _diverged(result: Result) -> DivergedError:
    at = len(result.steps) + 1
    if result.best is None:
        return DivergedError(f"the loss was no number at evaluation {at}, the first: nothing to keep")
    return DivergedError(
        f"the loss stopped being a number at evaluation {at}: the best before it "
        f"(evaluation {result.best.evaluation}, loss {result.best.loss:.4g}) is kept",
        result=result,
    )
