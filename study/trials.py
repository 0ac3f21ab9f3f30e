"""Trials of the benchmark: the output of a method for a pair, its measures, and a folder that caches both.

A trial is saved as ``FOLDER/PAIR/METHOD[-STRENGTH].json`` with its output beside it as FLAC. It is run again
when anything changes that it depends on: the method's settings, the length of the clips, or the code.
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
from retimbre.music.orchestra import PROGRAMS
from retimbre.sound.audio import Audio
from retimbre.sound.files import write
from study.envelopes import compare_envelopes, compare_noise
from study.methods import Clips, Method
from study.pairs import Pair
from study.recognition import Recogniser
from study.strokes import compare_strokes

Measures = dict[str, dict[str, float]]

_PRESENTATION = (
    *("retimbre/report", "retimbre/apps"),
    *(
        "study/recordings",
        "study/figures",
        "study/estimates",
        "study/processes",
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
class Trial:
    """A trial that was run.

    Args:
        task: Pair, method and strength.
        pace: Seconds of a core's time for 10 s of sound; 0 for a copy.
        measures: Groups of :func:`retimbre.metrics.measures.measure`. For a pair of pitched instruments also
            ``score_distance``: ``pitch``, the pitch distance to the score, and ``envelope``, the values of
            :mod:`study.envelopes`; for any other ``strokes``, those of :mod:`study.strokes`. For a style of
            one pitched instrument ``heard``: ``recognised``, its likelihood, and ``first``, 1 where no
            other's is higher.
        file: Path of the output.
    """

    task: Task
    pace: float
    measures: Measures
    file: Path


def tasks(pairs: Iterable[Pair], methods: Sequence[Method], strengths: Sequence[float]) -> list[Task]:
    """List the trials of every method on every pair: at every strength, and at the one it chooses itself."""
    return [
        Task(pair, method, strength)
        for pair in pairs
        for method in methods
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


def run_trials(folder: Path, todo: Sequence[Task], recogniser: Recogniser | None = None) -> Iterator[Task]:
    """Run trials of one pair, and save each before it is yielded.

    Args:
        folder: Folder to save them in.
        todo: One or more trials of the same pair, whose clips are rendered and analysed once.
        recogniser: Judge of instruments; without it ``heard`` is not measured.
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
        found = _measure(output, pair, content, style, target, recogniser)
        path = _path(folder, task)
        write(path.with_suffix(".flac"), output)
        record: dict[str, Any] = {"key": task.key, "pace": pace, "measures": found}
        with atomic(path) as temporary:  # last, when the output is there
            temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
        yield task


def _measure(
    output: Audio,
    pair: Pair,
    content: ClipFeatures,
    style: ClipFeatures,
    target: ClipFeatures,
    recogniser: Recogniser | None,
) -> Measures:
    """Measure an output; of a copy of one of the clips the features are there already."""
    known = next((clip for clip in (content, style, target) if clip.audio is output), ClipFeatures(output))
    found = measures.measure(known, content=content, style=style, target=target)
    if pair.pitched:
        found["score_distance"] = {"pitch": roll_distance(known.piano_roll, pair.score_roll())}
        if output.samples.any():
            compared = (
                compare(output, target.audio, pair.score()) for compare in (compare_envelopes, compare_noise)
            )
            found["envelope"] = {name: value for values in compared for name, value in values.items()}
    elif output.samples.any():
        found["strokes"] = compare_strokes(output, target.audio, pair.strokes())
    one = pair.kind != "bands" and pair.style_instrument in PROGRAMS
    if recogniser is not None and one and output.samples.any():
        likelihoods = recogniser.likelihoods(output)
        ours = likelihoods[pair.style_instrument]
        found["heard"] = {"recognised": ours, "first": float(ours == max(likelihoods.values()))}
    return found


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
