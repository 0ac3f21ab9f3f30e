"""The loop: a spectrogram, or a waveform, descends the objective; one :class:`Step` after another is told.

Whoever watches a run (progress bar, trace, early stop, interrupt) gets every evaluation as a
``Step``; nothing else leaves the loop before its end. The best spectrogram so far is kept, and it is
what comes out: at the end, at an interrupt (``KeyboardInterrupt``), and in a divergence.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from retimbre.losses.terms import Objective
from retimbre.optim.lbfgs import adam, lbfgs
from retimbre.settings import Settings

StopReason = Literal["n_iter", "tolerance", "converged", "interrupted", "diverged", "untouched"]
"""Why a run ended: all iterations done; the loss no longer fell; nothing left to descend (gradient
or step of zero); interrupted; the loss stopped being a number; strength 0, nothing to do."""

Stage = Literal["spectrogram", "waveform"]

_PATIENCE = 10
"""Evaluations over which ``tolerance`` is measured: a line search takes up to a few of them without
lowering the best loss."""

_HISTORY = 5
"""Past steps that L-BFGS keeps. With the kernel 5, 10, 20 and 100 end within 1 % of each other after 20, 40
and 80 evaluations (the demonstration's pairs, strengths .5 and .9), and reading them takes time."""

_FIRST_STEP = 0.3
"""Size of the first step of L-BFGS as a share of the start, by sums of absolute values. From .03 to 1 the
losses after 10, 20 and 40 evaluations are within 3 % of each other (the same pairs); small ones can end in
the nearest minimum instead of a better one (a steady tone in the style of a band of noise)."""

_ADAM_RATE = 0.1
"""Adam's step in units of log1p(magnitude), whose values are 0 to 6: of .01, .02, .05, .1 and .2 the one
with the lowest loss after 100 steps."""


_FLOOR = 1e-3
"""Least starting value of log1p(magnitude): about -110 dB of full scale."""


@dataclass(frozen=True)
class Step:
    """One evaluation of the objective.

    Attributes:
        stage: What descends: ``"spectrogram"``, or at the end ``"waveform"``.
        evaluation: Number of this evaluation, from 1, counted over all stages.
        iteration: Iterations of the optimiser completed before it in this stage.
        n_iter: Iterations of this stage at most.
        loss: ``content_weight * content + style``.
        content: Content term.
        style: Style term.
        seconds: Time since the first evaluation began.
        block: Number of the block of a long clip, from 1.
        n_blocks: Number of blocks.
        done: Share of the whole work that is done, 0 to 1, if every iteration is needed.
    """

    stage: Stage
    evaluation: int
    iteration: int
    n_iter: int
    loss: float
    content: float
    style: float
    seconds: float
    block: int = 1
    n_blocks: int = 1
    done: float = 0.0


OnStep = Callable[[Step], None]


@dataclass
class Run:
    """What a run came to.

    Attributes:
        point: The best point: a compressed spectrogram (F, T) or samples (C, N).
        best: The step that it belongs to; ``None`` where no evaluation was completed.
        steps: Every step.
        stopped: Why it ended.
    """

    point: Tensor
    best: Step | None = None
    steps: list[Step] = field(default_factory=list)
    stopped: StopReason = "n_iter"


class _Stop(Exception):  # noqa: N818 - a message from the closure to the loop, not an error
    """Unwinds the optimiser from inside an evaluation."""


def optimise(
    objective: Objective,
    start: Tensor,
    settings: Settings,
    *,
    stage: Stage = "spectrogram",
    top: Tensor | None = None,
    spectrogram_of: Callable[[Tensor], Tensor] | None = None,
    earlier: Sequence[Step] = (),
    on_step: OnStep | None = None,
) -> Run:
    """Minimise the objective over a compressed spectrogram, or over what has one.

    L-BFGS with a strong Wolfe line search (Nocedal and Wright 2006, algorithms 7.5 and 3.5), or Adam.

    Args:
        objective: What to minimise.
        start: Where to start: a compressed spectrogram (F, T), which stays within [0, ``top``], or what
            ``spectrogram_of`` takes.
        settings: ``optimizer``, ``tolerance``, and ``n_iter`` or ``n_iter_waveform``.
        stage: What descends.
        top: Highest value of each bin, (F, 1); for a spectrogram only. Without content nothing else keeps
            a few bins from growing without bound.
        spectrogram_of: From the variable to its compressed spectrogram, differentiable.
        earlier: Steps of the stages before this one; the count and the time go on.
        on_step: Called after every evaluation. A ``KeyboardInterrupt`` in it, or anywhere in the
            loop, ends the run with the best result so far; other exceptions pass through.
    """
    if spectrogram_of is None:
        # Magnitudes are not negative, the variable may be: the objective sees |x|. Left free and cut at
        # zero at the end, a quarter to a third of the bins are negative and cutting them raises the loss
        # by 13 to 320 % (the demonstration's pairs, strengths .5 and .95); |x| ends as low. The gradient of
        # |x| is zero at zero, hence the floor; it is far below hearing.
        start = start.clamp(min=_FLOOR)

        def spectrogram_of(x: Tensor) -> Tensor:
            return _Bounded.apply(x, top)  # type: ignore[no-untyped-call,no-any-return]

    n_iter = settings.n_iter_waveform if stage == "waveform" else settings.n_iter
    start = start.detach().contiguous()
    run = Run(start)
    before = earlier[-1].seconds if earlier else 0.0
    bests: list[float] = []  # lowest loss after each evaluation
    began = time.perf_counter()

    def evaluate(point: Tensor, iteration: int) -> tuple[float, Tensor]:
        x = point.requires_grad_()
        terms = objective.terms(spectrogram_of(x))
        loss = objective.total(terms)
        (gradient,) = torch.autograd.grad(loss, x)
        x.requires_grad_(False)
        step = Step(
            stage=stage,
            evaluation=len(earlier) + len(run.steps) + 1,
            iteration=iteration,
            n_iter=n_iter,
            loss=loss.item(),
            content=terms.content.item(),
            style=terms.style.item(),
            seconds=before + time.perf_counter() - began,
        )
        if not math.isfinite(step.loss + gradient.sum().item()):
            run.stopped = "diverged"
            raise _Stop
        run.steps.append(step)
        if run.best is None or step.loss < run.best.loss:
            run.best, run.point = step, point
        if on_step is not None:
            on_step(step)
        bests.append(run.best.loss)
        if len(bests) > _PATIENCE and bests[-1] > bests[-1 - _PATIENCE] * (1 - settings.tolerance):
            run.stopped = "tolerance"
            raise _Stop
        return step.loss, gradient

    try:
        if settings.optimizer == "lbfgs":
            size = _FIRST_STEP * float(start.abs().sum())
            done = lbfgs(evaluate, start, n_iter=n_iter, history=_HISTORY, first_step=size)
        else:
            done = adam(evaluate, start, n_iter=n_iter, rate=_ADAM_RATE)
        if done:
            run.stopped = "converged"
    except _Stop:
        pass
    except KeyboardInterrupt:
        run.stopped = "interrupted"
        if run.best is None:  # there is nothing yet to keep
            raise
    if stage == "spectrogram":
        run.point = spectrogram_of(run.point)
    return run


class _Bounded(torch.autograd.Function):
    """``min(|x|, top)``; written out because autograd takes three times as long."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: Tensor | None) -> Tensor:
        y = x.abs() if top is None else x.abs().minimum(top)
        ctx.save_for_backward(x, top)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        x, top = ctx.saved_tensors
        gradient = grads[0] * x.sign()
        return gradient if top is None else gradient.masked_fill_(x.abs() > top, 0), None
