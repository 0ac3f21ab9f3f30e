"""The engine on a cluster of Dask: a scheduler, and workers in processes that die and are replaced."""

import importlib
import os
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from retimbre.apps.engines.cluster import DaskEngine
from retimbre.apps.engines.job import HaltError, Outcome

_JOBS = """
    import os
    import signal
    import time
    from pathlib import Path

    from retimbre.apps.engines.job import HaltError


    class Squares:
        def __init__(self, folder):
            self.folder = Path(folder)

        def __call__(self):
            return Worker(self.folder)


    class Worker:
        def __init__(self, folder):
            self.folder = folder

        def __call__(self, item):
            with open(self.folder / "began", "a") as file:
                file.write(f"{item}\\n")
            if item == "deadly":
                os.kill(os.getpid(), signal.SIGKILL)
            if item == "full":
                raise HaltError("the disk is full")
            if item == "slow":
                while not (self.folder / "go").exists():
                    time.sleep(0.01)
            return item if isinstance(item, str) else 1 / item

        def close(self):
            (self.folder / f"closed-{os.getpid()}").touch()
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Module of a job, for this process and for those of a cluster."""
    (tmp_path / "jobs_of_a_test.py").write_text(textwrap.dedent(_JOBS), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [before])]))
    yield importlib.import_module("jobs_of_a_test")
    del sys.modules["jobs_of_a_test"]


def _cluster(folder: Path, port: int = 0) -> Any:
    return LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2,
        threads_per_worker=1,
        scheduler_port=port,
        dashboard_address=":0",
        local_directory=str(folder),
        silence_logs=60,
    )


def _run(engine: DaskEngine, job: Any, tasks: list[list[Any]]) -> list[Outcome[Any, Any]]:
    return [outcome for outcome in engine.run(job, iter(tasks), lambda: False) if outcome is not None]


def _began(folder: Path) -> list[str]:
    return (folder / "began").read_text().split()


def test_items_of_tasks_are_done_and_one_that_kills_its_worker_is_given_up_alone(
    jobs: Any, tmp_path: Path
) -> None:
    with _cluster(tmp_path / "dask") as cluster:
        engine = DaskEngine(cluster.scheduler_address)
        assert engine.n_slots == 2
        outcomes = _run(engine, jobs.Squares(tmp_path), [[1, 2], [4, "deadly", 5], [0], [8]])
        assert {outcome.item: outcome.record for outcome in outcomes if not outcome.fault} == {
            1: 1,
            2: 1 / 2,
            4: 1 / 4,
            5: 1 / 5,
            8: 1 / 8,
        }
        faults = {outcome.item: outcome.fault for outcome in outcomes if outcome.fault}
        assert faults[0].startswith("ZeroDivisionError")
        assert "ended its worker" in faults["deadly"]
        assert len(outcomes) == 7
        assert list(tmp_path.glob("closed-*"))

        with pytest.raises(HaltError, match="the disk is full"):
            _run(engine, jobs.Squares(tmp_path), [[1], ["full"], [2]])


def test_a_stop_finishes_the_item_at_work_and_no_other(jobs: Any, tmp_path: Path) -> None:
    with _cluster(tmp_path / "dask") as cluster:
        engine = DaskEngine(cluster.scheduler_address)
        outcomes: list[Any] = []
        stop = threading.Event()
        tasks: list[list[Any]] = [["slow", 1, 2], ["slow", 3, 4], [5], [6], [7]]
        for outcome in engine.run(jobs.Squares(tmp_path), iter(tasks), stop.is_set):
            outcomes += [outcome] if outcome is not None else []
            if stop.is_set():
                (tmp_path / "go").touch()
            elif (tmp_path / "began").exists() and _began(tmp_path) == ["slow", "slow"]:
                stop.set()
        assert [outcome.item for outcome in outcomes] == ["slow", "slow"]
        assert _began(tmp_path) == ["slow", "slow"]


def test_a_scheduler_that_goes_and_comes_back_loses_no_item(jobs: Any, tmp_path: Path) -> None:
    notes: list[str] = []
    first = _cluster(tmp_path / "dask")
    port = int(first.scheduler_address.rpartition(":")[2])
    engine = DaskEngine(first.scheduler_address, on_note=notes.append)
    second = None
    outcomes: list[Any] = []
    try:
        tasks: list[list[Any]] = [["slow"], *([n] for n in range(1, 11))]
        for outcome in engine.run(jobs.Squares(tmp_path), iter(tasks), lambda: False):
            outcomes += [outcome] if outcome is not None else []
            if len(outcomes) == 10 and not notes:
                first.close()
            elif notes and second is None:
                (tmp_path / "go").touch()
                second = _cluster(tmp_path / "dask", port)
    finally:
        first.close()
        if second is not None:
            second.close()
    assert sorted(str(outcome.item) for outcome in outcomes) == sorted(["slow", *map(str, range(1, 11))])
    assert [note.rpartition(" is ")[2] for note in notes] == ["gone: waiting for it", "back"]


def test_no_scheduler_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retimbre.apps.engines.cluster._CONNECT", 0.5)
    with pytest.raises(HaltError, match="no scheduler answers at tcp://127"):
        DaskEngine("tcp://127.0.0.1:1")
