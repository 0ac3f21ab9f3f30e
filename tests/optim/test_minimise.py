"""The loop: it descends, reports every step, keeps the best, and ends for the reason it gives."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from retimbre.errors import InputError
from retimbre.losses.terms import NetworkStyle, Objective, Style, Terms
from retimbre.networks.shallow import Shallow
from retimbre.optim.minimise import Minimum, minimise
from retimbre.optim.step import Step
from retimbre.settings import Settings
from retimbre.sound.audio import Audio

SETTINGS = Settings(n_iter=30, tolerance=0)


def _objective(strength: float = 0.5) -> tuple[Objective, Tensor]:
    generator = torch.Generator().manual_seed(0)
    net = Shallow(33, layers=2, filters=64, taps=5, generator=generator)
    content, style = torch.rand(33, 40, generator=generator), torch.rand(33, 50, generator=generator) ** 4
    mix = Style([(style, 1.0)])
    objective = Objective(NetworkStyle(net, mix).terms(content))
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


class _Listener:
    """Keeps the steps; a callback may raise."""

    def __init__(self, on_step: Callable[[Step], None] | None = None) -> None:
        self.steps: list[Step] = []
        self._on_step = on_step

    def count(self, step: Step) -> Step:
        self.steps.append(step)
        return step

    def check(self) -> None:
        if self._on_step is not None:
            self._on_step(self.steps[-1])


def _minimise(
    objective: object, start: Tensor, settings: Settings, on_step: Callable[[Step], None] | None = None
) -> tuple[Minimum, list[Step]]:
    listener = _Listener(on_step)
    found = minimise(objective, start, settings, n_iter=settings.n_iter, report=listener)  # type: ignore[arg-type]
    return found, listener.steps


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_finds_the_minimum_of_a_bowl(optimizer: str) -> None:
    bowl = _Bowl()
    settings = Settings(optimizer=optimizer, n_iter=300, tolerance=0)  # type: ignore[arg-type]
    run, _ = _minimise(bowl, torch.ones(3, 4), settings)
    torch.testing.assert_close(run.point, bowl.target, rtol=0, atol=1e-2)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_lowers_the_loss_and_reports_every_step(optimizer: str) -> None:
    objective, content = _objective()
    settings = replace(SETTINGS, optimizer=optimizer)  # type: ignore[arg-type]
    run, told = _minimise(objective, content, settings)
    assert [s.evaluation for s in told] == list(range(1, len(told) + 1))
    assert all(a.iteration <= b.iteration and a.seconds <= b.seconds for a, b in pairwise(told))
    assert run.best is not None
    assert run.best.loss < 0.7 * told[0].loss
    assert run.best.loss == min(s.loss for s in told)
    for s in told:
        assert s.loss == pytest.approx(objective.content_weight * s.content + s.style, rel=1e-5)


def test_the_spectrogram_is_that_of_the_best_step_and_not_negative() -> None:
    objective, content = _objective()
    run, _ = _minimise(objective, content, SETTINGS)
    assert run.best is not None
    assert float(run.point.min()) >= 0
    again = float(objective.total(objective.terms(run.point)))
    assert again == pytest.approx(run.best.loss, rel=1e-4)


def test_bins_that_start_silent_can_sound() -> None:
    objective, content = _objective(strength=1)
    run, _ = _minimise(objective, torch.zeros_like(content), SETTINGS)
    assert float(run.point.mean()) > 0.01


def test_the_start_is_left_alone() -> None:
    objective, content = _objective()
    before = content.clone()
    _minimise(objective, content, SETTINGS)
    assert torch.equal(content, before)


def test_accepts_a_start_that_is_not_contiguous() -> None:
    objective, content = _objective()
    run, _ = _minimise(objective, content.T.contiguous().T, replace(SETTINGS, n_iter=3))
    assert run.best is not None


def test_ends_after_its_iterations() -> None:
    objective, content = _objective()
    run, steps = _minimise(objective, content, replace(SETTINGS, n_iter=4))
    assert run.stopped == "n_iter"
    assert steps[-1].iteration <= 4


def test_ends_early_when_the_loss_no_longer_falls() -> None:
    objective, content = _objective()
    patient, many = _minimise(objective, content, replace(SETTINGS, n_iter=200, tolerance=0.001))
    hasty, few = _minimise(objective, content, replace(SETTINGS, n_iter=200, tolerance=0.2))
    assert patient.stopped == hasty.stopped == "tolerance"
    assert len(few) < len(many) < 200
    assert patient.best is not None
    before = min(s.loss for s in many[:-6])
    assert patient.best.loss > before * 0.999


def test_content_equal_to_style_is_done_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    content = torch.rand(9, 12, generator=generator) + 0.1
    net = Shallow(9, layers=1, filters=4, taps=3, generator=generator)
    objective = Objective(NetworkStyle(net, Style([(content, 1.0)])).terms(content))
    run, steps = _minimise(objective, content, SETTINGS)
    assert steps[0].loss == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(run.point, content, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("nan_at", [1, 3])
def test_divergence_keeps_the_best_before_it(nan_at: int) -> None:
    run, steps = _minimise(_Bowl(nan_at=nan_at), torch.ones(3, 4), SETTINGS)
    assert run.stopped == "diverged"
    assert len(steps) == nan_at - 1
    assert (run.best is None) == (nan_at == 1)
    assert bool(run.point.isfinite().all())


def test_an_interrupt_keeps_the_best() -> None:
    objective, content = _objective()

    def interrupt(step: Step) -> None:
        if step.evaluation == 5:
            raise KeyboardInterrupt

    run, steps = _minimise(objective, content, SETTINGS, interrupt)
    assert run.stopped == "interrupted"
    assert len(steps) == 5
    assert run.best is not None
    assert run.best.loss < steps[0].loss


def test_other_exceptions_pass_through() -> None:
    objective, content = _objective()

    def fail(step: Step) -> None:
        raise RuntimeError("the listener broke")

    with pytest.raises(RuntimeError, match="the listener broke"):
        _minimise(objective, content, SETTINGS, fail)


def test_a_step_can_be_listened_to_while_it_is_at_hand() -> None:
    objective, content = _objective()
    sounds: list[float] = []

    def preview(frames: Tensor) -> Audio:
        return Audio(frames.flatten().numpy(), 8000)

    def listen(step: Step) -> None:
        if step.evaluation in (1, 8):
            frames = torch.from_numpy(step.audio().samples).view(33, 40)
            sounds.append(float(objective.total(objective.terms(frames))))

    listener = _Listener()
    listener.check = lambda: listen(listener.steps[-1])  # type: ignore[method-assign]
    minimise(objective, content, SETTINGS, n_iter=10, report=listener, preview=preview)
    losses = [step.loss for step in listener.steps]
    assert sounds == pytest.approx([losses[0], min(losses[:8])], rel=1e-4)  # the best so far
    with pytest.raises(InputError, match="no sound any more"):
        listener.steps[0].silent().audio()
    assert "_preview" not in listener.steps[0].numbers()
