"""The run of a batch: rows to an engine, records back, and what became of them."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from retimbre._output import check_folder
from retimbre.apps.batch.folder import BatchFolder
from retimbre.apps.batch.names import duplicates
from retimbre.apps.batch.outcome import write_outcome
from retimbre.apps.batch.plan import BatchPlan
from retimbre.apps.batch.records import Rec, Records, RecordWriter
from retimbre.apps.batch.rows import BadRow
from retimbre.apps.batch.sources import Source
from retimbre.apps.batch.work import RowJob, failed_record
from retimbre.apps.engines.job import Engine, HaltError
from retimbre.apps.engines.shards import Shard
from retimbre.errors import InputError, RetimbreError

TASK = 32
"""Rows of a task at most."""

_SHOWN = 5  # outputs that come twice, in a message
_TASKS_A_SLOT = 8  # at least, so that no slot waits long for the last one


@dataclass
class Tally:
    """Count of the rows of a run.

    Attributes:
        n_rows: Number of rows; ``None`` for a stream.
        done: Number of rows done.
        failed: Number of rows that failed or are bad.
        same: Number of rows that were done already.
        running: Number of rows at work.
        whys: Number of rows handed out, by the reason.
        began: When it began, by a clock that never jumps.
        halted: Why it ended before its time; empty where it did not.
    """

    n_rows: int | None = None
    done: int = 0
    failed: int = 0
    same: int = 0
    running: int = 0
    whys: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)
    halted: str = ""

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    @property
    def left(self) -> int | None:
        """Number of rows that are neither; ``None`` where that is not known."""
        return None if self.n_rows is None else max(0, self.n_rows - self.done - self.failed - self.same)


class RowListener(Protocol):
    """What is told of a run."""

    def bad(self, row: BadRow) -> None:
        """Hear of a row that cannot be done."""

    def row(self, record: Rec) -> None:
        """Hear of a row that was done, failed or was checked."""

    def tick(self, tally: Tally) -> None:
        """Hear several times a second how far it is."""


def run_batch(
    source: Source,
    out: Path,
    engine: Engine,
    listener: RowListener,
    stop: Callable[[], bool],
    *,
    shard: Shard | None = None,
    again: bool = False,
    measures: bool = False,
    make_job: Callable[..., RowJob] = RowJob,
) -> Tally:
    """Do the rows of a source that are not done; write ``results.jsonl`` and ``failed.csv``.

    Args:
        source: The rows.
        out: Folder of the outputs, made if it is not there.
        engine: What does them.
        listener: Is told of every row.
        stop: Whether to end with the rows at work.
        shard: Which part of the rows is this process's.
        again: Whether to do the rows that are done already.
        measures: Whether to measure outputs.
        make_job: Makes the job from the folder, the number of the run, and ``measures``.

    Raises:
        InputError: two rows have one output, or another process works on the folder.
    """
    tally = Tally(n_rows=check_outputs(source))
    folder = BatchFolder(out)
    folder.make()
    with folder.entered(shard) as run:
        folder.clear_stale()
        records = Records(folder.records)
        n_bad = 0

        def on_bad(row: BadRow) -> None:
            nonlocal n_bad
            n_bad += 1
            tally.failed += 1
            listener.bad(row)

        plan = BatchPlan(source, records, out, shard=shard, again=again, measures=measures, on_bad=on_bad)
        tally.whys = plan.whys
        if tally.n_rows is not None and shard is not None:
            tally.n_rows = round(tally.n_rows / shard.count)
        own = RecordWriter(folder.records_file(), run)
        size = task_size(tally.n_rows, engine.n_slots)
        job = make_job(str(out), run, measures=measures)
        try:
            for outcome in engine.run(job, plan.tasks(size), stop):
                if outcome is not None:
                    record = outcome.record
                    if record is None:
                        record = failed_record(outcome.item, outcome.fault)
                        own.write(record)
                    if record["status"] == "done":
                        tally.done += 1
                    else:
                        tally.failed += 1
                    listener.row(record)
                tally.same, tally.running = plan.n_same, engine.n_running
                listener.tick(tally)
        except HaltError as error:
            tally.halted = str(error)
        finally:
            own.close()
            records.close()
        tally.same, tally.running = plan.n_same, 0
        folder.clear_stale()  # of a cluster's workers that died here
        source.end()
        try:
            write_outcome(folder, source, any_bad=n_bad > 0)
        except RetimbreError as error:
            tally.halted = tally.halted or str(error)
    return tally


def check_outputs(source: Source) -> int | None:
    """Count the rows; check that no two have one output.

    Raises:
        InputError: some have.
    """
    if source.is_stream:
        return None
    n_rows, twice = duplicates(source)
    if twice:
        more = f"; {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
        raise InputError(
            f"{'; '.join(twice[:_SHOWN])}{more}: expected a name of its own for each, by an output in the "
            "manifest or --name, such as '{content}_{suffix}_as_{style}.wav'"
        )
    return n_rows


def task_size(n_rows: int | None, n_slots: int) -> int:
    """Give the number of rows of a task.

    >>> task_size(10_000, 2), task_size(40, 2)
    (32, 2)
    """
    return 1 if n_rows is None else max(1, min(TASK, n_rows // (n_slots * _TASKS_A_SLOT)))


def check_rows(
    source: Source, out: Path, engine: Engine, listener: RowListener, stop: Callable[[], bool]
) -> Tally:
    """Check every row, its files read through, and make nothing.

    Raises:
        InputError: the folder cannot be made.
    """
    n_rows, twice = (None, []) if source.is_stream else duplicates(source)
    tally = Tally(n_rows=n_rows)
    for fault in twice:
        tally.failed += 1
        listener.row({"status": "failed", "row": None, "file": "", "error": fault})
    check_folder(out)

    def on_bad(row: BadRow) -> None:
        tally.failed += 1
        listener.bad(row)

    plan = BatchPlan(source, None, out, on_bad=on_bad)
    tasks = plan.tasks(task_size(tally.n_rows, engine.n_slots))
    for outcome in engine.run(RowJob(str(out), 0, checks=True), tasks, stop):
        if outcome is not None:
            record: Rec = outcome.record or failed_record(outcome.item, outcome.fault)
            tally.done += record["status"] == "fine"
            tally.failed += record["status"] == "failed"
            listener.row(record)
        tally.running = engine.n_running
        listener.tick(tally)
    tally.running = 0
    return tally
