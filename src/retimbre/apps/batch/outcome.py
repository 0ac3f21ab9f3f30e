"""The end of a batch on disk: results of everything in the folder, and the rows that failed."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from retimbre._output import atomic
from retimbre.apps.batch.folder import BatchFolder
from retimbre.apps.batch.records import Records
from retimbre.apps.batch.rows import SETTINGS, BadRow
from retimbre.apps.batch.sources import Source

_FIRST, _LAST = ("row", "content", "style", "output"), "error"


def write_outcome(folder: BatchFolder, source: Source, *, any_bad: bool) -> None:
    """Write ``results.jsonl`` and ``failed.csv``, of this run and of those beside it.

    Args:
        folder: The folder.
        source: The rows of the batch.
        any_bad: Whether some of its rows cannot be transfers.

    Raises:
        RetimbreError: the disk is full.
    """
    with folder.gate():  # of several shards the last one to write has seen the records of all
        records = Records(folder.records)
        try:
            with atomic(folder.results) as temporary, temporary.open("wb") as file:
                file.writelines(records.lines())
            rows = list(_failed(records, source)) if any_bad or records.n_failed else []
            if not rows:
                folder.failed.unlink(missing_ok=True)
                return
            used = {name for row in rows for name in row}
            columns = [*_FIRST, *(name for name in SETTINGS if name in used), _LAST]
            with (
                atomic(folder.failed) as temporary,
                temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
            ):
                writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        finally:
            records.close()


def _failed(records: Records, source: Source) -> Iterator[dict[str, Any]]:
    """Give the rows of the batch that cannot be done or failed when they were last tried."""
    for row in source:
        if isinstance(row, BadRow):
            yield dict(row.given) | {"row": row.number, _LAST: row.reason}
        elif records.has_failed(row.output) and (found := records.latest(row.output)):
            yield row.given | {"row": row.number, _LAST: found.get(_LAST, "")}


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict)) else value
