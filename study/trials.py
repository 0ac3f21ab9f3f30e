"""Trials of the benchmark: a method's output for a pair, its measures, and the folder that remembers both.

A trial is kept as ``FOLDER/PAIR/METHOD[-STRENGTH].json`` with its output beside it as FLAC. It is done again
when anything changes that it comes from: the method's settings, the length of the clips, or the code.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import retimbre
from retimbre._output import atomic, make_folder
from retimbre.metrics import measures
from retimbre.metrics.content import roll_distance
from retimbre.metrics.features import ClipFeatures
from retimbre.sound.audio import Audio
from retimbre.sound.files import write
from study.methods import Clips, Method
from study.pairs import Pair

Measures = dict[str, dict[str, float]]

_SHOWING = (
    *("retimbre/report", "retimbre/apps"),
    *("study/figures", "study/standings", "study/benchmark", "study/__main__"),
)
"""Code from which no output and no measure comes."""


@dataclass(frozen=True)
class Task:
    """A trial to be done.

    Args:
        pair: What on.
        method: By what.
        strength: How strongly; ``None`` for a method that knows none.
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
        """What its outcome depends on, as a hash."""
        parts = {
            "version": retimbre.__version__,
            "code": code(),
            "pair": repr(self.pair),
            "method": self.method.name,
            "settings": dataclasses.asdict(self.method.at(self.strength)),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Trial:
    """What came out.

    Args:
        task: What was done.
        pace: Seconds of a core's time for 10 s of sound; 0 for a copy.
        measures: Groups of :func:`retimbre.metrics.measures.measure`, and ``score_distance``: ``pitch``, the
            pitch distance to the score, for a pair of pitched instruments.
        file: The output.
    """

    task: Task
    pace: float
    measures: Measures
    file: Path


def tasks(pairs: Iterable[Pair], methods: Sequence[Method], strengths: Sequence[float]) -> list[Task]:
    """Every method on every pair; those that know strengths at every one, and as chosen where they choose."""
    return [
        Task(pair, method, strength)
        for pair in pairs
        for method in methods
        for strength in (*((None,) if method.chooses else ()), *(strengths if method.swept else ()))
    ]


def remembered(folder: Path, task: Task) -> Trial | None:
    """Give a trial that was done, or ``None`` where there is none or something has changed since."""
    path = _path(folder, task)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["key"] != task.key or not path.with_suffix(".flac").is_file():
            return None
        return Trial(task, record["pace"], record["measures"], path.with_suffix(".flac"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def carried_out(folder: Path, todo: Sequence[Task]) -> Iterator[Task]:
    """Do trials of one pair, and remember each before it is given.

    Args:
        folder: Where to.
        todo: What to do; one or more, all of the same pair, whose clips are played and heard once.
    """
    pair = todo[0].pair
    content, style, target = (ClipFeatures(clip) for clip in (pair.content(), pair.style(), pair.target()))
    clips = Clips(content.audio, style.audio, target.audio)
    make_folder(folder / pair.slug)
    for task in todo:
        began = time.process_time()
        output = task.method.make(clips, task.method.at(task.strength))
        spent = time.process_time() - began
        copy = output in (clips.content, clips.style, clips.target)
        pace = 0.0 if copy else 10 * spent / content.audio.seconds
        found = _measure(output, pair, content, style, target)
        path = _path(folder, task)
        write(path.with_suffix(".flac"), output)
        record: dict[str, Any] = {"key": task.key, "pace": pace, "measures": found}
        with atomic(path) as temporary:  # last, for what it says is then there
            temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
        yield task


def _measure(
    output: Audio, pair: Pair, content: ClipFeatures, style: ClipFeatures, target: ClipFeatures
) -> Measures:
    """Measure an output; of a copy of one of the clips the features are there already."""
    known = next((clip for clip in (content, style, target) if clip.audio is output), ClipFeatures(output))
    found = measures.measure(known, content=content, style=style, target=target)
    if pair.pitched:
        found["score_distance"] = {"pitch": roll_distance(known.piano_roll, pair.score_roll())}
    return found


def _path(folder: Path, task: Task) -> Path:
    return folder / task.pair.slug / f"{task.name}.json"


@cache
def code() -> str:
    """Hash the code of the package and of the study, without what only shows."""
    hashed = hashlib.sha256()
    for root in (Path(retimbre.__file__).parent, Path(__file__).parent):
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root.parent).with_suffix("").as_posix()
            if not name.startswith(_SHOWING):
                hashed.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()
