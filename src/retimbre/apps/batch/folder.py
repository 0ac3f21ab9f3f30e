"""The folder of a batch: what is remembered in it, and who may work on it.

``OUT/.retimbre`` holds the records (``records``), what is not finished (``work``), and locks (``locks``).
These are the system's, so that one of a process that was killed is free.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retimbre._output import atomic, is_running, make_folder
from retimbre.apps.batch.keys import FileHashes
from retimbre.apps.batch.names import STATE
from retimbre.errors import InputError, RetimbreError

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from retimbre.apps.engines.shards import Shard

_SECONDS = 30.0  # for a lock that is held for a moment only


def host() -> str:
    """Give the name of this machine, as part of a name of a file."""
    return re.sub(r"[^\w.]", "_", socket.gethostname()) or "host"


class BatchFolder:
    """The folder of a batch.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records = root / STATE / "records"
        self.work = root / STATE / "work"
        self._locks = root / STATE / "locks"

    @property
    def results(self) -> Path:
        """The records of all outputs in the folder."""
        return self.root / "results.jsonl"

    @property
    def failed(self) -> Path:
        """The manifest of the rows that failed."""
        return self.root / "failed.csv"

    def make(self) -> None:
        """Make the folder.

        Raises:
            InputError: it cannot be made, or not be written to.
        """
        for folder in (self.records, self.work, self._locks):
            make_folder(folder)
        probe = self.work / f"probe-{secrets.token_hex(8)}"
        try:
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"{self.root} cannot be written to ({error.strerror}): expected a folder of yours"
            ) from error

    def records_file(self) -> Path:
        """Give a new name for the records file of this process."""
        return self.records / f"{host()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"

    def scratch(self) -> Path:
        """Give a new name for a folder for what this process has not finished."""
        return self.work / f"{host()}-{os.getpid()}-{secrets.token_hex(4)}"

    def clear(self, pid: int) -> None:
        """Remove what a process of this machine, which has ended, has not finished."""
        for folder in self.work.glob(f"{host()}-{pid}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def place(self, file: Path, output: str, inputs: Sequence[str]) -> list[Any]:
        """Bring a file to its place, whole; give its size, its time and the hash of its bytes.

        Args:
            file: A file in :meth:`scratch`.
            output: Name of the output.
            inputs: Paths of what it was made from.

        Raises:
            InputError: the place is outside the folder, or that of an input.
        """
        _, digest = FileHashes().of(str(file))
        target = self.root / output
        target.parent.mkdir(parents=True, exist_ok=True)
        root = os.path.realpath(self.root)
        if os.path.commonpath([root, os.path.realpath(target.parent)]) != root:
            raise InputError(
                f"the output {output} leads out of {self.root}, by a link: expected a name inside"
            )
        if target.exists() and any(target.samefile(path) for path in inputs):
            raise InputError(f"the output {output} is one of the inputs: expected another name")
        os.replace(file, target)
        found = target.stat()
        return [found.st_size, found.st_mtime_ns, digest]

    def clear_stale(self) -> None:
        """Remove what processes of this machine that are gone have not finished.

        Those of other machines are left to them, however old: two clocks need not agree.
        """
        for folder in self.work.glob(f"{host()}-*"):
            pid = folder.name.split("-")[1]
            if pid.isdecimal() and not is_running(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def entered(self, shard: "Shard | None") -> Iterator[int]:
        """Be the only one to work on the folder, or on a shard of it; give the number of the run.

        Raises:
            InputError: another process works on it.
        """
        ours = "all" if shard is None else f"{shard.number}-of-{shard.count}"
        with self.gate():
            for path in sorted(self._locks.glob("*.lock")):
                name = path.stem
                are_apart = "all" not in (name, ours) and name != ours and _count(name) == _count(ours)
                if not are_apart:
                    self._check_free(path, name)
            lock = _lock(self._locks / f"{ours}.lock")
            lock.acquire(timeout=_SECONDS)
            run = self._next_run()
            who = self._locks / f"{ours}.json"
            who.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}), encoding="utf-8")
        try:
            yield run
        finally:
            with contextlib.suppress(OSError):
                who.unlink()
            lock.release()

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Hold the lock for short work on the folder itself, such as its results.

        Raises:
            RetimbreError: it is not free for long.
        """
        import filelock

        try:
            with _lock(self._locks / "gate").acquire(timeout=_SECONDS):
                yield
        except filelock.Timeout as error:
            raise RetimbreError(
                f"{self._locks / 'gate'} is held for long: see which process does, and end it"
            ) from error

    def _check_free(self, path: Path, name: str) -> None:
        import filelock

        lock = _lock(path)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            who = ""
            with contextlib.suppress(OSError, ValueError, KeyError):
                found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
                who = f" (process {found['pid']} on {found['host']})"
            what = "" if name == "all" else f", shard {name.replace('-of-', '/')}"
            raise InputError(
                f"{self.root} is being worked on{what}{who}: wait for its end, or share the work by "
                "--shard I/N, with one N for all"
            ) from None
        lock.release()

    def _next_run(self) -> int:
        counter = self._locks / "runs"
        try:
            last = int(counter.read_text(encoding="ascii"))
        except (OSError, ValueError):
            from retimbre.apps.batch.records import Records

            last = Records(self.records).last_run
        with atomic(counter) as temporary:
            temporary.write_text(str(last + 1), encoding="ascii")
        return last + 1


def _count(shard: str) -> str:
    return shard.rpartition("-")[2]


def _lock(path: Path) -> "BaseFileLock":
    import filelock

    return filelock.FileLock(path, thread_local=False)
