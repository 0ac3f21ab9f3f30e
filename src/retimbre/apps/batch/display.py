"""The display of a batch: bars on a terminal, a line a minute elsewhere, events for programs."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from retimbre.apps.batch.records import Rec, finite
from retimbre.apps.batch.rows import BadRow
from retimbre.apps.batch.run import Tally
from retimbre.apps.console import say

MINUTE = 60.0
"""Seconds between two lines where there is no terminal."""

_FAULTS = 20  # that are shown one by one
_DRAWN = 0.2  # seconds between two drawings
_EVENT_KEYS = ("row", "output", "file", "content", "why", "seconds", "error", "key")


class Display:
    """What is shown of a batch.

    Args:
        quiet: Whether no progress is shown.
        as_json: Whether events go to stdout, one object of JSON a line.
        on_draw: Draws the state on a terminal; ``None`` where there is none.
    """

    def __init__(self, *, quiet: bool, as_json: bool, on_draw: Callable[[Tally], None] | None = None) -> None:
        self._quiet, self._as_json, self._on_draw = quiet, as_json, on_draw
        self._n_faults = 0
        self._last = time.monotonic()

    def event(self, kind: str, **facts: Any) -> None:
        """Print an event, where events are asked for."""
        if self._as_json:
            print(json.dumps(finite({"event": kind} | facts)), flush=True)

    def bad(self, row: BadRow) -> None:
        """Show a row that cannot be done."""
        self._fault(row.number, "", row.reason)
        self.event("failed", row=row.number, error=row.reason)

    def row(self, record: Rec) -> None:
        """Show a row that failed; give the event of any."""
        if record["status"] == "failed":
            name = record.get("file") or ""
            self._fault(record["row"], name if name not in record["error"] else "", record["error"])
        self.event(record["status"], **{name: record[name] for name in _EVENT_KEYS if name in record})

    def _fault(self, row: int | None, file: str, reason: str) -> None:
        self._n_faults += 1
        if self._n_faults <= _FAULTS:
            at = "" if row is None else f"row {row}: "
            say(f"{at}{file + ': ' if file else ''}{reason}")

    def tick(self, tally: Tally) -> None:
        """Show how far it is, where it is time to."""
        now = time.monotonic()
        if now - self._last < (_DRAWN if self._on_draw else MINUTE):
            return
        self._last = now
        if self._on_draw is not None:
            self._on_draw(tally)
        elif not self._quiet:
            say(state(tally))
        if self._on_draw is None:
            self.event("progress", **numbers(tally))

    def end(self) -> None:
        """Count the faults that were not shown."""
        if self._n_faults > _FAULTS:
            say(f"and {self._n_faults - _FAULTS} more rows with a fault")


def numbers(tally: Tally) -> dict[str, Any]:
    """Give a tally for programs."""
    rate, left = pace(tally)
    return {
        "rows": tally.n_rows,
        "done": tally.done,
        "failed": tally.failed,
        "same": tally.same,
        "left": tally.left,
        "running": tally.running,
        "rate": rate,
        "seconds": tally.seconds,
        "seconds_left": left,
        "why": dict(tally.whys),
    }


def pace(tally: Tally) -> tuple[float, float | None]:
    """Give the rows done a second, and the seconds left where they are known."""
    n_done = tally.done + tally.failed
    rate = n_done / tally.seconds if tally.seconds > 0 else 0.0
    return rate, tally.left / rate if tally.left is not None and rate > 0 else None


def state(tally: Tally) -> str:
    """Say how far a batch is.

    >>> state(Tally(n_rows=10, done=4, failed=1, began=time.monotonic() - 5)).partition(";")[0]
    '4 done, 1 failed, 0 running, 5 left'
    """
    rate, left = pace(tally)
    same = f", {tally.same} as they were" if tally.same else ""
    rest = "" if tally.left is None else f", {max(0, tally.left - tally.running)} left"
    until = "" if left is None else f", {clock(left)} to go"
    counts = f"{tally.done} done, {tally.failed} failed{same}, {tally.running} running{rest}"
    return f"{counts}; {rate:.2g} rows/s{until}"


def clock(seconds: float) -> str:
    """Write a time.

    >>> clock(59), clock(3700), clock(200_000)
    ('59 s', '1 h 2 min', '2 d 8 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


@contextmanager
def display(*, quiet: bool, as_json: bool) -> Iterator[Display]:
    """Show a batch on stderr, with a bar where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield Display(quiet=quiet, as_json=as_json)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    with Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("starting", total=None)

        def draw(tally: Tally) -> None:
            n_over = tally.done + tally.failed + tally.same
            bar.update(task, total=tally.n_rows, completed=n_over, description=state(tally))

        yield Display(quiet=quiet, as_json=as_json, on_draw=draw)


def whys(tally: Tally) -> str:
    """Say why rows were handed out.

    >>> tally = Tally()
    >>> tally.whys.update({"new": 3, "changed: content": 1})
    >>> whys(tally)
    '3 new, 1 changed: content'
    """
    return ", ".join(f"{count} {why}" for why, count in tally.whys.most_common())
