"""The loop: it descends, tells every step, keeps the best, and ends for the reason it gives."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from retimbre.losses.terms import NetworkTerms, Objective, Style, Terms
from retimbre.networks.shallow import Shallow
from retimbre.optim.minimise import Step, optimise
from retimbre.settings import Settings

SETTINGS = Settings(n_iter=30, tolerance=0)


def _objective(strength: float = 0.5) -> tuple[Objective, Tensor]:
    generator = torch.Generator().manual_seed(0)
    net = Shallow(33, layers=2, filters=64, taps=5, generator=generator)
    content, style = torch.rand(33, 40, generator=generator), torch.rand(33, 50, generator=generator) ** 4
    mix = Style([(style, 1.0)])
    objective = Objective(NetworkTerms(net, content, mix))
    objective.balance(strength, content, mix)
    return objective, content


class _Bowl:
    """A quadratic with a known minimum, that can turn into NaN."""

    def __init__(self, *, nan_at: int = 0) -> None:
        self.target = torch.linspace(0.5, 3, 12).reshape(3, 4)
        self.scale = torch.logspace(0, 2, 12).reshape(3, 4)
        self.evaluations, self.nan_at = 0, nan_at

    def terms(self, x: Tensor) -> Terms:
        self.evaluations += 1
        loss = (self.scale * (x - self.target).square()).sum()
        return Terms(loss * 0, loss * float("nan") if self.evaluations == self.nan_at else loss)

    def total(self, terms: Terms) -> Tensor:
        return terms.content + terms.style


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_finds_the_minimum_of_a_bowl(optimizer: str) -> None:
    bowl = _Bowl()
    settings = Settings(optimizer=optimizer, n_iter=300, tolerance=0)  # type: ignore[arg-type]
    run = optimise(bowl, torch.ones(3, 4), settings)  # type: ignore[arg-type]
    torch.testing.assert_close(run.point, bowl.target, rtol=0, atol=1e-2)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_lowers_the_loss_and_tells_every_step(optimizer: str) -> None:
    objective, content = _objective()
    told: list[Step] = []
    settings = replace(SETTINGS, optimizer=optimizer)  # type: ignore[arg-type]
    run = optimise(objective, content, settings, on_step=told.append)
    assert told == run.steps
    assert [s.evaluation for s in told] == list(range(1, len(told) + 1))
    assert all(a.iteration <= b.iteration and a.seconds <= b.seconds for a, b in pairwise(told))
    assert run.best is not None
    assert run.best.loss < 0.7 * told[0].loss
    assert run.best.loss == min(s.loss for s in told)
    for s in told:
        assert s.loss == pytest.approx(objective.content_weight * s.content + s.style, rel=1e-5)


def test_the_spectrogram_is_that_of_the_best_step_and_not_negative() -> None:
    objective, content = _objective()
    run = optimise(objective, content, SETTINGS)
    assert run.best is not None
    assert float(run.point.min()) >= 0
    again = float(objective.total(objective.terms(run.point)))
    assert again == pytest.approx(run.best.loss, rel=1e-4)


def test_bins_that_start_silent_can_sound() -> None:
    objective, content = _objective(strength=1)
    run = optimise(objective, torch.zeros_like(content), SETTINGS)
    assert float(run.point.mean()) > 0.01


def test_the_start_is_left_alone() -> None:
    objective, content = _objective()
    before = content.clone()
    optimise(objective, content, SETTINGS)
    assert torch.equal(content, before)


def test_accepts_a_start_that_is_not_contiguous() -> None:
    objective, content = _objective()
    run = optimise(objective, content.T.contiguous().T, replace(SETTINGS, n_iter=3))
    assert run.best is not None


def test_ends_after_its_iterations() -> None:
    objective, content = _objective()
    run = optimise(objective, content, replace(SETTINGS, n_iter=4))
    assert run.stopped == "n_iter"
    assert run.steps[-1].iteration <= 4


def test_ends_early_when_the_loss_no_longer_falls() -> None:
    objective, content = _objective()
    patient = optimise(objective, content, replace(SETTINGS, n_iter=200, tolerance=0.001))
    hasty = optimise(objective, content, replace(SETTINGS, n_iter=200, tolerance=0.2))
    assert patient.stopped == hasty.stopped == "tolerance"
    assert len(hasty.steps) < len(patient.steps) < 200
    assert patient.best is not None
    before = min(s.loss for s in patient.steps[:-10])
    assert patient.best.loss > before * 0.999


def test_content_equal_to_style_is_done_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    content = torch.rand(9, 12, generator=generator) + 0.1
    net = Shallow(9, layers=1, filters=4, taps=3, generator=generator)
    objective = Objective(NetworkTerms(net, content, Style([(content, 1.0)])))
    run = optimise(objective, content, SETTINGS)
    assert run.steps[0].loss == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(run.point, content, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("nan_at", [1, 3])
def test_divergence_keeps_the_best_before_it(nan_at: int) -> None:
    run = optimise(_Bowl(nan_at=nan_at), torch.ones(3, 4), SETTINGS)  # type: ignore[arg-type]
    assert run.stopped == "diverged"
    assert len(run.steps) == nan_at - 1
    assert (run.best is None) == (nan_at == 1)
    assert bool(run.point.isfinite().all())


def test_an_interrupt_keeps_the_best() -> None:
    objective, content = _objective()

    def interrupt(step: Step) -> None:
        if step.evaluation == 5:
            raise KeyboardInterrupt

    run = optimise(objective, content, SETTINGS, on_step=interrupt)
    assert run.stopped == "interrupted"
    assert len(run.steps) == 5
    assert run.best is not None
    assert run.best.loss < run.steps[0].loss


def test_other_exceptions_pass_through() -> None:
    objective, content = _objective()

    def fail(step: Step) -> None:
        raise RuntimeError("the listener broke")

    with pytest.raises(RuntimeError, match="the listener broke"):
        optimise(objective, content, SETTINGS, on_step=fail)
