"""What each part of a transfer contributes: one after the other is left out (docs/quality.md).

    python -m benchmarks.parts FOLDER [--of notes|strokes|mixes] [--pairs report] [--jobs 2]

Of notes on the melodic pairs of the benchmark; of strokes (``--align strokes``) on those with a drum kit in
one clip or both; of mixes (``--align parts``) on the bands. LSD, timbre's distance and the distance of the
envelopes or of the strokes to the target as ratios to the content copied; of notes the pitch distance to the
notes as they are written and the likelihood of the style's instrument, of the others the onset F1; and what
leaving the part out adds to each. The ± is the standard error by the jackknife over the pairs, of a
difference that of the paired differences.
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
from retimbre.alignment import isolation, parts, percussion, replay, sampler, strokes
from retimbre.alignment.courses import Course, Levels
from retimbre.alignment.events import NoteEvent
from retimbre.alignment.notes import Notes
from retimbre.alignment.passage import Passage
from retimbre.alignment.registry import Played
from retimbre.alignment.spectrum import QuantileMatch
from retimbre.alignment.strokes import KINDS
from retimbre.losses.terms import Style
from retimbre.metrics import spectral
from retimbre.metrics.content import onset_f1, roll_distance
from retimbre.metrics.features import ClipFeatures
from retimbre.sound.audio import Audio
from study.envelopes import compare_envelopes
from study.estimates import jackknife
from study.pairs import REPORT, TUNE, Pair
from study.recognition import Recogniser
from study.strokes import compare_strokes

COLUMNS = {
    "notes": ("LSD", "timbre", "envelope", "pitch", "recognised"),
    "strokes": ("LSD", "timbre", "stroke", "onset F1"),
    "mixes": ("LSD", "timbre", "stroke", "onset F1"),
}
RELATIVE = "LSD", "timbre", "envelope", "stroke"
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


def _equally_likely(levels: Any, onsets: Any) -> Any:
    return np.full((len(onsets), len(KINDS)), 0.5)


def _unmatched(frames: Tensor, style: Style, bin_width: float) -> Tensor:
    return frames


def _parts(of: str) -> Iterator[tuple[str, Settings, list[object]]]:
    """Name, settings and patches of each row."""
    if of == "strokes":
        default = Settings(align="strokes")
        yield "nothing", default, []
        yield "the strokes: averages", replace(default, align="none"), []
        yield "the kinds", default, [patch.object(strokes, "kind_likelihoods", _equally_likely)]
        yield "the content in parts, between kits", default, [patch.object(percussion, "_IN_PARTS", 0.0)]
        yield "strokes chosen by level", default, [patch.object(percussion, "_UNEQUAL", 0.0)]
        yield "strokes chosen by clarity", default, [patch.object(percussion, "_UNCLEAR", 0.0)]
        yield "the content's balance", default, [patch.object(percussion, "_BALANCE", 0.0)]
        yield "the content's own share: strength 1", replace(default, strength=1.0), []
        return
    if of == "mixes":
        default = Settings(align="parts")
        yield "nothing", default, []
        yield "the parts: notes", replace(default, align="notes"), []
        yield "the parts: frames", replace(default, align="pitch"), []
        yield (
            "the levels of the strokes",
            default,
            [patch.object(QuantileMatch, "_match", staticmethod(_unmatched))],
        )
        yield "the style's mean spectrum", default, [patch.object(parts, "_EQUALISED", 0.0)]
        yield "the content's own share: strength 1", replace(default, strength=1.0), []
        return
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
    found = {
        "LSD": spectral.log_spectral_distance(output, target),
        "timbre": spectral.timbre_distance(output, target),
    }
    if not pair.pitched:
        stroke = compare_strokes(made, target.audio, pair.strokes())["stroke"]
        return found | {"stroke": stroke, "onset F1": onset_f1(output, pair.content())}
    return found | {
        "envelope": compare_envelopes(made, target.audio, pair.score())["error"],
        "pitch": roll_distance(output.piano_roll, pair.score_roll()),
        "recognised": judge.likelihoods(made)[pair.style_instrument],
    }


def measure_pair(pair: Pair, judge: Recogniser, of: str) -> list[dict[str, float]]:
    """Measure the content copied, and then the output of every row."""
    torch.set_num_threads(1)
    rows = [_measure(pair, pair.content(), judge)]
    for _, settings, patches in _parts(of):
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
    parser.add_argument("--of", choices=list(COLUMNS), default="notes", help="what is left out, and of which")
    parser.add_argument("--pairs", choices=["report", "tune"], default="report")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread")
    options = parser.parse_args()
    group = REPORT if options.pairs == "report" else TUNE
    kinds = {"notes": ("melodic",), "strokes": ("percussive", "mixed"), "mixes": ("bands",)}[options.of]
    pairs = [pair for pair in group if pair.kind in kinds and (options.of == "notes") == pair.pitched]
    columns = COLUMNS[options.of]
    judge = Recogniser.load_or_train(options.folder)
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        copied, whole, *rows = zip(
            *pool.map(measure_pair, pairs, [judge] * len(pairs), [options.of] * len(pairs)), strict=True
        )
    print(f"| left out | {' | '.join(columns)} | {' | '.join(f'{name}, more' for name in columns)} |")
    print("|---" * (1 + 2 * len(columns)) + "|")
    for (name, _, _), row in zip(_parts(options.of), [whole, *rows], strict=True):
        cells, more = [], []
        for column in columns:
            values, others = ([found[column] for found in of] for of in (row, whole))
            references = [found[column] if column in RELATIVE else 1.0 for found in copied]
            cells.append(jackknife(_ratio, values, references).text())
            more.append("-" if row is whole else jackknife(_more, values, others, references).text(3))
        print(f"| {' | '.join([name, *cells, *more])} |", flush=True)


if __name__ == "__main__":
    main()
