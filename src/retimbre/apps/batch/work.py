"""The work of a batch in one process: a row in, a record out."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retimbre.apps.batch.folder import BatchFolder
from retimbre.apps.batch.keys import FileHashes, Signature, key_parts, row_key, weights_file
from retimbre.apps.batch.records import FULL, RecordWriter
from retimbre.apps.batch.rows import Row
from retimbre.apps.engines.job import HaltError, described
from retimbre.errors import RetimbreError
from retimbre.settings import ALGORITHM

STYLE_MEMORY = 512 << 20
"""Bytes of prepared styles that a process keeps."""

_ATTEMPTS = 3  # at a row whose clips change as they are read
_TRIM = 64  # rows between two looks at the size of a prepared style

Rec = dict[str, Any]
Hashed = tuple[Signature, str]


@dataclass(frozen=True)
class RowJob:
    """The job of a batch: rows to outputs and records on a disk that all processes see.

    Args:
        out: Absolute path of the folder of the batch.
        run: Number of the run.
        algorithm: Version of the algorithm that is expected (:data:`retimbre.settings.ALGORITHM`).
        measures: Whether outputs are measured against their content and style.
        checks: Whether rows are checked only, and nothing is made.
    """

    out: str
    run: int
    algorithm: int = ALGORITHM
    measures: bool = False
    checks: bool = False

    def __call__(self) -> "RowWorker":
        """Start a process's part."""
        import torch

        torch.set_num_threads(1)
        if self.algorithm != ALGORITHM:
            raise HaltError(
                f"a worker has version {ALGORITHM} of the algorithm: expected {self.algorithm}, install the "
                "same retimbre everywhere"
            )
        return RowWorker(self)


class RowWorker:
    """The state of one process: prepared styles, hashes of files, its records file.

    Args:
        job: The job.
    """

    def __init__(self, job: RowJob) -> None:
        from retimbre.apps.batch.styles import PreparedStyles

        self._job, self._folder = job, BatchFolder(Path(job.out))
        self._styles, self._hashes = PreparedStyles(STYLE_MEMORY), FileHashes()
        self._records = RecordWriter(self._folder.records_file(), job.run)
        self._folder.clear_stale()  # of the process whose place this one takes
        self._scratch = self._folder.scratch()
        self._n_rows = 0

    def __call__(self, row: Row) -> Rec:
        """Do a row, and record it; or check it.

        Raises:
            HaltError: the disk is full.
        """
        if self._job.checks:
            return self._checked(row)
        record = self.made(row)
        self._records.write(record)
        return record

    def close(self) -> None:
        """Remove what is not finished, and close the records file."""
        if self._scratch.exists():
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._records.close()

    def forget_styles(self) -> None:
        """Give up the prepared styles, whose files may be gone."""
        self._styles.clear()

    def made(self, row: Row) -> Rec:
        """Make the output of a row; give its record."""
        began = time.perf_counter()
        self._n_rows += 1
        if self._n_rows % _TRIM == 0:
            self._styles.trim()
        error = ""
        for _ in range(_ATTEMPTS):
            inputs: dict[str, Hashed] = {}
            try:
                inputs = self._hashed(row)
                with self._transferred(row, inputs) as (file, details):
                    if self._hashed(row) == inputs:
                        details["written"] = self._folder.place(file, row.output, list(inputs))
                        return self._record(row, began, inputs, "done", details)
                error = "the content or a style changed while it was read, again and again"
            except Exception as failure:
                check_halts(failure, self._folder.root)
                error = reason(failure)
                if not self._have_changed(row, inputs):
                    break
            self._styles.clear()  # one that changed as it was read stands under the wrong hash
        return self._record(row, began, inputs, "failed", {"error": error})

    def _hashed(self, row: Row) -> dict[str, Hashed]:
        """Hash the files that a row reads."""
        paths = [row.content, *(path for path, weight in row.styles if weight > 0)]
        weights = weights_file(row.settings)
        return {path: self._hashes.of(path) for path in (*paths, *([weights] if weights else []))}

    def _have_changed(self, row: Row, inputs: dict[str, Hashed]) -> bool:
        try:
            return self._hashed(row) != inputs
        except OSError:
            return False

    @contextmanager
    def _transferred(self, row: Row, inputs: dict[str, Hashed]) -> Iterator[tuple[Path, Rec]]:
        """Make the output under a name that is this process's own; give that, and what was found."""
        from retimbre.apps.console import summary

        mix = [(path, weight) for path, weight in row.styles if weight > 0]
        restyle = self._styles.get(mix, [inputs[path][1] for path, _ in mix], row.settings)
        self._scratch.mkdir(parents=True, exist_ok=True)
        file = self._scratch / f"{secrets.token_hex(4)}{Path(row.output).suffix.lower()}"
        try:
            result = restyle(row.content, strength=row.settings.strength, output=file)
            if result.stopped == "diverged":
                with contextlib.suppress(OSError):
                    result.path.unlink()
                raise RetimbreError("the loss stopped being a number")
            styles = [(Path(path), weight) for path, weight in row.styles]
            details = summary(result, Path(row.content), styles, row.output)
            if self._job.measures:
                details["measures"] = _measures(file, row.content, mix)
            yield file, details
        finally:
            with contextlib.suppress(OSError):
                file.unlink()
            with contextlib.suppress(OSError):  # a run may end without a word to this process
                self._scratch.rmdir()

    def _record(self, row: Row, began: float, inputs: dict[str, Hashed], status: str, details: Rec) -> Rec:
        record = {"status": status, "row": row.number, "output": row.output, "why": row.why} | row_facts(row)
        record |= details
        if inputs:
            styles = [(inputs[path][1], weight) for path, weight in row.styles if weight > 0]
            weights = weights_file(row.settings)
            hashed = inputs[weights][1] if weights else None
            parts = key_parts(inputs[row.content][1], styles, row.settings, row.output, hashed)
            record |= {"key": row_key(parts), "parts": {k: v for k, v in parts.items() if k != "settings"}}
            record["inputs"] = {
                path: [list(signature), digest] for path, (signature, digest) in inputs.items()
            }
        return record | {"seconds": round(time.perf_counter() - began, 4), "worker": self._scratch.name}

    def _checked(self, row: Row) -> Rec:
        """Check that a row can be done, its files read through; give the file at fault."""
        from retimbre._content import Content
        from retimbre.sound.encoding import Encoding, check_format

        file = ""
        try:
            for file, _ in row.styles:
                self._styles.get([(file, 1.0)], [self._hashes.of(file)[1]], row.settings)
            file = row.content
            sound = Content(file, row.settings).sound
            file = row.output
            suffix = file.rpartition(".")[2].lower()
            check_format(suffix, sample_rate=sound.sample_rate, n_channels=sound.n_channels)
            Encoding.of(suffix, row.settings)
        except Exception as error:
            return {"status": "failed", "row": row.number, "file": file, "error": reason(error)}
        return {"status": "fine", "row": row.number}


def row_facts(row: Row) -> Rec:
    """Describe a row, for a record of one that failed as of one that was done."""
    return {
        "content": row.content,
        "styles": dict(row.styles),
        "settings": asdict(row.settings),
    }


def failed_record(row: Row, error: str) -> Rec:
    """Make the record of a row that no worker could finish."""
    facts = row_facts(row)
    return (
        {"status": "failed", "row": row.number, "output": row.output, "why": row.why}
        | facts
        | {"error": error}
    )


def reason(error: Exception) -> str:
    """Say in a line why a row failed."""
    if isinstance(error, OSError) and error.filename is not None:
        name = os.fsdecode(error.filename)
        if isinstance(error, FileNotFoundError):
            return f"{name} does not exist: expected a file of sound"
        return f"{name} cannot be used: {error.strerror}"
    return described(error)


def check_halts(error: BaseException, folder: Path) -> None:
    """Raise a HaltError where the disk is full: the next row would fail like this one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HaltError):
            raise cause
        if isinstance(cause, OSError) and cause.errno in FULL:
            raise HaltError(f"the disk of {folder} is full: make room, and run again") from error
        cause = cause.__cause__ or cause.__context__


def _measures(file: Path, content: str, styles: Sequence[tuple[str, float]]) -> dict[str, dict[str, float]]:
    """Measure an output against its content, and against the style that weighs most."""
    from retimbre.metrics.measures import measure
    from retimbre.sound.files import read

    style = max(styles, key=lambda pair: pair[1])[0]
    return measure(read(file), content=read(content), style=read(style))
