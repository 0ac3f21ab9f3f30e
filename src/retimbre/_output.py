"""Atomic writing of files, and checks before the work that it will be possible."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from retimbre.errors import InputError, RetimbreError

_PARTIAL = ".retimbre-part"
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


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
    temporary = target.with_name(f".{secrets.token_hex(8)}{_PARTIAL}")
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


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file of this name can be written.

    Raises:
        InputError: the name is a folder or not allowed, the file is read-only, or its folder is missing or
            not writable.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    probe = target.with_name(f".{secrets.token_hex(8)}{_PARTIAL}")
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: expected the name of a file")
        if path.exists() and not path.stat().st_mode & _WRITABLE:  # an OSError for a name that is not allowed
            raise InputError(f"{path} is read-only: expected another name, or chmod u+w first")
        if not path.parent.is_dir():
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
