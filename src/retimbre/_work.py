"""The blocks of a content, from their samples to new ones, one after the other or several at once."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from retimbre._clips import analyse, levelled, spectrogram
from retimbre._result import Waveform, mean, to_waveform
from retimbre.alignment.target import Aim, Aims, Choice, towards
from retimbre.losses.kernel import KernelTerms
from retimbre.losses.terms import NetworkTerms, Objective, Style
from retimbre.networks.registry import Features, Network, build, kind
from retimbre.optim.minimise import OnStep, Run, Step, StopReason, optimise
from retimbre.settings import BALANCED, Settings
from retimbre.sound import blocks
from retimbre.sound.audio import Audio, Samples, Sound, fit
from retimbre.sound.loudness import loudness
from retimbre.sound.phase import griffin_lim
from retimbre.sound.resampling import resample
from retimbre.sound.stereo import image
from retimbre.sound.stft import Window, from_log_magnitude

BLOCK, OVERLAP = 10.0, 1.0
"""Seconds: longest block of a long clip, and how far neighbours overlap. The work of an evaluation grows
with the square of the block's frames; in ten seconds the network still hears whole phrases."""

MARGIN = 0.5
"""Seconds around a block that are heard and cut off again: its neighbours, or at the ends of the clip its
mirror image. The network sees silence around what it is given, and works on the edge of that: without
margins the first and last half second come out up to 9 dB louder."""

DYNAMICS = 20.0
"""dB. Each block enters at the working loudness, so that a quiet passage takes a quiet style; but not one
that is quieter than the whole clip by more than this, or background noise would be taken for music."""


@dataclass(frozen=True)
class Outcome:
    """What one block came to."""

    best: Step | None
    written: float
    content_weight: float
    spectral_convergence: float
    stopped: StopReason
    choice: Choice | None = None  # none for a network that hears samples


_Done = tuple[Samples, Outcome | None]
"""Samples (C, n) of a block at the content's rate and its own loudness; the content's if nothing was done."""


class Work:
    """The blocks of one content, done one after the other or several at a time.

    Args:
        content: What is cut into blocks.
        rate: Working rate in Hz.
        styles: What the style is known by under each window; the first is the main one.
        settings: The settings.
        on_step: Told of every evaluation.
        aims: Says what the objective aims at, for a network that sees the spectrogram.

    Attributes:
        loudness: Of the content, LUFS.
        steps: Those of all blocks, as they came.
        outcomes: Of the blocks that were worked on, in order.
        sounds: Whether anything came out but silence.
    """

    def __init__(
        self,
        content: Sound,
        rate: int,
        styles: Sequence[tuple[Window, Style]],
        settings: Settings,
        on_step: OnStep | None,
        aims: Aims | None,
    ) -> None:
        self._content, self._rate = content, rate
        self._settings, self._on_step, self._aims = settings, on_step, aims
        self.loudness = loudness(content)
        self.steps: list[Step] = []
        self.outcomes: list[Outcome] = []
        self.sounds = False
        self._places = blocks.cut(
            content.n_samples,
            longest=round(BLOCK * content.sample_rate),
            overlap=round(OVERLAP * content.sample_rate),
        )
        self._margin = round(MARGIN * content.sample_rate)
        n_heard = self._places[0].stop - self._places[0].start + 2 * self._margin  # the same for all
        self._n_samples = round(n_heard * rate / content.sample_rate)
        self._build = lru_cache(self._make)  # once for all blocks
        self._hears = kind(settings.network).sample_rate
        fitted = [
            (window, mix.fitted(self._n_samples if self._hears else 1 + self._n_samples // window.hop_length))
            for window, mix in styles
        ]
        (self._window, self._mix), *self._others = fitted
        self._done = [0.0] * len(self._places)  # share of each
        self._lock, self._stop, self._interrupted = threading.Lock(), threading.Event(), False
        self._began = time.perf_counter()

    def blocks(self) -> Iterator[tuple[slice, Samples]]:
        """Each block that sounds, with its place; what an interrupt leaves undone stays the content."""
        heard = blocks.around(self._content, self._places, self._margin)
        n_jobs = min(self._settings.jobs, len(self._places))
        works = (self._later(number, samples) for number, samples in enumerate(heard))
        results = _ahead(works, n_jobs, self._stop) if n_jobs > 1 else (work() for work in works)
        for place, (samples, outcome) in zip(self._places, results, strict=True):
            if outcome is not None:
                self.outcomes.append(outcome)
            if samples.any():
                self.sounds = True
                yield place, samples
        if not self.outcomes:
            raise KeyboardInterrupt

    @property
    def stopped(self) -> StopReason:
        """Why the work ended: what ended any block before its time, or else the last one."""
        reasons = [outcome.stopped for outcome in self.outcomes]
        if "diverged" in reasons:
            return "diverged"
        return "interrupted" if self._interrupted or "interrupted" in reasons else reasons[-1]

    def _make(self, window: Window, n_bins: int, device: torch.device) -> Network:
        return build(window.stated(self._settings, self._rate), n_bins, device)

    def _later(self, number: int, heard: Samples) -> Callable[[], _Done]:
        def work() -> _Done:
            content = heard[:, self._margin : heard.shape[1] - self._margin]
            if self._stop.is_set() or not content.any():
                return content, None
            try:
                made, outcome = self._block(number, content, heard)
            except KeyboardInterrupt:  # before there was anything to keep
                self._stop.set()
                self._interrupted = True
                return content, None
            if outcome.stopped in ("interrupted", "diverged"):
                self._stop.set()
            self._done[number] = 1.0
            return made, outcome

        return work

    def _block(self, number: int, content: Samples, heard: Samples) -> tuple[Samples, Outcome]:
        sample_rate = self._content.sample_rate
        steps: list[Step] = []

        def tell(step: Step) -> None:
            try:
                self._tell(step, number, steps)
            except KeyboardInterrupt:
                self._stop.set()
            if self._stop.is_set():
                raise KeyboardInterrupt

        clip = Audio(heard, sample_rate).resampled(self._rate)
        made, outcome = (self._by_samples if self._hears else self._by_spectrogram)(clip, steps, tell)
        clip = Audio(made.cpu().numpy(), self._rate).resampled(sample_rate)
        samples = fit(clip.samples[:, self._margin :], content.shape[1])
        if samples.any():
            level = loudness(Audio(content, sample_rate)) - loudness(Audio(samples, sample_rate))
            samples = samples * np.float32(10 ** (level / 20))
        return samples, outcome

    def _by_spectrogram(self, clip: Audio, steps: list[Step], tell: OnStep) -> tuple[Tensor, Outcome]:
        """Descend over the spectrogram, then over the waveform."""
        settings, floor = self._settings, self.loudness - DYNAMICS
        bins = analyse(clip, self._rate, self._window, floor=floor)
        frames = spectrogram(bins)
        assert self._aims is not None
        aim = self._aims.of(frames, self._mix)
        settings = replace(settings, strength=aim.choice.strength)
        others = []
        for window, mix in self._others:
            seen = spectrogram(analyse(clip, self._rate, window, floor=floor))
            content, style = self._under(window, seen, mix, aim, bins)
            others.append((objective_of(content, style, settings, partial(self._build, window)), window))
        objective = objective_of(aim.content, aim.style, settings, partial(self._build, self._window))
        clips = (frames, aim.content, *(clip for clip, _ in aim.style.clips))
        loudest = [clip.amax(dim=1, keepdim=True) for clip in clips]
        top = torch.stack(loudest).amax(dim=0)  # no bin need be louder than it ever is in any of the clips
        run = optimise(objective, _start(aim.content, aim.style, settings), settings, top=top, on_step=tell)
        waveform = to_waveform(run, bins, self._n_samples, objective, self._window, settings, tell, others)
        return waveform.samples, replace(_outcome(objective, run, steps, waveform), choice=aim.choice)

    def _under(
        self, window: Window, content: Tensor, style: Style, aim: Aim, bins: Tensor
    ) -> tuple[Tensor, Style]:
        """What is aimed at, seen under another window: by way of sound, with the phase of the content's bins.

        Args:
            window: The other window.
            content: The content under it.
            style: The style as it is under it.
            aim: The aim under the main window.
            bins: The content's under the main window.
        """
        if aim.choice.how == "plain":
            return content, style

        def seen(frames: Tensor) -> Tensor:
            n_iter = self._settings.n_iter_phase
            samples, _ = griffin_lim(
                from_log_magnitude(frames), image(bins), self._window, self._n_samples, n_iter=n_iter
            )
            return spectrogram(window.stft(samples))

        if aim.choice.how == "aligned":
            style = Style([(seen(frames), share) for frames, share in aim.style.clips])
            return towards(content, style, aim.choice.strength), style
        return seen(aim.content), style

    def _by_samples(self, clip: Audio, steps: list[Step], tell: OnStep) -> tuple[Tensor, Outcome]:
        """Descend over the waveform alone, for a network that hears samples."""
        settings, hears = self._settings, self._hears
        content = levelled(clip, self._rate, floor=self.loudness - DYNAMICS).to(self._window.device)
        network = self._build(self._window, self._window.n_bins, content.device)
        mix = Style([(_as_many(samples, len(content)), share) for samples, share in self._mix.clips])

        def hear(samples: Tensor) -> Features:
            assert hears is not None
            return network(resample(samples, self._rate, hears))

        objective = _balanced(Objective(NetworkTerms(network, content, mix, hear)), content, mix, settings)
        run = optimise(
            objective,
            _start(content, mix, settings),
            replace(settings, n_iter_waveform=settings.n_iter),
            stage="waveform",
            spectrogram_of=lambda x: x,
            on_step=tell,
        )
        written = run.best.loss if run.best else math.nan
        waveform = Waveform(run.point, written, -math.inf)  # what was asked for is a waveform
        return run.point, _outcome(objective, run, steps, waveform)

    def _tell(self, step: Step, number: int, steps: list[Step]) -> None:
        """Count a step of a block among those of all blocks, and pass it on."""
        with self._lock:
            share = step.iteration / step.n_iter
            if not self._hears:  # the waveform comes second
                share = 0.5 * share if step.stage == "spectrogram" else 0.5 + 0.5 * share
            self._done[number] = share
            steps.append(
                replace(
                    step,
                    evaluation=len(self.steps) + 1,
                    seconds=time.perf_counter() - self._began,
                    block=number + 1,
                    n_blocks=len(self._places),
                    done=mean(self._done),
                )
            )
            self.steps.append(steps[-1])
            if self._on_step is not None:
                self._on_step(steps[-1])


_T = TypeVar("_T")


def _ahead(works: Iterable[Callable[[], _T]], n_jobs: int, stop: threading.Event) -> Iterator[_T]:
    """Results in order, with that many at work, one thread each; no more are begun than that.

    Threads and not processes: torch lets go of Python's lock while it computes, and a thread needs no second
    torch, no copy of the style, and nothing of the caller's program (docs/performance.md).
    """

    def result(future: "Future[_T]") -> _T:
        try:
            return future.result()
        except KeyboardInterrupt:  # Ctrl-C finds the main thread here
            stop.set()
            return future.result()

    n_threads = torch.get_num_threads()
    waiting: deque[Future[_T]] = deque()
    with ThreadPoolExecutor(n_jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for work in works:
                if len(waiting) == n_jobs:
                    yield result(waiting.popleft())
                waiting.append(pool.submit(work))
            while waiting:
                yield result(waiting.popleft())
        finally:
            stop.set()  # should the caller have given up
            torch.set_num_threads(n_threads)


def objective_of(
    content: Tensor,
    style: Style,
    settings: Settings,
    make: Callable[[int, torch.device], Network] | None = None,
) -> Objective:
    """The objective of a content (F, T) and a style, balanced as the settings say."""
    if settings.network == "kernel":
        objective = Objective(KernelTerms(content, style, layers=settings.layers, taps=settings.taps))
    else:
        network = (make or partial(build, settings))(len(content), content.device)
        objective = Objective(NetworkTerms(network, content, style))
    return _balanced(objective, content, style, settings)


def _balanced(objective: Objective, content: Tensor, style: Style, settings: Settings) -> Objective:
    if settings.content_weight is None:
        objective.balance(BALANCED if settings.strength is None else settings.strength, content, style)
    else:
        objective.content_weight = settings.content_weight
    return objective


def _outcome(objective: Objective, run: Run, steps: list[Step], waveform: Waveform) -> Outcome:
    return Outcome(
        best=steps[run.best.evaluation - 1] if run.best else None,
        written=waveform.written,
        content_weight=objective.content_weight,
        spectral_convergence=waveform.spectral_convergence,
        stopped=run.stopped,
    )


def _as_many(samples: Tensor, n_channels: int) -> Tensor:
    """Samples of a style with as many channels as the content: its own, or their mean for each."""
    return samples if len(samples) == n_channels else samples.mean(dim=0).expand(n_channels, -1)


def _start(content: Tensor, style: Style, settings: Settings) -> Tensor:
    """Where a compressed spectrogram (F, T), or samples (C, N), starts."""
    if settings.init == "content":
        return content
    if settings.init == "style":
        return style.frames(content.shape[1])
    generator = torch.Generator().manual_seed(settings.seed)
    if content.min() < 0:  # samples
        return torch.randn(content.shape, generator=generator).to(content.device) * content.std()
    noise = torch.rand(content.shape, generator=generator)
    return noise.to(content.device) * 2 * content.mean()
