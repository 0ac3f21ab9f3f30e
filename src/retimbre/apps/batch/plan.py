"""The plan of a batch: which rows are to be done and why, in an order in which a style is prepared once."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from retimbre.apps.batch.keys import FileHashes, decisive, differences, key_parts, weights_file
from retimbre.apps.batch.records import Rec, Records
from retimbre.apps.batch.rows import BadRow, Row
from retimbre.apps.batch.sources import Source
from retimbre.apps.engines.shards import Shard
from retimbre.settings import Settings

WINDOW = 4096
"""Rows that are ordered together; no more are in memory."""

_PER_SHARD = 64  # rows of each shard in a window, at least
_LOOK = 256  # rows that are found done between two looks at what else happens
_REMEMBERED = 1 << 20  # outputs of a stream, to find one that comes twice


class BatchPlan:
    """The rows that are to be done.

    Args:
        source: The rows.
        records: What is known of earlier runs.
        out: Folder of the outputs.
        shard: Which part is this process's; everything if ``None``.
        again: Whether to do what is done already.
        measures: Whether rows without measures are to be done again.
        on_bad: Called with each row that cannot be a transfer.

    Attributes:
        n_same: Number of rows that were done, with the same inputs and settings.
        whys: Number of rows that are to be done, by the reason.
    """

    def __init__(
        self,
        source: Source,
        records: Records | None,
        out: Path,
        *,
        shard: Shard | None = None,
        again: bool = False,
        measures: bool = False,
        on_bad: Callable[[BadRow], None] = lambda row: None,
    ) -> None:
        self._source, self._records, self._out, self._shard = source, records, str(out), shard
        self._again, self._measures, self._on_bad = again, measures, on_bad
        self._hashes = FileHashes()
        self._seen: dict[int, None] = {}
        self.n_same = 0
        self.whys: Counter[str] = Counter()

    def tasks(self, size: int) -> Iterator[list[Row]]:
        """Give rows in tasks of at most ``size``; an empty one where none is found for a while."""
        if self._source.is_stream:
            yield from self._from_stream()
            return
        rows = iter(self._source)
        n_shards = 1 if self._shard is None else self._shard.count
        while part := list(islice(rows, max(WINDOW, _PER_SHARD * n_shards))):
            ordered = sorted(part, key=_group)
            ours = ordered if self._shard is None else self._shard.of(ordered)
            yield from self._cut(ours, size)

    def _cut(self, rows: Sequence[Row | BadRow], size: int) -> Iterator[list[Row]]:
        """Cut rows into tasks, between two styles where there is a choice."""
        task: list[Row] = []
        n_looked = 0
        for _, alike in groupby(rows, _group):
            if len(task) > size // 2:
                yield task
                task = []
            for row in alike:
                n_looked += 1
                if n_looked % _LOOK == 0 and not task:
                    yield []
                if (found := self._to_do(row)) is not None:
                    task.append(found)
                if len(task) == size:
                    yield task
                    task = []
        if task:
            yield task

    def _from_stream(self) -> Iterator[list[Row]]:
        """Give the rows of a stream one by one, in its own order, as the next line may be long in coming."""
        rows = iter(self._source)
        while True:
            while not self._source.has_more:
                yield []
            row = next(rows, None)
            if row is None:
                return
            if self._shard is None or row.number % self._shard.count == self._shard.number - 1:
                found = self._to_do(row)
                yield [] if found is None else [found]

    def _to_do(self, row: Row | BadRow) -> Row | None:
        """Give a row with the reason for which it is to be done; ``None`` where it is not."""
        if isinstance(row, BadRow):
            self._on_bad(row)
            return None
        if self._source.is_stream and self._came_before(row):
            self._on_bad(BadRow(row.number, row.given, f"another row has the output {row.output}"))
            return None
        why = self.why(row)
        if not why:
            self.n_same += 1
            return None
        self.whys[why] += 1
        return replace(row, why=why)

    def _came_before(self, row: Row) -> bool:
        number = hash(row.output)
        if number in self._seen:
            return True
        self._seen[number] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False

    def why(self, row: Row) -> str:
        """Say why a row is to be done; nothing where it is done."""
        record = None if self._records is None else self._records.latest(row.output)
        if record is None:
            return "new"
        if self._again:
            return "asked for"
        if record["status"] != "done":
            return "failed before"
        if self._measures and "measures" not in record:
            return "not measured"
        return self._output_fault(row.output, record["written"]) or self._input_fault(row, record)

    def _output_fault(self, output: str, written: list[Any]) -> str:
        path = os.path.join(self._out, output)
        try:
            found = os.stat(path)
            size, time, digest = written
            if found.st_size == size and (found.st_mtime_ns == time or self._hashes.of(path)[1] == digest):
                return ""
        except FileNotFoundError:
            return "the output is gone"
        except OSError:
            pass
        return "the output was changed"

    def _input_fault(self, row: Row, record: Rec) -> str:
        try:
            parts = self._parts(row, record)
        except OSError:
            return "an input is gone"
        names = differences(parts, record["parts"] | {"settings": record["settings"]})
        return f"changed: {', '.join(names)}" if names else ""

    def _parts(self, row: Row, record: Rec) -> dict[str, Any]:
        known = {path: (tuple(found[0]), found[1]) for path, found in record["inputs"].items()}

        def digest(path: str) -> str:
            return self._hashes.of(path, known.get(path))[1]

        styles = [(digest(path), weight) for path, weight in row.styles if weight > 0]
        file = weights_file(row.settings)
        weights = digest(file) if file else None
        return key_parts(digest(row.content), styles, row.settings, row.output, weights)


def _group(row: Row | BadRow) -> tuple[str, str]:
    """Give what rows have in common that share a prepared style."""
    return ("", "") if isinstance(row, BadRow) else (repr(row.styles), _but_strength(row.settings))


@lru_cache(maxsize=1024)
def _but_strength(settings: Settings) -> str:
    return repr({name: value for name, value in decisive(settings).items() if name != "strength"})
