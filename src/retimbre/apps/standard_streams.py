"""Standard streams that are closed, full, or read by nobody any more."""

import os
import sys
from typing import TextIO


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
