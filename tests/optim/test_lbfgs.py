"""L-BFGS finds what it should, along the directions and with the steps that the textbook asks for."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from retimbre.optim import lbfgs as descent
from retimbre.optim.adam import adam
from retimbre.optim.lbfgs import lbfgs

Function = Callable[[Tensor], Tensor]


def _rosenbrock(x: Tensor) -> Tensor:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def _ill_conditioned(x: Tensor) -> Tensor:
    return (torch.logspace(0, 4, len(x), dtype=x.dtype) * (x - 1) ** 2).sum()


class _Watched:
    """Loss and gradient of a function by autograd; keeps what was asked for."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self.points: list[Tensor] = []
        self.losses: list[float] = []
        self.gradients: list[Tensor] = []
        self.iterations: list[int] = []

    def __call__(self, x: Tensor, iteration: int) -> tuple[float, Tensor]:
        x = x.detach().clone().requires_grad_()
        loss = self._function(x)
        (gradient,) = torch.autograd.grad(loss, x)
        self.points.append(x.detach())
        self.losses.append(loss.item())
        self.gradients.append(gradient)
        self.iterations.append(iteration)
        return loss.item(), gradient


@pytest.mark.parametrize("function", [_rosenbrock, _ill_conditioned])
@pytest.mark.parametrize("history", [1, 5, 20])
def test_finds_the_minimum(function: Function, history: int) -> None:
    watched = _Watched(function)
    start = torch.linspace(-1.2, 2, 10, dtype=torch.float64)
    lbfgs(watched, start, n_iter=3000, history=history, first_step=0.1)
    assert min(watched.losses) < 1e-12
    torch.testing.assert_close(watched.points[-1], torch.ones_like(start), rtol=0, atol=1e-4)


def test_every_step_meets_the_strong_wolfe_conditions() -> None:
    watched = _Watched(_rosenbrock)
    lbfgs(watched, torch.zeros(6, dtype=torch.float64), n_iter=40, history=5, first_step=0.1)
    accepted = [
        n
        for n in range(len(watched.points))
        if n + 1 == len(watched.points) or watched.iterations[n + 1] > watched.iterations[n]
    ]
    accepted.insert(0, 0)  # the start
    assert len(accepted) > 20
    for a, b in pairwise(accepted[:-1]):
        if a == b:
            continue
        step = watched.points[b] - watched.points[a]
        before, after = (float(watched.gradients[n] @ step) for n in (a, b))
        assert before < 0
        assert watched.losses[b] <= watched.losses[a] + 1e-4 * before
        assert abs(after) <= 0.9 * abs(before) * (1 + 1e-9)


def test_the_direction_is_that_of_the_two_loops() -> None:
    """Against Nocedal and Wright's algorithm 7.4, written out with vectors."""
    generator = torch.Generator().manual_seed(0)

    def vector() -> Tensor:
        return torch.randn(30, generator=generator, dtype=torch.float64)

    past = descent._History(30, 4, vector())
    pairs: list[tuple[Tensor, Tensor]] = []
    old = vector()
    for step in (0.5, 1.0, 2.0, 0.1, 1.0, 0.3, 1.7):
        before = vector()
        curvature = torch.logspace(-1, 1, 30, dtype=torch.float64)
        new = old + curvature * before * step
        pairs = [*pairs, (before * step, new - old)][-4:]
        got = past.direction(before, step, old, new)

        q, alphas = new.clone(), []
        for s, y in reversed(pairs):
            alphas.append(s @ q / (s @ y))
            q = q - alphas[-1] * y
        s, y = pairs[-1]
        r = (s @ y) / (y @ y) * q
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            r = r + s * (alpha - y @ r / (s @ y))
        torch.testing.assert_close(got, -r, rtol=1e-9, atol=1e-9)
        old = new


@pytest.mark.parametrize("history", [5, 100])
def test_needs_no_more_evaluations_than_torch(history: int) -> None:
    start = torch.linspace(-1.2, 2, 50, dtype=torch.float64)
    ours = _Watched(_rosenbrock)
    lbfgs(ours, start, n_iter=150, history=history, first_step=1.0)

    theirs = _Watched(_rosenbrock)
    x = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x],
        max_iter=150,
        history_size=history,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )

    def closure() -> float:
        loss, x.grad = theirs(x, 0)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    n = min(len(ours.losses), len(theirs.losses))
    assert n > 100
    ours_left, theirs_left = (math.log10(min(w.losses[:n]) + 1e-12) for w in (ours, theirs))
    assert ours_left <= theirs_left + 1


def test_adam_is_torchs() -> None:
    start = torch.linspace(-1.2, 2, 10)
    ours = _Watched(_rosenbrock)
    adam(ours, start, n_iter=50, rate=0.05)
    x = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.05)
    for point in ours.points:
        torch.testing.assert_close(point, x.detach(), rtol=1e-4, atol=1e-5)
        optimizer.zero_grad()
        _rosenbrock(x).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@pytest.mark.parametrize("start", [torch.ones(3), torch.ones(3) + 1e-30])
def test_says_where_nothing_is_left(start: Tensor) -> None:
    assert lbfgs(_Watched(_ill_conditioned), start, n_iter=5, history=3, first_step=1.0)
    assert adam(_Watched(_ill_conditioned), start, n_iter=5, rate=0.1)


def test_the_start_is_not_changed() -> None:
    start = torch.zeros(5)
    lbfgs(_Watched(_rosenbrock), start, n_iter=5, history=3, first_step=1.0)
    adam(_Watched(_rosenbrock), start, n_iter=5, rate=0.1)
    assert not start.any()
