"""Parcels: rows with the bytes of their clips, and the worker that does them and sees no other file."""

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from retimbre.apps.batch.keys import Signature
from retimbre.apps.batch.records import Rec
from retimbre.apps.batch.rows import Row
from retimbre.apps.batch.work import RowJob, RowWorker, row_facts
from retimbre.apps.sessions.folder import own_folder

_DISK_BYTES = 1 << 30  # of styles that a worker keeps


@dataclass(frozen=True, slots=True)
class ShippedClip:
    """The bytes of a clip.

    Attributes:
        data: The bytes.
        digest: Their hash.
        signature: That of the file before they were read.
    """

    data: bytes
    digest: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class Parcel:
    """A row and its clips, by their paths on the machine of the batch."""

    row: Row
    clips: Mapping[str, ShippedClip]


@dataclass(frozen=True)
class ParcelJob:
    """The job of a batch where workers get bytes and give bytes.

    Args:
        rows: The job as it is where they see the files.
    """

    rows: RowJob

    def __call__(self) -> "ParcelWorker":
        """Start a process's part."""
        return ParcelWorker(self.rows)


class ParcelWorker:
    """The state of one process: a temporary folder with the styles that came, and what does rows in it.

    Args:
        job: The job.
    """

    def __init__(self, job: RowJob) -> None:
        self._context = contextlib.ExitStack()
        self._folder = self._context.enter_context(own_folder("retimbre-batch-"))
        self._clips = self._folder / "clips"
        self._clips.mkdir()
        self._worker: RowWorker = replace(job, out=str(self._folder / "out"))()
        self._checks = job.checks

    def __call__(self, parcel: Parcel) -> tuple[Rec, bytes]:
        """Do a row; give its record and the bytes of the sound, which are none where it failed."""
        self._make_room()
        places = {path: self._placed(clip, path) for path, clip in parcel.clips.items()}
        row = parcel.row
        here = replace(
            row,
            content=places[row.content],
            styles=tuple((places.get(path, path), weight) for path, weight in row.styles),
        )
        try:
            record = self._worker(here) if self._checks else self._worker.made(here)
            sound = self._taken(row.output) if record["status"] == "done" else b""
        finally:
            if row.content not in dict(row.styles):
                with contextlib.suppress(OSError):
                    os.unlink(places[row.content])
        names = {place: path for path, place in places.items()}
        record.pop("inputs", None)
        for key in ("error", "file"):
            if key in record:
                record[key] = _renamed(record[key], names)
        return record if self._checks else record | row_facts(row), sound

    def close(self) -> None:
        """Remove the folder."""
        self._worker.close()
        self._context.close()

    def _make_room(self) -> None:
        """Give up all styles where they need too much of the disk, prepared ones included."""
        if sum(file.stat().st_size for file in self._clips.iterdir()) > _DISK_BYTES:
            self._worker.forget_styles()  # whose files may be read again
            shutil.rmtree(self._clips)
            self._clips.mkdir()

    def _placed(self, clip: ShippedClip, path: str) -> str:
        """Write a clip to the disk, unless it is there; give its path."""
        place = self._clips / f"{clip.digest}{Path(path).suffix}"
        if not place.exists():
            place.write_bytes(clip.data)
        return str(place)

    def _taken(self, output: str) -> bytes:
        path = self._folder / "out" / output
        sound = path.read_bytes()
        path.unlink()
        return sound


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for place, path in names.items():
        text = text.replace(place, path)
    return text
