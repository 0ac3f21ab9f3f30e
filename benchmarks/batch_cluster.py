"""A cluster of Dask on this machine: a scheduler and workers, each in a process and a folder of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_PATIENCE = 60.0  # seconds for a process to end


class Cluster:
    """A scheduler and workers of one thread, which are started and ended by hand.

    Args:
        folder: Their folders are made in it.
        environment: Their environment.
        n_workers: Number of workers.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], n_workers: int = 2) -> None:
        self._folder = folder
        # A worker that does not answer is given up after seconds here, and after 5 minutes by default.
        self._environment = dict(environment) | {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "6s"}
        self._environment["DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"] = "False"
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        self.scheduler = self._scheduler()
        self.workers = [self.worker() for _ in range(n_workers)]

    @property
    def address(self) -> str:
        """The address of the scheduler."""
        return f"tcp://127.0.0.1:{self._port}"

    def _start(self, name: str, *options: str) -> "subprocess.Popen[bytes]":
        folder = self._folder / f"{name}-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{name}", *options],
                cwd=folder,
                env=self._environment | {"TMPDIR": str(folder)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _scheduler(self) -> "subprocess.Popen[bytes]":
        return self._start("scheduler", "--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard")

    def worker(self) -> "subprocess.Popen[bytes]":
        """Start a worker: a process that starts the one that works, and starts it again when it dies."""
        return self._start("worker", self.address, "--nthreads", "1", "--no-dashboard")

    def worker_of(self, pid: int) -> "subprocess.Popen[bytes]":
        """Give the worker that a process belongs to."""
        return next(worker for worker in self.workers if worker.pid == os.getpgid(pid))

    def restart_scheduler(self) -> None:
        """Kill the scheduler, and start another one at its address; the workers end, and new ones come."""
        kill_all(self.scheduler)
        for worker in self.workers:
            worker.wait(_PATIENCE)
        self.scheduler = self._scheduler()
        self.workers = [self.worker() for _ in self.workers]

    def end(self) -> None:
        """End everything."""
        for process in (*self.workers, self.scheduler):
            kill_all(process)


def kill_all(process: "subprocess.Popen[bytes]", signum: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process and its children, and wait for its end."""
    if process.poll() is None:
        os.killpg(process.pid, signum)
        process.wait(_PATIENCE)
