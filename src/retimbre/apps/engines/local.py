"""Local processes: a supervisor with one pipe to each, which outlives their deaths.

``concurrent.futures`` has a pool of processes too, but there the death of one breaks the pool, and with it
everything that was handed in.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic

from retimbre._threads import usable_cores
from retimbre.apps.engines import process
from retimbre.apps.engines.job import MAX_DEATHS, HaltError, Item, Job, Outcome, Record

TICK = 0.2
"""Seconds after which a run gives ``None`` where nothing came."""

_MOMENT = 0.005  # seconds between two looks for the next task
_DEPTH = 2  # items in a worker's pipe, the one at work included: it never waits for the next
_STARTS = 3  # deaths in a row at the start of a process after which no other is tried
_PATIENCE = 5.0  # seconds for a process to end

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Environment of a worker: two of two threads on two cores are 20 times slower than two of one."""


class LocalEngine:
    """Processes of one thread each, on this machine.

    Args:
        n_workers: Number of processes; as many as cores that this process may use, by its affinity and the
            quota of its container, if ``None``.
        devices: GPUs, by their numbers, one for each process, in turn; none if empty.
        on_end: Called with the number of every process that has ended, however it did.
    """

    def __init__(
        self,
        n_workers: int | None = None,
        *,
        devices: Sequence[str] = (),
        on_end: Callable[[int], None] = lambda pid: None,
    ) -> None:
        self.n_slots = n_workers or len(devices) or usable_cores()
        self.n_running = 0
        self._devices, self._on_end = devices, on_end

    def run(
        self, job: Job[Item, Record], tasks: Iterator[Sequence[Item]], stop: Callable[[], bool]
    ) -> Iterator[Outcome[Item, Record] | None]:
        """Do the items of tasks (:meth:`retimbre.apps.engines.job.Engine.run`)."""
        supervisor = _Supervisor(
            job, tasks, [self._environment(n) for n in range(self.n_slots)], self._on_end
        )
        try:
            while True:
                if stop():
                    supervisor.finish()
                else:
                    supervisor.feed()
                if supervisor.is_idle:
                    return
                outcomes = supervisor.collect()
                self.n_running = supervisor.n_running
                yield from outcomes
                if supervisor.halted:
                    raise HaltError(supervisor.halted)
                if not outcomes:
                    yield None
        finally:
            supervisor.end()

    def _environment(self, number: int) -> dict[str, str]:
        if not self._devices:
            return ONE_THREAD
        return ONE_THREAD | {"CUDA_VISIBLE_DEVICES": self._devices[number % len(self._devices)]}


class _Slot(Generic[Item]):
    """Place of a process, which may have none yet, and the items that are its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.process: Any = None
        self.pipe: Connection[Any, Any] | None = None
        self.is_ready = self.is_alone = False
        self.sent: deque[Item] = deque()
        self.chunk: deque[Item] = deque()

    def start(self, job: Job[Item, Any]) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of torch's threads
        self.pipe, theirs = context.Pipe()  # type: ignore[assignment, unused-ignore] # on Windows
        self.process = context.Process(
            target=process.serve, args=(theirs, job, self.environment), daemon=True
        )
        with _signals_held():
            self.process.start()
        theirs.close()
        self.is_ready = False

    def ended(self) -> tuple[int, int | None]:
        """Wait for the end of the process; give its number and its exit code."""
        self.process.join(_PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        found = self.process.pid, self.process.exitcode
        assert self.pipe is not None
        self.pipe.close()
        self.process.close()
        self.process = self.pipe = None
        return found


class _Supervisor(Generic[Item, Record]):
    """The processes of a run, and the items between them.

    Attributes:
        halted: Why every further item would fail; empty as long as none says so.
    """

    def __init__(
        self,
        job: Job[Item, Record],
        tasks: Iterator[Sequence[Item]],
        environments: Sequence[Mapping[str, str]],
        on_end: Callable[[int], None],
    ) -> None:
        self._job, self._tasks, self._on_end = job, tasks, on_end
        self._slots: list[_Slot[Item]] = [_Slot(environment) for environment in environments]
        self._returned: deque[Item] = deque()  # of workers that died while another item was at work
        self._suspects: deque[Item] = deque()  # at which a worker died; each is now tried alone
        self._deaths: Counter[int] = Counter()
        self._numbers: dict[int, Item] = {}  # of the suspects by id, which must not be used anew
        self._are_left, self._is_waiting, self._n_starts = True, False, 0
        self.halted = ""

    @property
    def is_idle(self) -> bool:
        """Whether no item is at work or waits, and none will come."""
        return not self._is_waiting and not any(slot.process for slot in self._slots)

    @property
    def n_running(self) -> int:
        """Number of items at work."""
        return sum(bool(slot.sent) for slot in self._slots)

    def feed(self) -> None:
        """Hand out items to every process that has room, and start the processes that they need."""
        self._is_waiting = False
        for slot in self._slots:
            while len(slot.sent) < _DEPTH and not slot.is_alone:
                item = self._next(slot)
                if item is None:
                    break
                if slot.process is None:
                    slot.start(self._job)
                assert slot.pipe is not None
                slot.sent.append(item)
                with suppress(OSError):  # it is dead, which collect will find
                    slot.pipe.send(item)
            if self._is_waiting:
                break
        if not self._is_waiting and not any(slot.sent for slot in self._slots):
            self.finish()

    def _next(self, slot: "_Slot[Item]") -> Item | None:
        """Give the next item for a process: a suspect, its own, returned, new, or another's."""
        if self._suspects and not slot.sent:
            slot.is_alone = True
            return self._suspects.popleft()
        if slot.chunk:
            return slot.chunk.popleft()
        if self._returned:
            return self._returned.popleft()
        if self._are_left:
            task = next(self._tasks, None)
            if task is None:
                self._are_left = False
            elif not task:
                self._is_waiting = True
                return None
            else:
                slot.chunk.extend(task)
                return slot.chunk.popleft()
        other = max(self._slots, key=lambda each: len(each.chunk))
        for _ in range(len(other.chunk) // 2):
            slot.chunk.appendleft(other.chunk.pop())
        return slot.chunk.popleft() if slot.chunk else other.chunk.popleft() if other.chunk else None

    def finish(self) -> None:
        """Ask every process to end after the item at work."""
        self._is_waiting = False
        for slot in self._slots:
            if slot.pipe is not None:
                with suppress(OSError):
                    slot.pipe.send(None)

    def collect(self) -> list[Outcome[Item, Record]]:
        """Receive what the processes have sent, for a short time."""
        by_pipe: dict[Any, _Slot[Item]] = {slot.pipe: slot for slot in self._slots if slot.pipe is not None}
        outcomes: list[Outcome[Item, Record]] = []
        given: Any
        patience = _MOMENT if self._is_waiting else TICK
        if not by_pipe:
            time.sleep(patience)
        for ready in wait(list(by_pipe), patience) if by_pipe else ():
            slot = by_pipe[ready]
            assert slot.pipe is not None
            try:
                kind, given = slot.pipe.recv()
            except (EOFError, OSError):
                outcomes += self._buried(slot)
                continue
            if kind == "ready":
                slot.is_ready, self._n_starts = True, 0
                continue
            if kind in ("halt", "broken"):
                self.halted = given if kind == "halt" else f"a worker cannot start: {given}"
                continue
            slot.is_alone = False
            item = slot.sent.popleft()
            outcomes.append(Outcome(item, given) if kind == "done" else Outcome(item, None, given))
        return outcomes

    def _buried(self, slot: "_Slot[Item]") -> list[Outcome[Item, Record]]:
        """Take back the items of a process that has ended; give the outcome of one that ends every worker."""
        pid, code = slot.ended()
        self._on_end(pid)
        sent = list(slot.sent)
        slot.sent.clear()
        slot.is_alone = False
        if code == 0:  # it was asked to end
            self._returned.extendleft(reversed(sent))
            return []
        if not slot.is_ready:
            self._n_starts += 1
            if self._n_starts >= _STARTS:
                self.halted = f"{_STARTS} workers in turn died as they started ({_cause(code)})"
            self._returned.extendleft(reversed(sent))
            return []
        if not sent:
            return []
        item, *others = sent
        self._returned.extendleft(reversed(others))
        self._numbers[id(item)] = item
        self._deaths[id(item)] += 1
        if self._deaths[id(item)] < MAX_DEATHS:
            self._suspects.append(item)
            return []
        return [Outcome(item, None, f"it ended its worker {MAX_DEATHS} times ({_cause(code)})")]

    def end(self) -> None:
        """End every process at once."""
        for slot in self._slots:
            if slot.process is not None:
                slot.process.kill()
                pid, _ = slot.ended()
                self._on_end(pid)


def _cause(code: int | None) -> str:
    """Say how a process ended."""
    if code is None or code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back signals, so that a new process never sees the Ctrl-C of a terminal, not even as it starts."""
    if sys.platform == "win32":  # has no masks: there `process.serve` ignores them as soon as it runs
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def gpus() -> list[str]:
    """List the GPUs that torch can use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    if sys.platform == "darwin" or (sys.platform == "linux" and not os.path.exists("/dev/nvidiactl")):
        return []
    import torch  # where there is one

    return [str(number) for number in range(torch.cuda.device_count())]
