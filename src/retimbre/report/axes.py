"""Marks at round numbers on linear and logarithmic axes."""

import math
from typing import NamedTuple

_SPACES = 7  # between the marks on an axis, at most: as many as fit on a phone


class Mark(NamedTuple):
    """A mark on an axis: its place as a share of the axis' length, and its text."""

    at: float
    text: str


def marks(length: float, *, low: float = 0.0) -> list[Mark]:
    """Divide a linear axis from ``low`` to ``length`` at round numbers.

    >>> [mark.text for mark in marks(6.0)]
    ['0', '1', '2', '3', '4', '5', '6']
    """
    least = (length - low) / _SPACES
    power = 10 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    first = math.ceil(low / step)
    return [
        Mark((k * step - low) / (length - low), f"{k * step:g}")
        for k in range(first, math.floor(length / step) + 1)
    ]


def decades(low: float, high: float) -> list[Mark]:
    """Divide a logarithmic axis at round numbers, the closer the shorter it is.

    Args:
        low: Decimal logarithm at the start of the axis.
        high: Decimal logarithm at its end.

    >>> [mark.text for mark in decades(-1.2, 2.2)]
    ['0.1', '1', '10', '100']
    """
    factors = range(1, 10) if high - low < 0.7 else (1, 2, 5) if high - low < 2 else (1,)
    exponents = [
        math.log10(factor) + decade
        for decade in range(math.floor(low), math.ceil(high))
        for factor in factors
    ]
    return [Mark((e - low) / (high - low), f"{10**e:.3g}") for e in exponents if low <= e <= high]
