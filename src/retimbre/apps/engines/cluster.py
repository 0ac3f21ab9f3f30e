"""A cluster of Dask: its scheduler may go and come back, and its workers are those that are there."""

import importlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from retimbre.apps.engines.job import HaltError, Item, Job, Outcome, Record
from retimbre.apps.engines.window import GONE, TICK, CallWindow
from retimbre.errors import DependencyError, InputError

_CONNECT = 10.0  # seconds for the scheduler to answer at the start
_RECONNECT = 2.0  # and for each try after it was lost
_PATIENCE = 600.0  # seconds without a scheduler after which the run ends
_LOOK = 1.0  # seconds between two looks at how many threads there are


class DaskEngine:
    """The workers of a Dask cluster that is there already.

    Args:
        address: Address of the scheduler, such as ``tcp://head:8786``, or the file that it wrote
            (``--scheduler-file``), whose name ends with ``.json``.
        on_note: Called with a line where the run has to wait for the cluster.
        patience: Seconds without a scheduler after which a run ends.

    Raises:
        DependencyError: Dask is not installed.
        HaltError: no scheduler answers.
    """

    def __init__(
        self, address: str, *, on_note: Callable[[str], None] = lambda text: None, patience: float = _PATIENCE
    ) -> None:
        self.n_running = 0
        self._address, self._on_note, self._patience = address, on_note, patience
        self._client: Any = None
        self._n_threads, self._looked = 0, 0.0
        try:
            self._connect(_CONNECT)
        except OSError as error:
            raise HaltError(f"no scheduler answers at {address}: expected the address of one") from error

    @property
    def n_slots(self) -> int:
        """Number of threads that the cluster has, at least 1."""
        return max(1, self._n_threads)

    def run(
        self, job: Job[Item, Record], tasks: Iterator[Sequence[Item]], stop: Callable[[], bool]
    ) -> Iterator[Outcome[Item, Record] | None]:
        """Do the items of tasks (:meth:`retimbre.apps.engines.job.Engine.run`)."""
        calls = CallWindow(job, tasks)
        try:
            if self._client is None:
                self._connect(_CONNECT)
            while True:
                if not self._is_connected():
                    calls.take_back()
                    if stop():
                        return
                    yield from self._reconnected()
                self._look()
                if stop():
                    calls.finish(self._client, self._n_threads)
                else:
                    calls.feed(self._client, self._n_threads)
                if calls.is_idle:
                    return
                outcomes = calls.collect()
                self.n_running = min(calls.n_sent, self._n_threads)
                yield from outcomes
                if calls.halted:
                    raise HaltError(calls.halted)
                if not outcomes:
                    yield None
        finally:
            self.n_running = 0
            self._end(calls)

    # --- the connection ---

    def _connect(self, seconds: float) -> None:
        """Connect to the scheduler.

        Raises:
            OSError: it does not answer.
        """
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as error:
            raise DependencyError("distributed", extra="dask") from error
        _silence()
        where = "scheduler_file" if self._address.endswith(".json") else "address"
        try:
            with warnings.catch_warnings():
                # Another version of a package at the other end; what matters of it the job checks.
                warnings.simplefilter("ignore")
                self._client = distributed.Client(
                    **{where: self._address}, timeout=seconds, set_as_default=False, name="retimbre"
                )
        except ValueError as error:  # no address at all
            raise InputError(
                f"{self._address} is no address of a scheduler ({error}): expected one such as tcp://head:8786"
            ) from error
        self._looked = 0.0
        self._look()

    def _is_connected(self) -> bool:
        return self._client is not None and self._client.status == "running"

    def _reconnected(self) -> Iterator[None]:
        """Wait until there is a scheduler.

        Raises:
            HaltError: none answers for long.
        """
        self._on_note(f"the scheduler at {self._address} is gone: waiting for it")
        self.n_running = self._n_threads = 0
        end = time.monotonic() + self._patience
        while not self._is_connected():
            yield None
            if time.monotonic() > end:
                raise HaltError(
                    f"no scheduler has answered at {self._address} for {self._patience:.0f} s: start one, "
                    "and run again"
                )
            self._disconnect()
            try:
                self._connect(_RECONNECT)
            except OSError:
                time.sleep(TICK)
        self._on_note(f"the scheduler at {self._address} is back")

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(*GONE):  # it was not connected
                client.close(timeout=_RECONNECT)

    def _look(self) -> None:
        """See how many threads the cluster has, now and then."""
        now = time.monotonic()
        if self._client is None or (self._looked and now - self._looked < _LOOK):
            return
        before, is_first = self._n_threads, not self._looked
        self._looked = now
        try:
            self._n_threads = sum(self._client.nthreads().values())
        except GONE:  # the connection is lost, which is seen in its status
            return
        if not self._n_threads and (before or is_first):
            self._on_note(f"the scheduler at {self._address} has no worker: waiting for one")

    def _end(self, calls: CallWindow[Any, Any]) -> None:
        """Let the workers forget the run, and leave the cluster to others."""
        if self._is_connected():
            with suppress(*GONE):  # it is gone meanwhile
                calls.end(self._client)
        self._disconnect()


def _silence() -> None:
    """Keep Dask's own lines from stderr: what matters of them is said here."""
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
