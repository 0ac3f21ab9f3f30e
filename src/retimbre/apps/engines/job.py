"""Jobs: the function that an engine has done in other processes, and the outcome of each item."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from retimbre.errors import RetimbreError

Item = TypeVar("Item")
Record = TypeVar("Record")
Taken_contra = TypeVar("Taken_contra", contravariant=True)
Given_co = TypeVar("Given_co", covariant=True)

MAX_DEATHS = 3
"""Deaths of a worker at one item after which it is not tried again."""


class HaltError(RetimbreError):
    """Fault of a machine or a cluster and of no item: every further item would fail like it."""


class Worker(Protocol[Taken_contra, Given_co]):
    """The state of a job in one process, such as prepared styles; called with an item, it gives its record.

    An exception of a call is a fault of the item, a :class:`HaltError` ends the run.
    """

    def __call__(self, item: Taken_contra, /) -> Given_co:
        """Do an item; doing it twice must be the same as once."""

    def close(self) -> None:
        """Remove temporary files; called at the end, also from another thread while a call is at work."""


Job = Callable[[], Worker[Item, Record]]
"""Function that makes a :class:`Worker` in the process that it is called in; it can be pickled."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Record]):
    """The end of an item.

    Attributes:
        item: The item.
        record: What the worker gave; ``None`` where there is a fault.
        fault: What went wrong.
    """

    item: Item
    record: Record | None
    fault: str = ""


class Engine(Protocol):
    """Something that does the items of tasks, each at least once and reported once."""

    @property
    def n_slots(self) -> int:
        """Number of items at work at once."""

    @property
    def n_running(self) -> int:
        """Number of items at work now."""

    def run(
        self, job: Job[Item, Record], tasks: Iterator[Sequence[Item]], stop: Callable[[], bool]
    ) -> Iterator[Outcome[Item, Record] | None]:
        """Do the items of tasks and give their outcomes as they come; ``None`` where none came for a while.

        Args:
            job: What to do.
            tasks: Items that are best done by one worker, one after the other; taken as workers are free. An
                empty task means that there is none yet.
            stop: Whether to hand out nothing more, finish the items at work, and end.

        Raises:
            HaltError: every further item would fail.
        """


def described(error: BaseException) -> str:
    """Describe an error in one line; one that was not raised on purpose with its type.

    >>> described(RetimbreError("out.wav cannot be written")), described(KeyError("a"))
    ('out.wav cannot be written', "KeyError: 'a'")
    """
    text = " ".join(str(error).split())
    return text if isinstance(error, RetimbreError) else f"{type(error).__name__}: {text}".rstrip(": ")


def answered(worker: Worker[Any, Any], item: object) -> tuple[str, Any]:
    """Do an item; give ``done`` and its record, ``fault`` or ``halt`` and the reason."""
    try:
        return "done", worker(item)
    except HaltError as error:
        return "halt", str(error)
    except Exception as error:
        return "fault", described(error)
