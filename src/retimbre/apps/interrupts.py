"""Interrupts: the effect of SIGINT and SIGTERM at each moment of a command.

Every one of them ends in one line on stderr and the exit code :data:`CODE`. The module is light: it is
imported before everything else.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CODE = 128 + signal.SIGINT
"""Exit code of an interrupted command: 130."""

NOTHING = "nothing was written"


class InterruptError(BaseException):
    """An interrupt that ends the command; its text says what became of the output.

    Between the handler and the command line's ``main`` nothing catches it.
    """


class Stop:
    """A request to stop after the evaluation at hand.

    Attributes:
        requested: Whether it has been made.
    """

    requested = False

    def check(self) -> None:
        """Raise a KeyboardInterrupt if the request has been made."""
        if self.requested:
            raise KeyboardInterrupt


def end_at_once(outcome: str = NOTHING) -> None:
    """Make an interrupt end the process there and then, as fits where no temporary file is at hand.

    An exception would not do: an extension that is being imported may take it for an error of its own.

    Args:
        outcome: What has become of the output, for the line on stderr.
    """

    def handler(signum: int, frame: object) -> None:
        try:
            os.write(2, f"retimbre: interrupted: {outcome}\n".encode())
        finally:
            os._exit(CODE)

    _handle(handler)


def ignore() -> None:
    """Make interrupts do nothing: the command has ended, or is cleaning up after one."""
    _handle(signal.SIG_IGN)


@contextmanager
def cleaned_up(done: str, lost: str = NOTHING) -> Iterator[None]:
    """Make an interrupt an InterruptError, so that temporary files are removed.

    Args:
        done: What has become of the output after the context.
        lost: What has become of it in the context.
    """
    came = False

    def handler(signum: int, frame: object) -> None:
        nonlocal came
        came = True
        ignore()
        raise InterruptError(lost)

    _handle(handler)
    try:
        yield
    except Exception as error:
        if came:  # and was taken for an error on the way
            raise InterruptError(lost) from error
        end_at_once(lost)
        raise
    if came:  # and was dropped on the way, as in a destructor
        raise InterruptError(done)
    end_at_once(done)


@contextmanager
def after_evaluation(done: str, lost: str = NOTHING) -> Iterator[Stop]:
    """Make the first interrupt a request to stop, and the second one an InterruptError.

    Args:
        done: What has become of the output after the context.
        lost: What has become of it in the context.
    """
    stop = Stop()

    def handler(signum: int, frame: object) -> None:
        if stop.requested:
            ignore()
            raise InterruptError(lost)
        stop.requested = True
        os.write(2, b"\nretimbre: finishing with the best result so far; again to stop at once\n")

    _handle(handler)
    try:
        yield stop
    except KeyboardInterrupt:
        ignore()
        raise InterruptError(lost) from None
    except Exception:
        end_at_once(lost)
        raise
    end_at_once(done)


def _handle(handler: "Callable[[int, object], None] | signal.Handlers") -> None:
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, handler)
