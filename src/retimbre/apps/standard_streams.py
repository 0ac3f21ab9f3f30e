"""Standard streams that are closed, full, or read by nobody any more."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, TextIO


def open_closed() -> None:
    """Open the standard streams that are closed to nowhere.

    Otherwise the next file to be opened would take their place, and messages would be written into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def drop(stream: TextIO) -> None:
    """Let a stream lead nowhere from now on, so that nothing fails again as the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def messages() -> int:
    """Give the number of the descriptor that messages go to."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return 2


def end(code: int) -> NoReturn:
    """End the process once all is written and every temporary file removed.

    The interpreter would free what torch and its libraries hold, piece by piece, for half a second.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def without_notes() -> Iterator[None]:
    """Drop the notes that libraries in C, such as decoders, write to stderr; ``sys.stderr`` goes on."""
    before = sys.stderr
    before.flush()
    ours, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    sys.stderr = os.fdopen(ours, "w", 1, encoding=before.encoding, errors=before.errors, closefd=False)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        try:
            sys.stderr.flush()
        except OSError:
            pass
        finally:
            sys.stderr = before
            os.dup2(ours, 2)
            os.close(ours)
            os.close(nowhere)
