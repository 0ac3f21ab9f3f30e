"""Shipping: rows leave as parcels, sounds come back as bytes, and this process alone writes to the folder."""

import hashlib
import shutil
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from retimbre._output import check_space
from retimbre.apps.batch.folder import BatchFolder
from retimbre.apps.batch.keys import FileHashes, Signature, signature, weights_file
from retimbre.apps.batch.parcels import Parcel, ParcelJob, ShippedClip
from retimbre.apps.batch.records import Rec, RecordWriter
from retimbre.apps.batch.rows import Row
from retimbre.apps.batch.work import RowJob, check_halts, reason
from retimbre.apps.engines.job import Engine, HaltError, Job, Outcome
from retimbre.errors import InputError

CALL_BYTES = 8 << 20
"""Bytes of clips after which no further row is sent with them."""

_STYLE_BYTES = 64 << 20  # of styles that are kept in memory
_ATTEMPTS = 3  # at a clip that changes as it is read


class ShippingEngine:
    """An engine whose workers see none of the files: rows leave as parcels, and sounds are written here.

    Args:
        engine: The engine.
        out: Folder of the batch.
    """

    def __init__(self, engine: Engine, out: Path) -> None:
        self._engine, self._folder = engine, BatchFolder(out)
        self._hashes = FileHashes()
        self._styles: OrderedDict[str, ShippedClip] = OrderedDict()

    @property
    def n_slots(self) -> int:
        """Number of rows at work at once."""
        return self._engine.n_slots

    @property
    def n_running(self) -> int:
        """Number of rows at work now."""
        return self._engine.n_running

    def run(
        self, job: Job[Any, Any], tasks: Iterator[Sequence[Any]], stop: Callable[[], bool]
    ) -> Iterator[Outcome[Any, Any] | None]:
        """Do the rows of tasks (:meth:`retimbre.apps.engines.job.Engine.run`); the job is a RowJob."""
        assert isinstance(job, RowJob)
        failed: deque[Outcome[Row, Rec]] = deque()
        records = RecordWriter(self._folder.records_file(), job.run)
        scratch = self._folder.scratch()
        try:
            for outcome in self._engine.run(ParcelJob(job), self._parcels(tasks, failed), stop):
                while failed:
                    yield failed.popleft()
                if outcome is None:
                    yield None
                    continue
                done = self._opened(outcome, scratch)
                if done.record is not None and not job.checks:
                    records.write(done.record)
                yield done
            yield from failed
        finally:
            records.close()
            shutil.rmtree(scratch, ignore_errors=True)

    # --- there ---

    def _parcels(
        self, tasks: Iterator[Sequence[Row]], failed: deque[Outcome[Row, Rec]]
    ) -> Iterator[list[Parcel]]:
        """Give the rows of tasks with their clips, in tasks of few bytes."""
        for task in tasks:
            parcels: list[Parcel] = []
            sizes: dict[str, int] = {}
            for row in task:
                try:
                    parcel = self._parcel(row)
                except (OSError, InputError) as error:
                    failed.append(Outcome(row, None, reason(error)))
                    continue
                parcels.append(parcel)
                sizes |= {clip.digest: len(clip.data) for clip in parcel.clips.values()}
                if sum(sizes.values()) >= CALL_BYTES:
                    yield parcels
                    parcels, sizes = [], {}
            yield parcels

    def _parcel(self, row: Row) -> Parcel:
        paths = [path for path, weight in row.styles if weight > 0]
        clips = {path: self._style(path) for path in paths}
        return Parcel(row, clips | {row.content: clips.get(row.content) or _read(row.content)})

    def _style(self, path: str) -> ShippedClip:
        """Read a style, which several rows have: in one call it is sent once."""
        found = self._styles.get(path)
        if found is None or found.signature != signature(path):
            found = self._styles[path] = _read(path)
        self._styles.move_to_end(path)
        while sum(len(clip.data) for clip in self._styles.values()) > _STYLE_BYTES and len(self._styles) > 1:
            self._styles.popitem(last=False)
        return found

    # --- and back ---

    def _opened(self, outcome: Outcome[Parcel, tuple[Rec, bytes]], scratch: Path) -> Outcome[Row, Rec]:
        """Write the sound of a parcel that came back; give the record of its row."""
        row, clips = outcome.item.row, outcome.item.clips
        if outcome.record is None:
            return Outcome(row, None, outcome.fault)
        record, sound = outcome.record
        if record["status"] != "done":
            return Outcome(row, record)
        weights = self._weights(row)
        if record["parts"]["weights"] != (weights and weights[1][1]):
            raise HaltError(
                f"a worker has other weights of {row.settings.network} than this machine: expected the same, "
                "see retimbre weights"
            )
        inputs = {path: [list(clip.signature), clip.digest] for path, clip in clips.items()}
        if weights:
            inputs[weights[0]] = [list(weights[1][0]), weights[1][1]]
        try:
            check_space(self._folder.root, len(sound))
            scratch.mkdir(parents=True, exist_ok=True)
            file = scratch / f"sound.{row.output.rpartition('.')[2].lower()}"
            file.write_bytes(sound)
            written = self._folder.place(file, row.output, list(inputs))
        except Exception as error:
            check_halts(error, self._folder.root)
            return Outcome(row, None, reason(error))
        return Outcome(row, record | {"written": written, "inputs": inputs})

    def _weights(self, row: Row) -> tuple[str, tuple[Signature, str]] | None:
        path = weights_file(row.settings)
        return None if path is None else (path, self._hashes.of(path))


def _read(path: str) -> ShippedClip:
    """Read a clip, as it is at one time.

    Raises:
        InputError: it changes as it is read, again and again.
        OSError: it cannot be read.
    """
    for _ in range(_ATTEMPTS):
        before = signature(path)
        data = Path(path).read_bytes()
        if signature(path) == before and len(data) == before[0]:
            return ShippedClip(data, hashlib.sha256(data).hexdigest(), before)
    raise InputError(f"{path} changed while it was read, again and again: expected a file at rest")
