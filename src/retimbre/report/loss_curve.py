"""Layout of a run's loss over its evaluations, as lines for an SVG."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from retimbre.report.axes import Mark, decades, marks
from retimbre.result import Result


@dataclass(frozen=True)
class LossCurve:
    """Total loss and its terms in a box of 100 by 100, y downwards.

    Args:
        lines: Points of the total, the weighted content term and the style term, by name.
        best: Place of the best evaluation as a share of the axis.
        evaluations: Marks of the horizontal axis.
        losses: Marks of the vertical axis, which is logarithmic.
    """

    lines: dict[str, str]
    best: float
    evaluations: list[Mark]
    losses: list[Mark]


def loss_curve(result: Result) -> LossCurve | None:
    """Lay out the total and its terms; ``None`` where there are fewer than two evaluations or no loss."""
    steps = result.steps
    if len(steps) < 2 or result.best is None:
        return None
    total = [step.loss for step in steps]
    content = [result.content_weight * step.content for step in steps]
    style = [step.style for step in steps]
    # Down to where the terms end. The content term comes from far below (from zero, where the start
    # is the content itself) and would flatten the others.
    shown = [value for value in (*total, *style, content[-1]) if value > 0]
    if not shown:  # content and style are the same
        return None
    low = math.log10(min(shown) / 1.5)
    high = math.log10(max(shown) * 1.2)
    span = len(steps) - 1

    def points(line: Iterable[float]) -> str:
        heights = (math.log10(value) if value > 0 else low for value in line)
        return " ".join(
            f"{100 * k / span:.2f},{100 * (high - min(max(height, low), high)) / (high - low):.2f}"
            for k, height in enumerate(heights)
        )

    return LossCurve(
        lines={"total": points(total), "content": points(content), "style": points(style)},
        best=(result.best.evaluation - 1) / span,
        evaluations=[mark for mark in marks(len(steps), low=1) if "." not in mark.text],
        losses=decades(low, high),
    )
