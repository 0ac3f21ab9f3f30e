"""Folder of a process: locked as long as that runs, so that the next one knows what was left behind."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

_PREFIX = "retimbre-studio-"


@contextlib.contextmanager
def own_folder(prefix: str = _PREFIX) -> Iterator[Path]:
    """Make a temporary folder for a context; remove those of processes that are gone.

    Args:
        prefix: Start of the names of such folders.
    """
    above = Path(tempfile.gettempdir())
    for other in above.glob(f"{prefix}*"):
        _remove_stale(other)
    folder, lock = _locked(prefix, above)
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _locked(prefix: str, above: Path) -> tuple[Path, filelock.BaseFileLock]:
    """Make a folder and lock it; another one where a process that starts, too, took it for stale before."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
        lock = filelock.FileLock(folder / "lock", thread_local=False)
        with contextlib.suppress(FileNotFoundError):
            lock.acquire()
            folder.chmod(0o700)  # a lock makes the folder again, for everybody, where it is gone
            (folder / "lock").stat()
            return folder, lock
        lock.release()


def _remove_stale(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if folder.is_symlink():
            return
        if sys.platform != "win32" and folder.stat().st_uid != os.getuid():  # there the folder is the user's
            return
        with filelock.FileLock(folder / "lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
        if sys.platform == "win32":  # it keeps a lock that is open
            shutil.rmtree(folder, ignore_errors=True)
