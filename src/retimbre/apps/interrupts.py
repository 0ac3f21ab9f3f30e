"""Interrupts: the effect of SIGINT and SIGTERM at each moment of a command.

Every one of them ends in one line on stderr and the exit code :data:`CODE`. The module is light: it is
imported before everything else.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from retimbre.apps import standard_streams
from retimbre.errors import Terminated

if TYPE_CHECKING:
    from retimbre.optim.step import Step

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
        by: Signal that made it.
        can_keep: Whether there is a result to keep: an evaluation has been completed.
    """

    requested = False
    by = signal.SIGINT
    can_keep = False

    def evaluated(self, *, by_either: bool = False) -> None:
        """Take notice of an evaluation, and check for a request as :meth:`check` does."""
        self.can_keep = True
        self.check(by_either=by_either)

    def check(self, *, by_either: bool = False) -> None:
        """Raise a KeyboardInterrupt if the request has been made.

        Args:
            by_either: Whether SIGTERM, too, ends the run with its result in its place.

        Raises:
            Terminated: it was made by SIGTERM.
        """
        if self.requested:
            raise KeyboardInterrupt if by_either or self.by == signal.SIGINT else Terminated


class Listener:
    """Listener to the steps of a run (:data:`retimbre.optim.step.OnStep`), which ends it after a request.

    Args:
        stop: The request.
        others: What else listens to the steps.
    """

    def __init__(self, stop: Stop, *others: "Callable[[Step], None]") -> None:
        self._stop, self._others = stop, others

    def __call__(self, step: "Step") -> None:
        """Pass a step on to the others, and end the run if that was requested."""
        self._stop.can_keep = True  # before the others, of which one may show that the step is done
        for other in self._others:
            other(step)
        self._stop.check()

    def check(self) -> None:
        """End the run if that was requested, where there is no step for a while."""
        self._stop.check()


def end_at_once(outcome: str = NOTHING, folders: Sequence["os.PathLike[str]"] = ()) -> None:
    """Make an interrupt end the process there and then.

    An exception would not do: an extension that is being imported, or a decoder that reads a file in Python,
    may take it for an error of its own.

    Args:
        outcome: What has become of the output, for the line on stderr.
        folders: Folders from which this process's temporary files are removed.
    """

    def handler(signum: int, frame: object) -> None:
        _end(outcome, folders)

    _handle(handler)


def _end(outcome: str, folders: Sequence["os.PathLike[str]"]) -> NoReturn:
    try:
        if folders:
            from retimbre._output import remove_own

            remove_own(*folders)
        shown = "\r\x1b[K\x1b[?25h" if os.isatty(standard_streams.messages()) else ""  # of a progress bar
        line = f"{shown}retimbre: interrupted: {outcome}\n"
        os.write(standard_streams.messages(), os.fsencode(line))
    finally:
        os._exit(CODE)


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
def after_evaluation(
    done: str,
    lost: str = NOTHING,
    folders: Sequence["os.PathLike[str]"] = (),
    *,
    note: str = "finishing with the best result so far",
    can_keep: bool = False,
) -> Iterator[Stop]:
    """Make the first interrupt a request to stop, and the second one end the process at once.

    So does the first, where no evaluation was completed by then: there is nothing to keep.

    Args:
        done: What has become of the output after the context.
        lost: What has become of it in the context.
        folders: Folders from which this process's temporary files are removed.
        note: What follows the first interrupt, for the line on stderr.
        can_keep: Whether there is something to keep from the start.
    """
    stop = Stop()
    stop.can_keep = can_keep

    def handler(signum: int, frame: object) -> None:
        if stop.requested or not stop.can_keep:
            _end(lost, folders)
        stop.requested, stop.by = True, signal.Signals(signum)
        line = f"\nretimbre: {note}; again to stop at once\n".encode()
        with suppress(OSError):
            os.write(standard_streams.messages(), line)

    _handle(handler)
    try:
        yield stop
    except KeyboardInterrupt:
        ignore()
        raise InterruptError(lost) from None
    except Exception:
        end_at_once(lost, folders)
        raise
    end_at_once(done, folders)


def _handle(handler: "Callable[[int, object], None] | signal.Handlers") -> None:
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, handler)
