"""What each part of a transfer by notes contributes: one after the other is left out (docs/quality.md).

    python -m benchmarks.parts FOLDER [--pairs report] [--jobs 2]

Melodic pairs of the benchmark. LSD, timbre's distance and the envelopes' distance to the target as ratios to
the content copied, the pitch distance to the notes as they are written, the likelihood of the style's
instrument, and what leaving the part out adds to each. The ± is the standard error by the jackknife over the
pairs, of a difference that of the paired differences.
"""

import argparse
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from retimbre import Settings, transfer
from retimbre.alignment import isolation, replay, sampler
from retimbre.alignment.courses import Course, Levels
from retimbre.alignment.events import NoteEvent
from retimbre.alignment.notes import Notes
from retimbre.alignment.passage import Passage
from retimbre.alignment.registry import Played
from retimbre.metrics import spectral
from retimbre.metrics.content import roll_distance
from retimbre.metrics.features import ClipFeatures
from retimbre.sound.audio import Audio
from study.envelopes import compare_envelopes
from study.estimates import jackknife
from study.pairs import REPORT, TUNE, Pair
from study.recognition import Recogniser

COLUMNS = ("LSD", "timbre", "envelope", "pitch", "recognised")
RELATIVE = COLUMNS[:3]
_BESIDE_EVENTS = replay._beside_events


def _no_frames(content: Passage, events: Sequence[NoteEvent], decay: float) -> Notes:
    notes = content.transcription.notes
    return replace(notes, activations=0 * notes.activations, noise=0 * notes.noise)


def _undecayed(content: Passage, events: Sequence[NoteEvent], decay: float) -> Notes:
    return _BESIDE_EVENTS(content, events, 0.0)


def _as_heard(content: Passage) -> Sequence[NoteEvent]:
    return content.events


def _as_measured(courses: Sequence[Course]) -> list[Levels]:
    return [course.levels for course in courses]


def _owned_by_none(events: list[object], n_frames: int, hop: float) -> Tensor:
    return torch.full((len(events), n_frames), 1e-6)


class _WithoutSamples(Played):
    @classmethod
    def mix(cls, *sounds: Any) -> Played:
        return replace(Played.mix(*sounds), samples=None)


def _parts() -> Iterator[tuple[str, Settings, list[object]]]:
    """Name, settings and patches of each row."""
    default = Settings()
    yield "nothing", default, []
    yield "the notes: frames alone", replace(default, align="pitch"), []
    yield "the alignment", replace(default, align="none"), []
    yield "the frames", default, [patch.object(replay, "_beside_events", _no_frames)]
    yield "the frames beneath notes", default, [patch.object(replay, "_FILL", 0.0)]
    yield "the content's own share: strength 1", replace(default, strength=1.0), []
    yield "the notes' own phase", default, [patch.object(replay, "Played", _WithoutSamples)]
    yield "notes held beyond their decay", default, [patch.object(replay, "held_notes", _as_heard)]
    yield "frames that decay", default, [patch.object(replay, "_beside_events", _undecayed)]
    yield "resonances that stay", default, [patch.object(sampler, "_FORMANT", 0.0)]
    yield "decays restored", default, [patch.object(sampler, "_STEEPEST", 0.0)]
    yield "the cost of shared partials", default, [patch.object(sampler, "_UNCLEAR", 0.0)]
    yield "the course of collided partials", default, [patch.object(isolation, "complete", _as_measured)]
    yield "what lies between partials", default, [patch.object(isolation, "_owned", _owned_by_none)]


def _measure(pair: Pair, made: Audio, judge: Recogniser) -> dict[str, float]:
    output, target = ClipFeatures(made), ClipFeatures(pair.target())
    return {
        "LSD": spectral.log_spectral_distance(output, target),
        "timbre": spectral.timbre_distance(output, target),
        "envelope": compare_envelopes(made, target.audio, pair.score())["error"],
        "pitch": roll_distance(output.piano_roll, pair.score_roll()),
        "recognised": judge.likelihoods(made)[pair.style_instrument],
    }


def measure_pair(pair: Pair, judge: Recogniser) -> list[dict[str, float]]:
    """Measure the content copied, and then the output of every row."""
    torch.set_num_threads(1)
    rows = [_measure(pair, pair.content(), judge)]
    for _, settings, patches in _parts():
        with ExitStack() as stack:
            for patched in patches:
                stack.enter_context(patched)  # type: ignore[arg-type]
            made = transfer(pair.content(), pair.style(), settings).audio
        rows.append(_measure(pair, made, judge))
    return rows


def _ratio(values: list[float], references: list[float]) -> float:
    return float(np.mean(values) / np.mean(references))


def _more(values: list[float], others: list[float], references: list[float]) -> float:
    return _ratio(values, references) - _ratio(others, references)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the benchmark, for its judge of instruments")
    parser.add_argument("--pairs", choices=["report", "tune"], default="report")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread")
    options = parser.parse_args()
    pairs = [pair for pair in (REPORT if options.pairs == "report" else TUNE) if pair.kind == "melodic"]
    judge = Recogniser.load_or_train(options.folder)
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        copied, whole, *rows = zip(*pool.map(measure_pair, pairs, [judge] * len(pairs)), strict=True)
    print(f"| left out | {' | '.join(COLUMNS)} | {' | '.join(f'{name}, more' for name in COLUMNS)} |")
    print("|---" * (1 + 2 * len(COLUMNS)) + "|")
    for (name, _, _), row in zip(_parts(), [whole, *rows], strict=True):
        cells, more = [], []
        for column in COLUMNS:
            values, others = ([found[column] for found in of] for of in (row, whole))
            references = [found[column] if column in RELATIVE else 1.0 for found in copied]
            cells.append(jackknife(_ratio, values, references).text())
            more.append("-" if row is whole else jackknife(_more, values, others, references).text(3))
        print(f"| {' | '.join([name, *cells, *more])} |", flush=True)


if __name__ == "__main__":
    main()
