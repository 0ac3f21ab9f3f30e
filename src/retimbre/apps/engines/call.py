"""Calls: items that a worker of a cluster does one after the other, in one of its threads.

The module is light: the scheduler of a cluster imports it, too. What a run keeps in a process, such as
prepared styles, belongs to Dask's object for the worker and ends with it.
"""

import pickle
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from retimbre.apps.engines.job import HaltError, Item, Job, Worker, answered, described

Answer = tuple[str, Any]
"""How an item ended (``done``, ``fault``, ``halt`` or ``broken``), and its record or the reason."""

_KEPT = 4  # runs of which a process keeps workers: the driver of one may have died without a word
_NAME = "_retimbre_runs"


class RunState:
    """The workers of a run in one process, one for each thread that is at work, and whether it is stopped."""

    def __init__(self) -> None:
        self.is_stopped = False
        self._is_closed = False
        self._free: list[Worker[Any, Any]] = []
        self._lock = threading.Lock()

    @contextmanager
    def worker(self, job: Job[Any, Any]) -> Iterator[Worker[Any, Any]]:
        """Lend a worker that no other thread uses, made where there is none."""
        with self._lock:
            found = self._free.pop() if self._free else None
        found = found or job()
        try:
            yield found
        finally:
            with self._lock:
                is_closed = self._is_closed
                if not is_closed:
                    self._free.append(found)
            if is_closed:
                found.close()

    def close(self) -> None:
        """Close the workers; those at work when they are given back."""
        with self._lock:
            self.is_stopped = self._is_closed = True
            free, self._free = self._free, []
        for worker in free:
            worker.close()


class _Runs:
    """The runs that one process of a cluster works for; the least recently used end first."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, RunState] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, run: str) -> RunState:
        with self._lock:
            state = self._states.setdefault(run, RunState())
            self._states.move_to_end(run)
            ended = [self._states.popitem(last=False)[1] for _ in range(len(self._states) - _KEPT)]
        for each in ended:
            each.close()
        return state

    def end(self, run: str) -> None:
        with self._lock:
            state = self._states.pop(run, None)
        if state is not None:
            state.close()


def packed(job: Job[Item, Any], items: Sequence[Item]) -> bytes:
    """Give a call as bytes, which the scheduler passes on without a look at them."""
    return pickle.dumps((job, list(items)), protocol=pickle.HIGHEST_PROTOCOL)


def do(call: bytes, run: str, topic: str = "") -> list[Answer]:
    """Do the items of a call, and no more of them once the run is stopped; give as many answers.

    Args:
        call: What :func:`packed` gave.
        run: Name of the run.
        topic: Where the scheduler is told that the call has begun, and has heard it, before it does.
    """
    from distributed import get_client, get_worker

    if topic:
        get_client().log_event(topic, "began")
    state = _runs(get_worker()).of(run)
    try:
        job, items = pickle.loads(call)
        with state.worker(job) as worker:
            return _answers(worker, items, state)
    except HaltError as error:
        return [("halt", str(error))]
    except Exception as error:
        return [("broken", described(error))]


def _answers(worker: Worker[Any, Any], items: Sequence[Any], state: RunState) -> list[Answer]:
    answers: list[Answer] = []
    for item in items:
        if state.is_stopped:
            break
        answers.append(answered(worker, item))
        if answers[-1][0] == "halt":
            break
    return answers


def stop(run: str, dask_worker: Any) -> None:
    """Let the calls of a run end after the item at work; called in every process of the cluster."""
    _runs(dask_worker).of(run).is_stopped = True


def close(run: str, dask_worker: Any) -> None:
    """End a run; called in every process of the cluster."""
    _runs(dask_worker).end(run)


def _runs(dask_worker: Any) -> _Runs:
    found: _Runs = vars(dask_worker).setdefault(_NAME, _Runs())
    return found
