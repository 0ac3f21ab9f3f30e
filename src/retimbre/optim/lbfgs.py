"""L-BFGS in compact form, with a strong Wolfe line search.

Written by hand although ``torch.optim`` has it: the first construction of any ``torch.optim`` optimiser in a
process imports ``torch._dynamo``, 1.2 s, longer than a transfer; and its L-BFGS takes a quarter of the time
of an evaluation of the kernel, where this one takes a ninth.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Evaluate = Callable[[Tensor, int], tuple[float, Tensor]]
"""Function from a point and the number of completed iterations to the loss and its gradient there."""

_DECREASE, _CURVATURE = 1e-4, 0.9
"""The two Wolfe conditions' constants, as Nocedal and Wright recommend them for quasi-Newton methods."""

_TRIALS = 25
"""Evaluations of one line search at most."""


def lbfgs(evaluate: Evaluate, start: Tensor, *, n_iter: int, history: int, first_step: float) -> bool:
    """Minimise a function with limited-memory BFGS (Nocedal and Wright 2006, algorithms 7.5, 3.5 and 3.6).

    Args:
        evaluate: Function to minimise.
        start: Start, any shape.
        n_iter: Iterations at most; each takes one evaluation, seldom more.
        history: Number of past steps in the estimate of the Hessian.
        first_step: Size of the first trial step, by the sum of absolute values: before the second the
            method has no estimate of scale.

    Returns:
        Whether the descent ended before ``n_iter``, with a gradient or a step of zero.

    >>> bowl = lambda x, _: (float((x**2).sum()), 2 * x)
    >>> lbfgs(bowl, torch.ones(3), n_iter=9, history=3, first_step=0.1)
    True
    """
    loss, gradient = evaluate(start, 0)
    here = _LinePoint(0.0, loss, gradient, _dot(gradient, gradient), start)
    past = _History(start.numel(), history, start)
    size = float(gradient.abs().sum())
    direction = gradient * (-first_step / size) if size > 0 else gradient
    for iteration in range(n_iter):
        slope = _dot(here.gradient, direction)
        if not slope < 0:
            return True
        here = _LinePoint(0.0, here.loss, here.gradient, slope, here.point)
        found = _search(evaluate, here, direction, iteration)
        if found.step == 0:
            return True
        direction = past.direction(direction, found.step, here.gradient, found.gradient)
        here = found
    return False


@dataclass(frozen=True)
class _LinePoint:
    """Point on a line: distance along it, loss, gradient, slope along the line, and the point itself."""

    step: float
    loss: float
    gradient: Tensor
    slope: float
    point: Tensor


def _search(evaluate: Evaluate, origin: _LinePoint, direction: Tensor, iteration: int) -> _LinePoint:
    """Find a step that meets the strong Wolfe conditions: first 1, then further out, then between two.

    Between ``low``, the best so far, and ``high`` there always is such a step. Where rounding hides it,
    the result is ``low``, or the origin itself.
    """
    low, high, step = origin, None, 1.0
    for _ in range(_TRIALS):
        point = torch.add(origin.point, direction, alpha=step)
        loss, gradient = evaluate(point, iteration)
        trial = _LinePoint(step, loss, gradient, _dot(gradient, direction), point)
        if loss > origin.loss + _DECREASE * step * origin.slope or loss >= low.loss:
            high = trial
        elif abs(trial.slope) <= -_CURVATURE * origin.slope:
            return trial
        else:
            if trial.slope * (1.0 if high is None else high.step - low.step) >= 0:
                high = low
            low = trial
        if high is None:
            step = min(max(_cubic(origin, trial), 2 * step), 10 * step)
            continue
        width = high.step - low.step
        if abs(width) < 1e-9 * step:
            break
        share = (_cubic(low, high) - low.step) / width
        step = low.step + min(max(share, 0.1), 0.9) * width
    return low


def _cubic(a: _LinePoint, b: _LinePoint) -> float:
    """Find the minimum of the cubic through two losses and slopes (equation 3.59), or half-way."""
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (a.step + b.step) / 2
    d2 = math.copysign(math.sqrt(square), b.step - a.step)
    below = b.slope - a.slope + 2 * d2
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / below if below else (a.step + b.step) / 2


class _History:
    """Last steps s and changes of gradient y, and the search direction from them.

    The two loops of L-BFGS only ever add multiples of these vectors, so that they can run on the vectors'
    inner products (Chen et al. 2014, "Large-scale L-BFGS using MapReduce"). A spectrogram is
    megabytes, and reading them takes the time: here every s is read twice per iteration and every y
    three times, in matrix-vector products, where the loops read and write them four times.

    Args:
        n: Length of a vector.
        history: Number of steps that are kept.
        like: Tensor that gives type and device.
    """

    def __init__(self, n: int, history: int, like: Tensor) -> None:
        self._rows = like.new_zeros(2 * history, n)  # s_1 ... s_m y_1 ... y_m
        self._products = torch.zeros(2 * history, history, dtype=torch.float64)  # of every row with every y
        self._along = torch.zeros(2 * history, dtype=torch.float64)  # of every row with the last gradient
        self._history, self._order = history, list[int]()

    def direction(self, before: Tensor, step: float, old: Tensor, new: Tensor) -> Tensor:
        """Add a step and compute the next direction, ``-H new`` with H the inverse Hessian.

        Args:
            before: Direction of the step.
            step: Length of the step in units of that direction.
            old: Gradient at the start of the step.
            new: Gradient at its end.
        """
        self._keep(before, step, old, new)
        m, products, along = self._history, self._products.tolist(), self._along.tolist()
        of_rows, of_gradient = [0.0] * (2 * m), 1.0  # coefficients of q, later r, of the two loops
        alphas: dict[int, float] = {}
        for i in reversed(self._order):
            s_q = along[i] + sum(of_rows[m + j] * products[i][j] for j in self._order)
            alphas[i] = s_q / products[i][i]
            of_rows[m + i] -= alphas[i]
        if self._order:
            last = self._order[-1]
            of_gradient = products[last][last] / products[m + last][last]
            of_rows = [of_gradient * c for c in of_rows]
        for i in self._order:
            y_r = of_gradient * along[m + i] + sum(
                of_rows[j] * products[j][i] + of_rows[m + j] * products[m + j][i] for j in self._order
            )
            of_rows[i] += alphas[i] - y_r / products[i][i]
        coefficients = self._rows.new_tensor(of_rows)
        flat = torch.addmv(new.reshape(-1), self._rows.T, coefficients, beta=-of_gradient, alpha=-1)
        return flat.view_as(new)

    def _keep(self, before: Tensor, step: float, old: Tensor, new: Tensor) -> None:
        m = self._history
        if len(self._order) == m:
            self._order.pop(0)
        at = next(i for i in range(m) if i not in self._order)
        s, y = self._rows[at], self._rows[m + at]
        torch.mul(before.reshape(-1), step, out=s)
        torch.sub(new.reshape(-1), old.reshape(-1), out=y)
        along = (self._rows @ new.reshape(-1)).double().cpu()
        self._products[:, at] = along - self._along  # <r, y> = <r, new> - <r, old>
        self._products[m + at] = self._products[m:, at]
        self._products[at] = (self._rows[m:] @ s).double().cpu()
        self._products[m + at, at] = _dot(y, y)
        self._along = along
        if self._products[at, at] > 0:  # else rounding has hidden the curvature
            self._order.append(at)


def _dot(a: Tensor, b: Tensor) -> float:
    return torch.dot(a.reshape(-1), b.reshape(-1)).item()
