"""Writing whole or not at all, and finding out before the work whether it can be done."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from retimbre.errors import InputError, RetimbreError


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name when all went well.

    Raises:
        RetimbreError: the system refused to write (a full disk, a folder that is gone).
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise RetimbreError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def make_folder(path: Path, advice: str = "expected a folder of yours") -> None:
    """Make a folder and those above it, where they are missing; raise an InputError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be made ({error.strerror}): {advice}") from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise an InputError where no file of that name could be written."""
    path = Path(path)
    probe = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: expected the name of a file")
        path.exists()  # raises where the name itself cannot be
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
