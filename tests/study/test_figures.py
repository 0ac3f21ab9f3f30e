import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from study.estimates import Estimate, mean, ratio
from study.figures import by_kind, markdown, table
from study.methods import METHODS, REFERENCES
from study.pairs import REPORT
from study.trials import Task, Trial

COPIED, _, TARGET = REFERENCES
KERNEL = METHODS[-1]
MELODIC = [pair for pair in REPORT if pair.kind == "melodic"][:3]
DRUMS = [pair for pair in REPORT if pair.kind == "percussive"][:2]


def _trial(task: Task, lsd: float, pitch: float | None, pace: float = 0.0) -> Trial:
    measures = {
        "target_distance": {"lsd": lsd, "timbre": 2 * lsd},
        "content_preservation": {"onset_f1": 0.5},
        "style_distance": {"gram": 0.25},
    }
    if pitch is not None:
        measures["score_distance"] = {"pitch": pitch}
    return Trial(task, pace, measures, Path("x.flac"))


@pytest.fixture
def trials() -> list[Trial]:
    found = [_trial(Task(pair, COPIED), lsd, 0.2) for pair, lsd in zip(MELODIC, (4, 8, 12), strict=True)]
    for strength, factor in ((0.5, 0.5), (1.0, 0.25)):
        for pair, lsd, pitch in zip(MELODIC[:2], (4, 8), (0.3, 0.5), strict=True):
            found.append(_trial(Task(pair, KERNEL, strength), lsd * factor, pitch, 1.5))
    found += [_trial(Task(pair, COPIED), 5, None) for pair in DRUMS]
    return found


def test_the_error_of_a_mean_is_the_usual_one() -> None:
    values = np.random.default_rng(0).standard_normal(9) ** 2
    found = mean(list(values))
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std(ddof=1) / 3)
    assert found.n == 9


def test_the_error_of_a_ratio_is_that_of_many_draws() -> None:
    rng = np.random.default_rng(0)
    draws = rng.gamma(9, size=(4000, 2, 40)) * np.array([1.0, 2.0])[:, None]
    ratios = draws[:, 0].mean(axis=1) / draws[:, 1].mean(axis=1)
    found = [ratio(list(ours), list(theirs)) for ours, theirs in draws[:200]]
    assert np.mean([one.value for one in found]) == pytest.approx(0.5, rel=0.02)
    assert np.mean([one.error for one in found]) == pytest.approx(ratios.std(), rel=0.1)
    assert ratio([1, 2, 3], [2, 4, 6]) == Estimate(0.5, 0.0, 3)


def test_few_pairs_have_no_error_and_none_have_no_figure() -> None:
    one, none = mean([3.0]), mean([])
    assert (one.value, one.n) == (3, 1)
    assert math.isnan(one.error)
    assert math.isnan(none.value)
    assert (one.text(1), none.text()) == ("3.0", "-")
    assert Estimate(-0.001, 0.25, 4).text() == ".00 ± .25"
    assert Estimate(-0.5, 0.25, 4).text() == "-.50 ± .25"
    assert Estimate(10.0, 1.0, 4).text(0) == "10 ± 1"


def test_ratios_are_over_the_pairs_that_both_have(trials: list[Trial]) -> None:
    assert {kind: len(ours) for kind, ours in by_kind(trials).items()} == {"melodic": 7, "percussive": 2}
    copied, half, full = table(by_kind(trials)["melodic"])
    assert [row.name for row in (copied, half, full)] == ["content copied", "retimbre, .5", "retimbre, 1"]
    assert (copied.n, half.n) == (3, 2)
    assert copied.figures["lsd"] == copied.figures["timbre"] == Estimate(1.0, 0.0, 3)
    assert half.figures["lsd"].value == pytest.approx(0.5)  # of 4 and 8, not of 12
    assert full.figures["timbre"].value == pytest.approx(0.25)
    assert half.figures["pitch"].value == pytest.approx(0.4)  # a mean, no ratio
    assert half.figures["pitch"].error == pytest.approx(0.1)
    assert half.figures["pace"].value == 1.5
    assert math.isnan(copied.figures["pace"].value)
    (drums,) = table(by_kind(trials)["percussive"])
    assert math.isnan(drums.figures["pitch"].value)


def test_the_target_is_heard_at_no_distance(trials: list[Trial]) -> None:
    heard = {"heard": {"recognised": 0.9, "first": 1.0}}
    envelopes = [{"envelope": {"error": error, "noise": noise}} for error, noise in ((8.0, -6.0), (0.0, 0.0))]
    ours = [
        replace(trial, task=replace(trial.task, method=method), measures=trial.measures | heard | envelope)
        for method, envelope in zip((COPIED, TARGET), envelopes, strict=True)
        for trial in trials[:2]
    ]
    copied, target = table(ours)
    assert [target.figures[name].text() for name in ("recognised", "first")] == [".90 ± .00", "1"]
    assert [row.figures["envelope"].text() for row in (copied, target)] == ["1", "0"]
    assert [row.figures["noise"].text(1) for row in (copied, target)] == ["-6.0 ± .0", "0"]
    assert (
        "| LSD | timbre | pitch | onset F1 | Gram | recognised | first | envelope | noise, dB |"
        in markdown(ours)
    )
    assert "envelope 8.0 ± .0 dB" in markdown(ours)


def test_as_markdown(trials: list[Trial]) -> None:
    melodic, percussive = (part.split("\n") for part in markdown(trials).split("\n\n**"))
    assert (
        melodic[0] == "**Melodic**, 3 pairs; content copied: LSD 8.0 ± 2.3 dB, timbre 16 ± 5, Gram .25 ± .00"
    )
    assert melodic[2].count("|") == melodic[3].count("|") == 8  # of the other figures no trial has a value
    assert (
        melodic[5]
        == "| retimbre, .5 (2 pairs) | .50 ± .00 | .50 ± .00 | .40 ± .10 | .50 ± .00 | 1 | 1.50 ± .00 |"
    )
    assert percussive[4] == "| content copied | 1 | 1 | .50 ± .00 | 1 |"
