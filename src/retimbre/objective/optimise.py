"""The loop: a spectrogram, or a waveform, descends the objective; one :class:`Step` after another is told.

Whoever watches a run (progress bar, trace, early stop, interrupt) gets every evaluation as a
``Step``; nothing else leaves the loop before its end. The best spectrogram so far is kept, and it is
what comes out: at the end, at an interrupt (``KeyboardInterrupt``), and in a divergence.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from retimbre.objective.losses import Objective
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

_FIRST_STEP = 0.1
"""Size of the first step of L-BFGS as a share of the variable, by sums of absolute values. From .01 to .2
it makes no difference of note; without it there are five evaluations more."""

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


def optimise(  # noqa: PLR0915 - one loop and its closure
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
            return x.abs() if top is None else x.abs().minimum(top)

    n_iter = settings.n_iter_waveform if stage == "waveform" else settings.n_iter
    # torch's L-BFGS first moves by a vector whose absolute values sum to one: next to nothing for a
    # spectrogram, and its line search takes seven evaluations to find out. In units of `unit` that
    # step is _FIRST_STEP of the variable. (Everything after it does not depend on the unit.)
    unit = _FIRST_STEP * float(start.abs().sum()) if settings.optimizer == "lbfgs" else 1.0
    x = (start.detach() / unit).contiguous().requires_grad_()  # L-BFGS wants it contiguous
    run = Run(start.detach().clone())
    before = earlier[-1].seconds if earlier else 0.0
    bests: list[float] = []  # lowest loss after each evaluation
    began = time.perf_counter()

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        terms = objective.terms(spectrogram_of(x * unit))
        loss = objective.total(terms)
        loss.backward()  # type: ignore[no-untyped-call]
        step = Step(
            stage=stage,
            evaluation=len(earlier) + len(run.steps) + 1,
            iteration=_iterations(optimizer, x),
            n_iter=n_iter,
            loss=loss.item(),
            content=terms.content.item(),
            style=terms.style.item(),
            seconds=before + time.perf_counter() - began,
        )
        if not math.isfinite(step.loss) or not bool(x.grad.isfinite().all()):  # type: ignore[union-attr]
            run.stopped = "diverged"
            raise _Stop
        run.steps.append(step)
        if run.best is None or step.loss < run.best.loss:
            run.best = step
            torch.mul(x.detach(), unit, out=run.point)
        if on_step is not None:
            on_step(step)
        bests.append(run.best.loss)
        if len(bests) > _PATIENCE and bests[-1] > bests[-1 - _PATIENCE] * (1 - settings.tolerance):
            run.stopped = "tolerance"
            raise _Stop
        return loss

    optimizer: torch.optim.Optimizer
    if settings.optimizer == "lbfgs":
        optimizer = torch.optim.LBFGS(
            [x],
            max_iter=n_iter,
            max_eval=30 * n_iter,  # no bound of its own: a line search takes 25 at most
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
            tolerance_grad=0,
            tolerance_change=0,
        )
    else:
        optimizer = torch.optim.Adam([x], lr=_ADAM_RATE)
    try:
        if settings.optimizer == "lbfgs":
            optimizer.step(evaluate)  # type: ignore[no-untyped-call]
            if _iterations(optimizer, x) < n_iter:
                run.stopped = "converged"
        else:
            for _ in range(n_iter):
                optimizer.step(evaluate)  # type: ignore[no-untyped-call]
    except _Stop:
        pass
    except KeyboardInterrupt:
        run.stopped = "interrupted"
        if run.best is None:  # there is nothing yet to keep
            raise
    if stage == "spectrogram":
        run.point = spectrogram_of(run.point)
    return run


def _iterations(optimizer: torch.optim.Optimizer, x: Tensor) -> int:
    state = optimizer.state.get(x, {})
    return int(state.get("n_iter", state.get("step", 0)))
