"""Estimates over pairs, with their spread, as text.

The spread is the standard error by the jackknife over the pairs (Efron and Tibshirani 1993, chapter 11):
another study would have other pairs. For a mean it is the usual standard error.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A figure with its standard error.

    Args:
        value: The figure; NaN where there is nothing to take it from.
        error: Its standard error; NaN for fewer than two pairs.
        n: Number of pairs.
    """

    value: float
    error: float
    n: int

    def text(self, digits: int = 2) -> str:
        """Format it for a table.

        >>> Estimate(0.734, 0.021, 16).text(), Estimate(1.0, 0.0, 16).text()
        ('.73 ± .02', '1')
        """
        if math.isnan(self.value):
            return "-"
        if max(abs(self.value), self.error) < 1e-6 or (self.value, self.error) == (1, 0):  # by definition
            return f"{self.value:.0f}"
        value = _number(self.value, digits)
        return value if math.isnan(self.error) else f"{value} ± {_number(self.error, digits)}"


def _number(value: float, digits: int) -> str:
    text = f"{value:z.{digits}f}"  # z: no minus before a zero
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def mean(values: Sequence[float]) -> Estimate:
    """Estimate the mean of values over pairs."""
    return jackknife(lambda column: float(column.mean()), values)


def ratio(values: Sequence[float], references: Sequence[float]) -> Estimate:
    """Estimate the ratio of two means over the same pairs."""
    return jackknife(lambda ours, theirs: float(ours.mean() / theirs.mean()), values, references)


def jackknife(statistic: Callable[..., float], *columns: Sequence[float]) -> Estimate:
    """Estimate a statistic of n pairs, and its standard error from its values without each pair in turn.

    ``sqrt((n - 1) / n * sum over i of (s_i - mean of s)^2)`` for s_i without pair i.

    >>> round(jackknife(lambda x: float(x.mean()), [1.0, 2.0, 3.0, 4.0]).error, 3)  # sqrt(5 / 3) / 2
    0.645
    """
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    n = len(arrays[0])
    if n == 0:
        return Estimate(math.nan, math.nan, 0)
    value = statistic(*arrays)
    if n == 1:
        return Estimate(value, math.nan, 1)
    without = np.array([statistic(*(np.delete(array, i) for array in arrays)) for i in range(n)])
    error = float(np.sqrt((n - 1) / n * np.square(without - without.mean()).sum()))
    return Estimate(value, error, n)
