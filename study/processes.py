"""Trials in processes of one thread each, or one after the other in this one."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

import torch

from study import trials
from study.pairs import Pair
from study.recognition import Recogniser
from study.trials import Task

_TICK = 0.2  # seconds between two looks at the processes
_PATIENCE = 8.0  # seconds for a process to unwind


def run_tasks(
    cache: Path, tasks: Sequence[Task], jobs: int, recogniser: Recogniser | None = None
) -> Iterator[int]:
    """Run trials and yield the number of those that are done, now and then.

    Args:
        cache: Folder to save them in.
        tasks: Trials to run; those of one pair go to one process.
        jobs: Number of processes; with 1, this process runs them.
        recogniser: Judge of instruments; without it that measure is missing.
    """
    by_pair: dict[Pair, list[Task]] = {}
    for task in tasks:
        by_pair.setdefault(task.pair, []).append(task)
    if jobs == 1:
        yield from _run_here(cache, list(by_pair.values()), recogniser)
    elif tasks:
        yield from _run_in_processes(cache, list(by_pair.values()), jobs, recogniser)


def _run_here(cache: Path, parts: Sequence[Sequence[Task]], recogniser: Recogniser | None) -> Iterator[int]:
    """Run the trials in this process, on one thread as in the others, one after the other."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    n_done = 0
    try:
        for part in parts:
            for _ in trials.run_trials(cache, part, recogniser):
                n_done += 1
                yield n_done
    finally:
        torch.set_num_threads(n_threads)


def _run_in_processes(
    cache: Path, parts: Sequence[Sequence[Task]], jobs: int, recogniser: Recogniser | None
) -> Iterator[int]:
    """Run the trials in processes of one thread: two of two threads on two cores are 20 times slower.

    Processes are spawned, since a fork would copy the threads' locks. An interrupt loses the trials at hand.
    """
    context = multiprocessing.get_context("spawn")
    done = context.SimpleQueue()
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        min(jobs, len(parts)), mp_context=context, initializer=_start, initargs=(done, recogniser)
    ) as pool:
        waiting: set[Future[None]] = {pool.submit(_run_part, cache, part) for part in parts}
        n_done = 0
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=_TICK, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                while not done.empty():
                    n_done += done.get()
                yield n_done
        except BaseException:
            children = set(multiprocessing.active_children()) - before
            for child in children:
                child.terminate()
            for child in children:
                child.join(_PATIENCE)
                child.kill()  # one that did not unwind would be waited for without end
            raise


_done: "multiprocessing.SimpleQueue[int] | None" = None
_recogniser: Recogniser | None = None


def _start(done: "multiprocessing.SimpleQueue[int]", recogniser: Recogniser | None) -> None:
    """Prepare a process: one thread; Ctrl-C is for its parent, which ends this one by SIGTERM."""
    # A process has no other place for values that its trials share.
    global _done, _recogniser
    _done, _recogniser = done, recogniser
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(signum: int, frame: object) -> None:
    """Unwind the trial at hand, so that no temporary file stays; the pool may send the signal once more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signum)


def _run_part(cache: Path, part: Sequence[Task]) -> None:
    assert _done is not None
    try:
        for _ in trials.run_trials(cache, part, _recogniser):
            _done.put(1)
    except SystemExit:
        os._exit(1)  # the pool would take it for a result and give this process the next part
