"""The command ``retimbre``, also as ``python -m retimbre``: interrupts are handled before anything else."""

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn

from retimbre.apps import interrupts


def main() -> NoReturn:
    """Run the command line, which an interrupt may end from here on."""
    interrupts.end_at_once()
    from retimbre.apps import standard_streams

    standard_streams.open_closed()
    codes: list[int] = []
    atexit.register(_leave, codes)  # registered first, so that it runs after all others
    from retimbre.apps import cli

    codes.append(cli.main())
    sys.exit(codes[0])


def _leave(codes: list[int]) -> None:
    """End the process without taking its modules apart, which with torch takes half a second."""
    if not codes:
        return  # by an error that Python is to show
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(codes[0])


if __name__ == "__main__":
    main()
