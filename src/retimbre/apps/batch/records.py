"""Records: one line of JSON for every row that was done or failed, in one file for each process.

Nobody else writes to a process's file, so that a line can be torn at its end alone, by the death of the
process; such a line counts as none. The latest record of an output is that of the highest run, and in a run
one that is done: no clock is asked.
"""

import contextlib
import errno
import json
import math
import os
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from retimbre.apps.batch.names import output_id
from retimbre.apps.engines.job import HaltError

Rec = dict[str, Any]

_START = b'{"id":"'
_OPEN_FILES = 64
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of the system where a disk, or a share of it, is full."""


def line(record: Mapping[str, Any], run: int) -> bytes:
    """Give the line of a record; first what an index needs, at fixed places."""
    head = {"id": f"{output_id(record['output']):016x}", "run": run, "status": record["status"]}
    text = json.dumps(head | finite(dict(record)), separators=(",", ":"), ensure_ascii=True)
    return text.encode() + b"\n"


def finite(value: Any) -> Any:
    """Turn numbers that JSON does not have into ``None``, in lists and dictionaries too."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return value


class RecordWriter:
    """The records file of one process, made at its first record.

    Args:
        path: The file; nobody else may write to it.
        run: Number of the run.
    """

    def __init__(self, path: Path, run: int) -> None:
        self._path, self._run = path, run
        self._file: int | None = None
        self._size = 0

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record, whole or not at all.

        Raises:
            HaltError: the disk is full, or the folder is gone.
        """
        data = line(record, self._run)
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
                self._file = os.open(self._path, flags, 0o666)
                self._size = os.fstat(self._file).st_size
            if os.write(self._file, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._size)
            raise HaltError(
                f"{self._path} cannot be written ({error.strerror}): make room, and run again"
            ) from error
        self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Records:
    """The records in a folder, found by their output; a few bytes of each are in memory.

    Args:
        folder: Folder of the records files.

    Attributes:
        last_run: The highest number of a run; 0 where there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
        self._open: OrderedDict[int, BinaryIO] = OrderedDict()
        ids, runs, done, files, places = array("Q"), array("L"), array("B"), array("L"), array("Q")
        for number, path in enumerate(self._paths):
            place = 0
            with path.open("rb") as file:
                for text in file:
                    found = _head(text)
                    if found is not None:  # a line may be torn
                        ids.append(found[0])
                        runs.append(found[1])
                        done.append(found[2])
                        files.append(number)
                        places.append(place)
                    place += len(text)
        columns = [np.array(column) for column in (ids, runs, done, files, places)]
        order = np.lexsort((columns[2], columns[1], columns[0]))
        latest = np.ones(len(order), bool)
        ordered = columns[0][order]
        latest[:-1] = ordered[1:] != ordered[:-1]
        order = order[latest]
        self._ids, runs_, self._done, self._files, self._places = (column[order] for column in columns)
        self.last_run = int(runs_.max(initial=0))

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def n_files(self) -> int:
        """Number of files."""
        return len(self._paths)

    @property
    def n_failed(self) -> int:
        """Number of outputs whose latest record is of a failure."""
        return len(self) - int(self._done.sum())

    def has_failed(self, output: str) -> bool:
        """Tell whether the latest record of an output is of a failure."""
        at = self._find(output)
        return at is not None and not self._done[at]

    def _find(self, output: str) -> int | None:
        number = output_id(output)
        at = int(np.searchsorted(self._ids, np.uint64(number)))
        return at if at < len(self._ids) and int(self._ids[at]) == number else None

    def latest(self, output: str) -> Rec | None:
        """Give the latest record of an output."""
        at = self._find(output)
        if at is None:
            return None
        try:
            found: Rec = json.loads(self._text(at))
        except ValueError:
            return None
        return found if found.get("output") == output else None

    def lines(self) -> Iterator[bytes]:
        """Give the line of the latest record of every output, in the order of the files."""
        for at in np.lexsort((self._places, self._files)):
            yield self._text(int(at))

    def _text(self, at: int) -> bytes:
        number = int(self._files[at])
        file = self._open.get(number)
        if file is None:
            file = self._open[number] = self._paths[number].open("rb")
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
        else:
            self._open.move_to_end(number)
        file.seek(int(self._places[at]))
        return file.readline()

    def close(self) -> None:
        """Close the files."""
        for file in self._open.values():
            file.close()
        self._open.clear()


def _head(text: bytes) -> tuple[int, int, bool] | None:
    """Read what an index needs of a line; ``None`` for one that is not whole."""
    if not text.startswith(_START) or not text.endswith(b"}\n"):
        return None
    try:
        number = int(text[7:23], 16)
        run, status, _ = text[25:80].split(b",", 2)
        return number, int(run.partition(b":")[2]), status == b'"status":"done"'
    except ValueError:
        return None
