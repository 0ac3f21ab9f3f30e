"""The calls to a cluster that are under way: as many as its threads need, each until it is done.

Of dask.distributed little is relied on. It repeats a task whose worker has died, and gives up after some
deaths, for a task that only waited at that worker as well. The items of such a call are then tried one at a
time; the scheduler is told when one begins, so that one is given up that did so at each death. Futures whose
scheduler is gone are cancelled, done or not: their calls are sent again.
"""

import queue
import secrets
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic

from retimbre.apps.engines import call
from retimbre.apps.engines.job import MAX_DEATHS, Item, Job, Outcome, Record, described

TICK = 0.2
"""Seconds for which the end of a call is waited for."""

GONE = (OSError, RuntimeError)
"""What a question to a scheduler raises that is gone, or about to be."""

_MOMENT = 0.005  # and between two looks for the next task
_DEPTH = 2  # calls for each thread: the one at work, and the next one, which is there already
_FETCH = 30.0  # seconds for the answers of a call that is done
_TELL = 1.0  # seconds after which workers are told again that the run is stopped


@dataclass(eq=False)
class _Sent(Generic[Item]):
    """A call that was sent.

    Args:
        items: Its items.
        is_alone: Whether it is that of a suspect.
    """

    items: Sequence[Item]
    is_alone: bool = False


class CallWindow(Generic[Item, Record]):
    """The calls of a run, and the items between them.

    Args:
        job: What is done with the items.
        tasks: Items that are best done by one worker.

    Attributes:
        halted: Why every further item would fail; empty as long as none says so.
    """

    def __init__(self, job: Job[Item, Record], tasks: Iterator[Sequence[Item]]) -> None:
        self._job, self._tasks = job, tasks
        self._run = secrets.token_hex(8)
        self._sent: dict[Any, _Sent[Item]] = {}  # by their futures
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._returned: deque[Sequence[Item]] = deque()  # calls that a scheduler took with it
        self._suspects: deque[Item] = deque()  # of calls that were given up; each is now tried alone
        self._topics: dict[int, tuple[str, Item]] = {}  # of suspects by id, which must not be used anew
        self._n_calls, self._told = 0, 0.0
        self._are_left, self._is_waiting, self._is_stopped = True, False, False
        self.halted = ""

    @property
    def is_idle(self) -> bool:
        """Whether no item is at work or waits, and none will come."""
        waiting = self._is_waiting or self._returned or self._suspects or self._are_left
        return not self._sent and (self._is_stopped or not waiting)

    @property
    def n_sent(self) -> int:
        """Number of calls that are at work or wait in the cluster."""
        return len(self._sent)

    def feed(self, client: Any, n_threads: int) -> None:
        """Send calls until every thread has its own and the next one."""
        self._is_waiting = False
        while client.status == "running" and len(self._sent) < _DEPTH * max(1, n_threads):
            found = self._next()
            if found is None:
                return
            self._send(client, found)

    def _next(self) -> _Sent[Item] | None:
        """Give the next call: that of a suspect, one that was returned, or a new one."""
        if self._suspects and not any(sent.is_alone for sent in self._sent.values()):
            return _Sent([self._suspects.popleft()], is_alone=True)
        if self._returned:
            return _Sent(self._returned.popleft())
        task = next(self._tasks, None) if self._are_left else None
        self._are_left = task is not None
        self._is_waiting = task is not None and not task
        return _Sent(task) if task else None

    def _send(self, client: Any, sent: _Sent[Item]) -> None:
        self._n_calls += 1
        topic = self._topic(sent.items[0]) if sent.is_alone else ""
        data = call.packed(self._job, sent.items)
        key = f"retimbre-{self._run}-{self._n_calls}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about calls that are large, as those with clips are
                future = client.submit(call.do, data, self._run, topic, key=key, pure=False)
            future.add_done_callback(self._ended.put)
        except Exception:
            if client.status == "running":
                raise
            self._return(sent)
        else:
            self._sent[future] = sent

    def _return(self, sent: _Sent[Item]) -> None:
        """Take a call for one that was not done."""
        if sent.is_alone:
            self._suspects.extend(sent.items)
        else:
            self._returned.append(sent.items)

    def take_back(self) -> None:
        """Take every call for one that was not done: the scheduler is gone, and its futures mean nothing."""
        for sent in self._sent.values():
            self._return(sent)
        self._sent.clear()

    def finish(self, client: Any, n_threads: int) -> None:
        """Let the workers end after the item at work."""
        now = time.monotonic()
        if self._is_stopped and now - self._told < _TELL:
            return
        self._is_stopped, self._told = True, now
        with suppress(*GONE):  # which is seen in the status
            if n_threads:  # again and again, as there may be new ones
                client.run(call.stop, self._run, on_error="ignore")
            else:
                self._cancel(client)

    def collect(self) -> list[Outcome[Item, Record]]:
        """Receive what has ended, for a short time."""
        try:
            futures = [self._ended.get(timeout=_MOMENT if self._is_waiting else TICK)]
        except queue.Empty:
            return []
        while not self._ended.empty():
            futures.append(self._ended.get())
        return [outcome for future in futures for outcome in self._collected(future)]

    def _collected(self, future: Any) -> Iterator[Outcome[Item, Record]]:
        from distributed import KilledWorker

        sent = self._sent.get(future)
        if sent is None:  # of a scheduler that is gone
            return
        if future.status == "finished":
            try:
                answers = future.result(timeout=_FETCH)
            except Exception:  # the worker has died with them: the scheduler has it done again, or is gone
                future.add_done_callback(self._ended.put)
                return
            del self._sent[future]
            yield from self._outcomes(sent.items, answers)
        elif future.status == "error":
            error = future.exception(timeout=_FETCH)
            del self._sent[future]
            if isinstance(error, KilledWorker):
                yield from self._bereaved(future, sent)
            else:
                self.halted = (
                    f"the cluster cannot do its work ({described(error)}): install the same retimbre for its "
                    "scheduler and its workers"
                )
        else:  # cancelled, or lost
            self._return(self._sent.pop(future))

    def _outcomes(self, items: Sequence[Item], answers: list[call.Answer]) -> Iterator[Outcome[Item, Record]]:
        for item, (kind, given) in zip(items, answers, strict=False):
            if kind in ("halt", "broken"):
                self.halted = given if kind == "halt" else f"a worker cannot start: {given}"
                return
            yield Outcome(item, given) if kind == "done" else Outcome(item, None, given)
        if left := items[len(answers) :]:  # of a call that was stopped
            self._returned.append(left)

    def _bereaved(self, future: Any, sent: _Sent[Item]) -> Iterator[Outcome[Item, Record]]:
        """Try the items of a call whose workers died one by one; give the outcome of one that ends them."""
        if not sent.is_alone:  # it may only have waited where another one was at work
            self._suspects.extend(sent.items)
            return
        item = sent.items[0]
        try:
            n_starts = len(future.client.get_events(self._topic(item)))
        except GONE:
            n_starts = 0
        if n_starts < MAX_DEATHS:
            self._suspects.append(item)
        else:
            yield Outcome(item, None, f"it ended its worker {n_starts} times")

    def _topic(self, item: Item) -> str:
        """Give the topic under which the scheduler is told that a suspect has begun."""
        return self._topics.setdefault(id(item), (f"{self._run}-suspect-{len(self._topics)}", item))[0]

    def _cancel(self, client: Any) -> None:
        client.cancel(list(self._sent), force=True)
        self._sent.clear()

    def end(self, client: Any) -> None:
        """Cancel what is sent, and let the workers forget the run."""
        if self._sent:
            self._cancel(client)
        client.run(call.close, self._run, on_error="ignore")
