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
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
    try:
        with filelock.FileLock(folder / "lock", thread_local=False):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if folder.is_symlink():
            return
        if sys.platform != "win32" and folder.stat().st_uid != os.getuid():  # there the folder is the user's
            return
        with filelock.FileLock(folder / "lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)  # Windows keeps a lock that is open
