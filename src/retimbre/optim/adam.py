"""Adam, written by hand for the reason in :mod:`retimbre.optim.lbfgs`."""

import torch
from torch import Tensor

from retimbre.optim.lbfgs import Evaluate


def adam(evaluate: Evaluate, start: Tensor, *, n_iter: int, rate: float) -> bool:
    """Minimise a function with Adam (Kingma and Ba 2015, algorithm 1, with their constants).

    Args:
        evaluate: Function to minimise.
        start: Start, any shape.
        n_iter: Iterations at most.
        rate: Learning rate, about the size of a step in each entry.

    Returns:
        Whether the gradient became zero.
    """
    point, first, second = start, torch.zeros_like(start), torch.zeros_like(start)
    for iteration in range(n_iter):
        _, gradient = evaluate(point, iteration)
        if not gradient.any():
            return True
        first = torch.lerp(first, gradient, 1 - 0.9)
        second = torch.lerp(second, gradient.square(), 1 - 0.999)
        n = iteration + 1
        mean, power = first / (1 - 0.9**n), second / (1 - 0.999**n)
        point = point - rate * mean / (power.sqrt() + 1e-8)
    return False
