import dataclasses
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import retimbre
from retimbre.errors import InputError
from retimbre.metrics import transcriber as transcribe
from retimbre.optim.step import StopReason
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.files import read
from study import methods as rooms
from study import trials, triplets
from study.methods import METHODS, REFERENCES, Clips, Method, methods
from study.pairs import TUNE, Pair
from study.ranges import RANGES
from study.recognition import Recogniser, _network
from study.trial_worker import Judges, TrialWorker
from study.trials import Task, load, save, tasks
from study.triplets import TripletNetwork

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")

MADE: list[float] = []


def _louder(clips: Clips, settings: Settings) -> Audio:
    if len(MADE) == 2:
        MADE.append(-1)
        raise KeyboardInterrupt
    assert settings.strength is not None
    MADE.append(settings.strength)
    return Audio(clips.content.samples * (1 + settings.strength), clips.content.sample_rate)


LOUDER = Method("made louder", "the content, louder", _louder, Settings(strength=0.5))


def _run(folder: Path, todo: list[Task], judges: Judges | None = None) -> None:
    worker = TrialWorker(judges)
    for task in todo:
        save(folder, task, worker(task))


@pytest.fixture
def pair() -> Pair:
    return replace(TUNE[0], seconds=1.0)


def test_methods_are_found_by_name_with_the_references() -> None:
    assert methods(["target", "musaicing"]) == (*REFERENCES, METHODS[3])
    assert methods(["content-copied"]) == methods(["content copied"]) == methods([]) == REFERENCES
    assert [m.name for m in methods() if m not in REFERENCES] == [
        m.name for m in METHODS if m.default and m not in REFERENCES
    ]
    assert len({m.slug for m in METHODS}) == len(METHODS)
    with pytest.raises(InputError, match="there is no method 'nmf': expected some of content-copied"):
        methods(["nmf"])


def test_a_strength_is_the_settings_but_for_those_that_know_none() -> None:
    ours = METHODS[-1]
    assert ours.at(0.3) == Settings(strength=0.3)
    assert ours.at(None) == ours.settings
    made = tasks(TUNE[:2], methods(["musaicing", "kernel", "retimbre"]), [0.3, 1.0])
    kinds = {task.pair.kind for task in tasks(TUNE, methods(["vocoder"]), []) if task.name == "vocoder"}
    assert kinds == {"melodic"}
    assert [task.name for task in made[: len(made) // 2]] == [
        *("content-copied", "style-copied", "target", "musaicing", "kernel-0.3", "kernel-1"),
        *("retimbre", "retimbre-0.3", "retimbre-1"),
    ]


def test_half_a_transfer_is_no_trial_and_a_diverged_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Audio(np.float32(0.1) * np.random.default_rng(0).standard_normal(8000, np.float32), 8000)
    result = retimbre.transfer(clip, clip, Settings(strength=0))
    clips = Clips(clip, clip, clip)

    def ended(stopped: StopReason) -> Callable[..., retimbre.Result]:
        return lambda *_: dataclasses.replace(result, stopped=stopped)

    monkeypatch.setattr(rooms, "transfer", ended("interrupted"))
    with pytest.raises(KeyboardInterrupt):
        METHODS[-1].make(clips, Settings())
    monkeypatch.setattr(rooms, "transfer", ended("diverged"))
    assert METHODS[-1].make(clips, Settings()).n_samples == 8000


@pytest.mark.skipif(transcribe.missing() is not None, reason="the transcriber is not installed")
def test_what_is_done_is_remembered_and_an_interrupt_loses_the_one_at_hand(
    tmp_path: Path, pair: Pair
) -> None:
    MADE.clear()
    todo = tasks([pair], (*REFERENCES, LOUDER), [0.2, 0.4, 0.6])
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, todo)
    missing = [task for task in todo if load(tmp_path, task) is None]
    assert [task.strength for task in missing] == [0.6]
    assert not list(tmp_path.rglob(".*"))  # nothing half done
    _run(tmp_path, missing)
    assert MADE == [0.2, 0.4, -1, 0.6]

    copied, style, target, *_, loudest = (load(tmp_path, task) for task in todo)
    assert copied is not None
    assert style is not None
    assert target is not None
    assert loudest is not None
    assert copied.pace == style.pace == target.pace == 0 < loudest.pace
    assert (
        copied.measures["content_preservation"]["onset_f1"]
        == loudest.measures["content_preservation"]["onset_f1"]
        == 1
    )
    assert style.measures["style_distance"]["gram"] == target.measures["target_distance"]["lsd"] == 0
    assert 0 <= target.measures["score_distance"]["pitch"] < style.measures["score_distance"]["pitch"] <= 1
    assert read(loudest.file).samples == pytest.approx(1.6 * read(copied.file).samples, abs=1e-4)


@pytest.mark.skipif(transcribe.missing() is not None, reason="the transcriber is not installed")
def test_what_is_heard_is_measured_of_pitched_instruments(tmp_path: Path, pair: Pair) -> None:
    def measured(pair: Pair, method: Method, judges: Judges | None) -> trials.Measures:
        task = Task(pair, method)
        _run(tmp_path, [task], judges)
        found = load(tmp_path, task)
        assert found is not None
        return found.measures

    network = _network(len(RANGES)).eval()
    torch.nn.init.zeros_(network[-1].weight)  # type: ignore[index]
    torch.nn.init.zeros_(network[-1].bias)  # type: ignore[index]
    network[-1].bias.data[list(RANGES).index(pair.style_instrument)] = 3.0  # type: ignore[index]
    judge = Judges(Recogniser(tuple(RANGES), network), TripletNetwork(triplets._network().eval()))
    copied, _, target = REFERENCES
    found = measured(pair, copied, judge)
    share = np.exp(3) / (np.exp(3) + len(RANGES) - 1)
    assert found["heard"] == pytest.approx({"recognised": share, "first": 1.0})
    assert found["envelope"]["error"] > 1
    assert measured(pair, target, judge)["envelope"] == {
        "error": 0,
        "attack": 0,
        "decay": 0,
        "noise": 0,
        "noise_absolute": 0,
    }
    assert not {"heard", "cifka"} & set(measured(pair, copied, None))
    assert "cifka" not in found  # of clips that are too short for the network of triplets
    longer = replace(pair, seconds=5.0)
    found = measured(longer, copied, judge)
    assert found["cifka"]["lsd"] > 5
    assert found["cifka"]["timbre"] > 0
    assert found["cifka"]["pitch"] == found["target_distance"]["pitch"]
    assert measured(longer, target, judge)["cifka"] == pytest.approx({"lsd": 0, "timbre": 0, "pitch": 0})
    drums = replace(next(p for p in TUNE if p.kind == "percussive"), seconds=1.0, soundfont="timgm")
    assert not {"heard", "envelope"} & set(measured(drums, copied, judge))


def test_a_trial_is_stale_when_what_it_comes_from_has_changed(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(pair, REFERENCES[0])
    _run(tmp_path, [task])
    assert load(tmp_path, task) is not None
    assert load(tmp_path, Task(replace(pair, seconds=1.5), task.method)) is None
    assert load(tmp_path, Task(pair, replace(task.method, settings=Settings(seed=1)))) is None
    with monkeypatch.context() as changed:
        changed.setattr(trials, "code_hash", lambda: "other")
        assert load(tmp_path, task) is None
    (path,) = tmp_path.rglob("*.json")
    flac = path.with_suffix(".flac")
    flac.rename(tmp_path / "away.flac")
    assert load(tmp_path, task) is None
    (tmp_path / "away.flac").rename(flac)
    assert load(tmp_path, task) is not None
    for damaged in ("", "[]", '{"key": 1}'):
        path.write_text(damaged, encoding="utf-8")
        assert load(tmp_path, task) is None


def test_the_code_is_what_makes_and_measures_not_what_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "retimbre"
    for name in ("sound/audio.py", "metrics/measures.py", "report/page.py", "apps/cli.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    monkeypatch.setattr(retimbre, "__file__", str(root / "__init__.py"))

    def hashed() -> str:
        trials.code_hash.cache_clear()
        return trials.code_hash()

    try:
        before = hashed()
        for name in ("report/page.py", "apps/cli.py"):
            (root / name).write_text("changed")
            assert hashed() == before
        for name in ("sound/audio.py", "metrics/measures.py"):
            (root / name).write_text("changed")
            assert hashed() != before
            (root / name).write_text("")
    finally:
        trials.code_hash.cache_clear()
