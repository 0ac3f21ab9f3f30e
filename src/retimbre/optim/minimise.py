"""Minimises an objective over a spectrogram or a waveform, and reports every evaluation as a :class:`Step`.

Progress bar, trace, preview, early stop and interrupt listen to ``Step``; nothing else leaves the loop before
its end. The best point so far is kept, and it is the result: at the end, at an interrupt
(``KeyboardInterrupt``), and in a divergence.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retimbre.losses.terms import Objective
from retimbre.optim.adam import adam
from retimbre.optim.lbfgs import lbfgs
from retimbre.optim.step import Preview, Report, Stage, Step, StopReason
from retimbre.settings import Settings
from retimbre.sound.audio import Audio

_PATIENCE = 6
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


@dataclass
class Minimum:
    """The lowest point that was found.

    Attributes:
        point: A compressed spectrogram (F, T) or samples (C, N).
        best: Its step; ``None`` where no evaluation was completed.
        stopped: Reason for the end.
    """

    point: Tensor
    best: Step | None = None
    stopped: StopReason = "n_iter"


class _Stop(Exception):  # noqa: N818 - a message from the closure to the loop, not an error
    """Unwinds the optimiser from inside an evaluation."""


def minimise(
    objective: Objective,
    start: Tensor,
    settings: Settings,
    *,
    stage: Stage = "spectrogram",
    n_iter: int,
    top: Tensor | None = None,
    spectrogram_of: Callable[[Tensor], Tensor] | None = None,
    report: Report | None = None,
    preview: Preview | None = None,
    done: tuple[float, float] = (0.0, 1.0),
    enough: float = 0.0,
) -> Minimum:
    """Minimise the objective over a compressed spectrogram, or over a variable that has one.

    L-BFGS with a strong Wolfe line search (Nocedal and Wright 2006, algorithms 7.5 and 3.5), or Adam.

    Args:
        objective: The loss.
        start: A compressed spectrogram (F, T), which stays within [0, ``top``], or an input of
            ``spectrogram_of``.
        settings: ``optimizer`` and ``tolerance``.
        stage: Name of the variable.
        n_iter: Iterations at most.
        top: Highest value of each bin, (F, 1); for a spectrogram only. Without content nothing else keeps
            a few bins from growing without bound.
        spectrogram_of: From the variable to its compressed spectrogram, differentiable.
        report: Takes in every step. A ``KeyboardInterrupt`` in it, or anywhere in the loop, ends the run with
            the best result so far; other exceptions pass through.
        preview: Renders the sound of a point, for :meth:`Step.audio`.
        done: Fractions of the block's work that are done at the start and at the end of this stage.
        enough: Loss at which to stop.

    Raises:
        KeyboardInterrupt: an interrupt before the first evaluation was complete.
    """
    if spectrogram_of is None:
        # Magnitudes are not negative, the variable may be: the objective sees |x|. Left free and cut at
        # zero at the end, a quarter to a third of the bins are negative and cutting them raises the loss
        # by 13 to 320 % (the demonstration's pairs, strengths .5 and .95); |x| ends as low. The gradient of
        # |x| is zero at zero, hence the floor; it is far below hearing.
        start = start.clamp(min=_FLOOR)

        def spectrogram_of(x: Tensor) -> Tensor:
            return _Bounded.apply(x, top)  # type: ignore[no-untyped-call,no-any-return]

    start = start.detach().contiguous()
    found = Minimum(start)
    losses: list[float] = []  # lowest loss after each evaluation
    began = time.perf_counter()

    def sound() -> Audio:
        assert preview is not None
        with torch.no_grad():
            return preview(spectrogram_of(found.point) if stage == "spectrogram" else found.point)

    def evaluate(point: Tensor, iteration: int) -> tuple[float, Tensor]:
        x = point.requires_grad_()
        terms = objective.terms(spectrogram_of(x))
        loss = objective.total(terms)
        # One read, for which a GPU has to be waited for.
        value, content, style = torch.stack([loss, terms.content, terms.style]).tolist()
        # No gradient is taken of a point at which to stop.
        gradient = torch.zeros_like(x) if value <= enough else torch.autograd.grad(loss, x)[0]
        x.requires_grad_(False)
        step = Step(
            stage=stage,
            evaluation=len(losses) + 1,
            iteration=iteration,
            n_iter=n_iter,
            loss=value,
            content=content,
            style=style,
            seconds=time.perf_counter() - began,
            done=done[0] + (done[1] - done[0]) * iteration / n_iter,
            _preview=None if preview is None else sound,
        )
        if not math.isfinite(step.loss + gradient.sum().item()):
            found.stopped = "diverged"
            raise _Stop
        losses.append(min(step.loss, losses[-1]) if losses else step.loss)
        is_best = found.best is None or step.loss < found.best.loss
        if is_best:
            found.best, found.point = step.silent(), point
        if report is not None:
            step = report.count(step).silent()
            found.best = step if is_best else found.best
            report.check()
        if value <= enough or _is_flat(losses, settings.tolerance):
            found.stopped = "converged" if value <= enough else "tolerance"
            raise _Stop
        return step.loss, gradient

    try:
        if settings.optimizer == "lbfgs":
            size = _FIRST_STEP * float(start.abs().sum())
            ended = lbfgs(evaluate, start, n_iter=n_iter, history=_HISTORY, first_step=size)
        else:
            ended = adam(evaluate, start, n_iter=n_iter, rate=_ADAM_RATE)
        if ended:
            found.stopped = "converged"
    except _Stop:
        pass
    except KeyboardInterrupt:
        found.stopped = "interrupted"
        if found.best is None:  # there is nothing yet to keep
            raise
    if stage == "spectrogram":
        found.point = spectrogram_of(found.point)
    return found


def _is_flat(losses: list[float], tolerance: float) -> bool:
    """Decide whether the lowest loss has fallen by less than a share of itself over the last evaluations."""
    return len(losses) > _PATIENCE and losses[-1] > losses[-1 - _PATIENCE] * (1 - tolerance)


class _Bounded(torch.autograd.Function):
    """Compute ``min(|x|, top)``; written out because autograd takes three times as long."""

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
