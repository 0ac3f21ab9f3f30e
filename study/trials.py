"""Trials of the benchmark: what is run, what it gave, and a folder that caches both.

A trial is saved as ``FOLDER/PAIR/METHOD[-STRENGTH].json`` with its output beside it as FLAC. It is run again
when anything changes that it depends on: the method's settings, the length of the clips, or the code.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import retimbre
from retimbre._output import atomic, make_folder
from retimbre.sound.audio import Audio
from retimbre.sound.files import write
from study.methods import Method
from study.pairs import Pair

Measures = dict[str, dict[str, float]]

_PRESENTATION = (
    *("retimbre/report", "retimbre/apps"),
    *(
        "study/recordings",
        "study/figures",
        "study/estimates",
        "study/quality_picture",
        "study/trial_job",
        "study/benchmark",
        "study/__main__",
    ),
)
"""Code on which no output and no measure depends."""


@dataclass(frozen=True)
class Task:
    """A trial to be run.

    Args:
        pair: Content, style and target.
        method: Method to apply.
        strength: Strength, 0 to 1; ``None`` for a method that has none, or for its own.
    """

    pair: Pair
    method: Method
    strength: float | None = None

    @property
    def name(self) -> str:
        """Name of its files, without suffix."""
        return self.method.slug + ("" if self.strength is None else f"-{self.strength:g}")

    @property
    def key(self) -> str:
        """Hash of everything that its output and its measures depend on."""
        parts = {
            "version": retimbre.__version__,
            "code": code_hash(),
            "pair": repr(self.pair),
            "method": self.method.name,
            "settings": dataclasses.asdict(self.method.at(self.strength)),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Made:
    """What a trial gave.

    Args:
        output: Output of the method.
        pace: Seconds of a core's time for 10 s of sound; 0 for a copy.
        measures: Groups of :func:`retimbre.metrics.measures.measure`. For a pair of pitched instruments also
            ``score_distance``: ``pitch``, the pitch distance to the score, and ``envelope``, the values of
            :mod:`study.envelopes`; for any other ``strokes``, those of :mod:`study.strokes`. For a style of
            one pitched instrument ``heard``: ``recognised``, its likelihood, and ``first``, 1 where no
            other's is higher. For a pair of pitched instruments of 4.5 s or more ``cifka``: the values of
            :mod:`study.triplets`, ``lsd``, ``timbre`` and ``pitch``.
    """

    output: Audio
    pace: float
    measures: Measures


@dataclass(frozen=True)
class Trial:
    """A trial that was run and saved.

    Args:
        task: Pair, method and strength.
        pace: As in :class:`Made`.
        measures: As in :class:`Made`.
        file: Path of the output.
    """

    task: Task
    pace: float
    measures: Measures
    file: Path


def tasks(pairs: Iterable[Pair], methods: Sequence[Method], strengths: Sequence[float]) -> list[Task]:
    """List the trials of every method on every pair of its kinds, at every strength and at its own choice."""
    return [
        Task(pair, method, strength)
        for pair in pairs
        for method in methods
        if pair.kind in method.kinds
        for strength in (*((None,) if method.chooses else ()), *(strengths if method.swept else ()))
    ]


def load(folder: Path, task: Task) -> Trial | None:
    """Load a trial from the folder; ``None`` where there is none or its key has changed."""
    path = _path(folder, task)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["key"] != task.key or not path.with_suffix(".flac").is_file():
            return None
        return Trial(task, record["pace"], record["measures"], path.with_suffix(".flac"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(folder: Path, task: Task, made: Made) -> None:
    """Save a trial in the folder, whole or not at all.

    Raises:
        RetimbreError: it cannot be written.
    """
    path = _path(folder, task)
    make_folder(path.parent)
    write(path.with_suffix(".flac"), made.output)
    record: dict[str, Any] = {"key": task.key, "pace": made.pace, "measures": made.measures}
    with atomic(path) as temporary:  # last, when the output is there
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")


def _path(folder: Path, task: Task) -> Path:
    return folder / task.pair.slug / f"{task.name}.json"


@cache
def code_hash() -> str:
    """Hash the code of the package and of the study, without that of the presentation."""
    hashed = hashlib.sha256()
    for root in (Path(retimbre.__file__).parent, Path(__file__).parent):
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root.parent).with_suffix("").as_posix()
            if not name.startswith(_PRESENTATION):
                hashed.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()
