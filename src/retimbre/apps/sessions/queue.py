"""Queue of the work: bounded, in turns for the sessions, and one thread that does it."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from retimbre.apps.sessions.limits import LimitError

_MOST_BACKGROUND = 40  # jobs that one owner has in the background; the oldest give way


class Urgency(IntEnum):
    """Order of the jobs of one owner; those in the background wait for everybody's others."""

    EXACT = 0
    ASKED = 1
    BACKGROUND = 2


@dataclass(eq=False)
class Job:
    """Job of an owner.

    Attributes:
        owner: Whom it belongs to.
        name: Name, by which a newer job takes the place of an older one of the owner.
        urgency: Its place in the order.
        run: Function that does it, and calls :meth:`check` now and then.
        stopped: Why it is to stop; empty while it is not.
    """

    owner: object
    name: str
    urgency: Urgency
    run: Callable[["Job"], None]
    stopped: Literal["", "asked", "yielding", "ended"] = ""
    number: int = field(default=0, init=False)

    def check(self) -> None:
        """Raise a KeyboardInterrupt if the job is to stop."""
        if self.stopped:
            raise KeyboardInterrupt


class WorkQueue:
    """Queue of jobs, done one at a time in a thread.

    Args:
        most: Jobs that may wait, without those in the background.
        prepare: Called in the thread before the first job.
    """

    def __init__(self, most: int, prepare: Callable[[], None]) -> None:
        self._most, self._prepare = most, prepare
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._numbers = itertools.count(1)
        self._turns: dict[object, int] = {}
        self._changed = threading.Condition()
        self._ended = False
        self.thread = threading.Thread(target=self._work, name="studio", daemon=True)
        self.thread.start()

    def submit(self, job: Job) -> None:
        """Add a job; one of the same name that waits gives way, and so does work in the background.

        Raises:
            LimitError: too many wait.
        """
        with self._changed:
            self._waiting = [w for w in self._waiting if (w.owner, w.name) != (job.owner, job.name)]
            if job.urgency is Urgency.BACKGROUND:
                own = [w for w in self._waiting if w.owner is job.owner and w.urgency is job.urgency]
                for oldest in own[: max(0, len(own) + 1 - _MOST_BACKGROUND)]:
                    self._waiting.remove(oldest)
            elif sum(w.urgency is not Urgency.BACKGROUND for w in self._waiting) >= self._most:
                raise LimitError(
                    f"{self._most} transfers wait already: expected fewer, try again in a moment"
                )
            job.number = next(self._numbers)
            self._waiting.append(job)
            running = self._running
            if running is not None and (running.owner, running.name) == (job.owner, job.name):
                running.stopped = "ended"
            self._make_way(job)
            self._changed.notify()

    def hurry(self, owner: object, name: str) -> bool:
        """Bring a job before all that waits in the background; say whether it is still here."""
        with self._changed:
            running = self._running
            jobs = [*self._waiting, *([] if running is None or running.stopped else [running])]
            found = [job for job in jobs if job.owner is owner and job.name == name]
            for job in found:
                job.urgency = Urgency.EXACT
                self._make_way(job)
            return bool(found)

    def _make_way(self, job: Job) -> None:
        running = self._running
        if running is not None and running is not job and running.urgency > Urgency.ASKED >= job.urgency:
            running.stopped = running.stopped or "yielding"

    def stop(self, owner: object, name: str | None = None) -> bool:
        """Stop the jobs of an owner, or those of one name; say whether one was running."""
        with self._changed:
            self._waiting = [w for w in self._waiting if w.owner is not owner or name not in (None, w.name)]
            job = self._running
            if job is None or job.owner is not owner or name not in (None, job.name):
                return False
            job.stopped = "ended" if name is None else "asked"
            return True

    def ahead(self, owner: object, name: str) -> int:
        """Count the jobs that come before one of a name."""
        with self._changed:
            order = sorted(self._waiting, key=self._turn)
            places = [n for n, job in enumerate(order) if job.owner is owner and job.name == name]
            return (places[0] if places else 0) + (self._running is not None)

    def end(self) -> None:
        """Stop everything, for good."""
        with self._changed:
            self._waiting, self._ended = [], True
            if self._running is not None:
                self._running.stopped = "ended"
            self._changed.notify()

    def _turn(self, job: Job) -> tuple[bool, int, int, int]:
        return job.urgency is Urgency.BACKGROUND, self._turns.get(job.owner, 0), job.urgency, job.number

    def _work(self) -> None:
        self._prepare()
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if self._ended:
                    return
                job = self._running = min(self._waiting, key=self._turn)
                self._waiting.remove(job)
                self._turns = {w.owner: self._turns.get(w.owner, 0) for w in self._waiting}
                self._turns[job.owner] = job.number
            job.run(job)
            with self._changed:
                self._running = None
            if job.stopped == "yielding":
                job.stopped = ""
                self.submit(job)
            del job
