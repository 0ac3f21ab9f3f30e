"""The benchmark: methods on pairs with a known answer, in processes, resumable, on one page."""

import importlib.util
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch

from retimbre._output import atomic, check_writable, make_folder
from retimbre.errors import DependencyError, InputError
from retimbre.metrics import transcriber as transcribe
from retimbre.report.rendering import require
from retimbre.settings import Settings
from study import figures, standings, trials
from study.methods import methods
from study.pairs import PAIRS, SECONDS, Group, Kind, Pair
from study.trials import Task, Trial

STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Strengths of a curve."""

KINDS: tuple[Kind, ...] = get_args(Kind)

MIN_SECONDS = 1.0
"""Length of the clips at least; :data:`study.pairs.SECONDS` at most."""

OnProgress = Callable[[int, int], None]

_TICK = 0.2  # seconds between two looks at the processes


@dataclass(frozen=True)
class Outcome:
    """What a benchmark came to.

    Args:
        page: Path of the page.
        table: The tables, as Markdown.
        trials: Every trial that is done.
        interrupted: Whether some are missing.
    """

    page: Path
    table: str
    trials: Sequence[Trial]
    interrupted: bool


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
) -> Outcome:
    """Try methods on pairs and make a page of figures, curves and players.

    What was done before is taken from ``cache`` in the folder, unless the code, a method's settings or the
    clips have changed since. An interrupt ends the benchmark with what is done; the next run goes on.

    Args:
        directory: Folder to write to; made if it is not there.
        names: Names of methods (:data:`study.methods.METHODS`); the default ones if ``None``. The
            content copied, the style copied and the target always come along.
        pairs: ``"report"``, or ``"tune"`` for what settings may be tuned on.
        kinds: Which kinds of pairs.
        strengths: Strengths of the methods that know any, 0 to 1.
        seconds: Length of the clips, 1 to 7.
        jobs: Processes, of one thread each; as many as cores if ``None``. With 1, this process does it.
        on_progress: Called with the number of trials that are done and of all, now and then. A
            ``KeyboardInterrupt`` in it, or Ctrl-C, is an interrupt.

    Raises:
        InputError: a name, number or folder that cannot be used.
        DependencyError: a package of the extras ``demo``, ``measure`` and ``report`` is not installed.
        KeyboardInterrupt: an interrupt before anything was done.
    """
    directory = Path(directory)
    chosen, rows = _pairs(pairs, kinds, seconds), methods(None if names is None else list(names))
    jobs = _checked(strengths, jobs)
    _require()
    make_folder(directory)
    page, cache = directory / "index.html", directory / "cache"
    check_writable(page)

    everything = trials.tasks(chosen, rows, list(dict.fromkeys(strengths)))
    todo = [task for task in everything if trials.remembered(cache, task) is None]
    interrupted = False
    try:
        for n_done in _done(cache, todo, jobs):
            if on_progress is not None:
                on_progress(len(everything) - len(todo) + n_done, len(everything))
    except KeyboardInterrupt:
        interrupted = True
    found = [trial for task in everything if (trial := trials.remembered(cache, task)) is not None]
    if not found:
        raise KeyboardInterrupt
    intro = _intro(pairs, seconds, len(found), len(everything))
    html = standings.page("retimbre: the benchmark", found, directory, intro=intro)
    with atomic(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Outcome(page, figures.markdown(found), found, interrupted)


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


def _checked(strengths: Sequence[float], jobs: int | None) -> int:
    if not strengths:
        raise InputError("no strength is given: expected one or more numbers from 0 to 1")
    for strength in strengths:
        Settings(strength=strength)
    jobs = os.cpu_count() or 1 if jobs is None else jobs
    if not 1 <= jobs <= 256:
        raise InputError(f"jobs is {jobs}: expected a whole number from 1 to 256")
    return jobs


def _require() -> None:
    """Find out before the work what would end it later."""
    require()
    error = transcribe.missing()
    if error is not None:
        raise error
    for package in ("midirenderer", "pretty_midi"):
        if importlib.util.find_spec(package) is None:
            raise DependencyError(package, extra="demo")


def _done(cache: Path, todo: Sequence[Task], jobs: int) -> Iterator[int]:
    """Do the trials; give the number of those that are done, now and then."""
    by_pair: dict[Pair, list[Task]] = {}
    for task in todo:
        by_pair.setdefault(task.pair, []).append(task)
    yield 0
    if jobs == 1:
        yield from _here(cache, list(by_pair.values()))
    elif todo:
        yield from _in_processes(cache, list(by_pair.values()), jobs)


def _here(cache: Path, work: Sequence[Sequence[Task]]) -> Iterator[int]:
    """Do the trials in this process, on one thread as in the others, one after the other."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    n_done = 0
    try:
        for part in work:
            for _ in trials.carried_out(cache, part):
                n_done += 1
                yield n_done
    finally:
        torch.set_num_threads(n_threads)


def _in_processes(cache: Path, work: Sequence[Sequence[Task]], jobs: int) -> Iterator[int]:
    """Do the trials in processes of one thread each: two of two threads on two cores are 20 times slower.

    Processes are spawned, since a fork would copy the threads' locks. An interrupt loses the trials at hand.
    """
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        min(jobs, len(work)), mp_context=context, initializer=_begin, initargs=(told,)
    ) as pool:
        waiting: set[Future[None]] = {pool.submit(_carry_out, cache, part) for part in work}
        n_done = 0
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=_TICK, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                while not told.empty():
                    n_done += told.get()
                yield n_done
        except BaseException:
            for future in waiting:
                future.cancel()
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            raise


_told: "multiprocessing.SimpleQueue[int] | None" = None
_ended = False


def _begin(told: "multiprocessing.SimpleQueue[int]") -> None:
    """Make a process ready: one thread; Ctrl-C is for the one above, which ends this by SIGTERM."""
    global _told  # noqa: PLW0603 - a process has no other place for what its trials share
    _told = told
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


def _end(signum: int, frame: object) -> None:
    """Unwind what is at hand, so that no temporary file stays, and start nothing more."""
    global _ended  # noqa: PLW0603
    _ended = True
    sys.exit(128 + signum)


def _carry_out(cache: Path, part: Sequence[Task]) -> None:
    assert _told is not None
    if not _ended:
        for _ in trials.carried_out(cache, part):
            _told.put(1)


def _intro(pairs: str, seconds: float, n_done: int, n_all: int) -> str:
    what = "to report on" if pairs == "report" else "to tune on: nothing may be reported of them"
    missing = "" if n_done == n_all else f" Interrupted: {n_done} of {n_all} trials are done."
    return (
        f"Rendered pairs {what}. Song A on instrument X is the content, song B on instrument Y the style, "
        f"song A on instrument Y the target, what a perfect transfer would give; {seconds:g} s each.{missing}"
        "\n\nA method that does not beat both the content copied and the style copied has done nothing. What "
        "counts is its whole curve: how much of the style for how much of the content."
    )
