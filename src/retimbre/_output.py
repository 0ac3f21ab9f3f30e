"""Atomic writing of files, temporary files, and checks before the work that it will be possible."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from retimbre.errors import InputError, RetimbreError, shown

PARTIAL = ".retimbre-part"
"""Suffix of every file that is not finished; no pattern for sound, such as ``*.wav``, finds it."""

STALE_SECONDS = 24 * 3600
"""Age at which a temporary file whose process is gone is taken for a remnant."""

_TEMPORARY = re.compile(r"\.(\d+)-[0-9a-f]{16}" + re.escape(PARTIAL))
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_LONGEST_NAME = 255  # bytes, on most file systems
_RESERVE = 1 << 26  # bytes of a disk that are left free


def as_path(path: object, noun: str) -> Path:
    """Take a path of any type for what it is.

    Raises:
        InputError: it is none, or empty, or holds a zero byte.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"{noun} is {shown(path)} ({type(path).__name__}): expected a path")
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError(f"{noun} is {shown(text)!r}: expected the name of a file")
    return Path(text)


def temporary_path(folder: Path) -> Path:
    """Give a new name for a temporary file in a folder; it holds the number of this process."""
    return folder / f".{os.getpid()}-{secrets.token_hex(8)}{PARTIAL}"


def partial_path(path: Path) -> Path:
    """Give the name beside ``path`` for the result of a run that ended before its time.

    >>> partial_path(Path("folder/out.wav")).name
    'out.wav.retimbre-part'
    """
    stem = os.fsencode(path.name)[: _LONGEST_NAME - len(PARTIAL)]
    return path.with_name(os.fsdecode(stem) + PARTIAL)


def remove_own(*folders: str | os.PathLike[str]) -> None:
    """Remove the temporary files of this process, which ends before it can close them."""
    for file, pid in _temporary_files(folders):
        if pid == os.getpid():
            with contextlib.suppress(OSError):
                file.unlink()


def remove_stale(*folders: str | os.PathLike[str]) -> None:
    """Remove temporary files that are older than a day and whose process is gone."""
    for file, pid in _temporary_files(folders):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > STALE_SECONDS and not is_running(pid):
                file.unlink()


def _temporary_files(folders: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[Path, int]]:
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                found = _TEMPORARY.fullmatch(entry.name)
                if found:
                    yield Path(entry.path), int(found[1])


def is_running(pid: int) -> bool:
    """Tell whether a process of this machine is there, or may be; one that has ended unnoticed is not.

    Such a zombie stays for ever in a container whose first process waits for none.
    """
    if os.name == "nt":  # where the signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[:1] != [b"Z"]
    except OSError:  # not Linux
        return True


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is there and is neither a file nor a folder: a pipe, a device, a socket."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _mode_of(path: Path) -> int | None:
    """Give the mode of the file or folder that a path leads to; ``None`` where there is none.

    Since Python 3.14 ``Path.exists`` takes a name that is not allowed, and what lies in a folder that may not
    be entered, for none as well.

    Raises:
        OSError: such a name, or such a folder.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def check_space(folder: Path, n_bytes: int) -> None:
    """Check that a folder's disk has room.

    Raises:
        RetimbreError: it has not.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free < n_bytes + _RESERVE:
        raise RetimbreError(
            f"{folder} has {free / 1e9:.2f} GB left: expected {(n_bytes + _RESERVE) / 1e9:.2f} GB for the "
            "samples; make room, or write elsewhere"
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Open a temporary path beside ``path``, which is renamed to it at the end of a block without errors.

    A file that was there gives its permissions to the new one; a link stays one, and the file that it leads
    to is written. The temporary name has no suffix of sound: a pattern such as ``*.wav`` does not find it.

    Raises:
        RetimbreError: the system cannot write (a full disk, a folder that was removed).
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    temporary = temporary_path(target.parent)
    try:
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except OSError as error:
        raise RetimbreError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def make_folder(path: Path, advice: str = "expected a folder of yours") -> None:
    """Make a folder and its parents, where they are missing.

    Raises:
        InputError: it cannot be made; the message ends with ``advice``.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be made ({error.strerror}): {advice}") from error


def check_folder(path: Path, advice: str = "expected a folder of yours") -> None:
    """Check that :func:`make_folder` can make a folder, or that one is there and can be written to.

    Raises:
        InputError: neither; the message ends with ``advice``.
    """
    there = path
    try:
        while (mode := _mode_of(there)) is None and there != there.parent:
            there = there.parent
    except OSError as error:
        raise InputError(f"{path} cannot be made ({error.strerror}): {advice}") from error
    if mode is None or not stat.S_ISDIR(mode) or not os.access(there, os.W_OK):
        raise InputError(f"{path} cannot be made: {advice}")


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file of this name can be written. Stale temporary files in its folder are removed.

    Raises:
        InputError: the name is empty, a folder or not allowed, the file is read-only, or its folder is
            missing or not writable.
    """
    path = as_path(path, "the output")
    target = Path(os.path.realpath(path))
    probe = temporary_path(target.parent)
    try:
        mode, above = _mode_of(path), _mode_of(path.parent)
        if mode is not None and stat.S_ISDIR(mode):
            raise InputError(f"{path} is a folder: expected the name of a file")
        if mode is not None and not mode & _WRITABLE:
            raise InputError(f"{path} is read-only: expected another name, or chmod u+w first")
        if above is None or not stat.S_ISDIR(above):
            raise InputError(f"{path.parent} is not a folder: expected an existing one, make it first")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): expected another name") from error
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{path.parent} cannot be written to ({error.strerror}): expected a folder of yours"
        ) from error
    remove_stale(target.parent)
