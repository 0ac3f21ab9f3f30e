"""The picture of quality over seconds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.methods import METHODS, REFERENCES
from study.pairs import TUNE
from study.quality_picture import save_quality
from study.trials import Task, Trial

pytest.importorskip("matplotlib")


def _trial(number: int, method: int, strength: float | None, lsd: float, pace: float) -> Trial:
    measures = {"target_distance": {"lsd": lsd, "timbre": 100 * lsd}}
    return Trial(Task(TUNE[number], METHODS[method], strength), pace, measures, Path())


def test_every_kind_has_its_panels_and_every_method_its_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig

    def kept(figure: Figure, *arguments: Any, **options: Any) -> None:
        drawn.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", kept)
    ours = len(METHODS) - 1
    kinds = {pair.kind: number for number, pair in enumerate(TUNE)}
    trials = [
        trial
        for number in kinds.values()
        for trial in (
            *(_trial(number, k, None, 10.0 - k, 0.0) for k in range(len(REFERENCES))),
            _trial(number, 3, None, 8.0, 0.5),
            _trial(number, ours, None, 5.0, 2.0),
            _trial(number, ours, 0.5, 6.0, 2.0),
        )
    ]
    save_quality(tmp_path / "quality.png", trials)
    assert (tmp_path / "quality.png").read_bytes().startswith(b"\x89PNG")
    (figure,) = drawn
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == list(kinds)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["musaicing", "retimbre"]
    for axes in figure.axes:
        best, worst = sorted(axes.get_ylim())
        assert axes.get_ylim() == (worst, best)  # better is up
        marked = [line for line in axes.lines if line.get_marker() not in ("None", "")]
        places = np.concatenate([np.asarray(line.get_xydata()) for line in marked])
        points = {(float(x), round(float(y), 3)) for x, y in places}
        assert points == {(0.5, 0.8), (2.0, 0.5), (2.0, 0.6)}


def test_one_trial_is_enough(tmp_path: Path) -> None:
    trial = _trial(0, 0, None, 10.0, 0.0)
    save_quality(tmp_path / "quality.png", [trial, replace(trial, task=Task(TUNE[0], METHODS[3]), pace=1.0)])
    assert (tmp_path / "quality.png").stat().st_size > 1000
