"""What each part of an aligned transfer contributes: one after the other is left out (docs/quality.md).

    python benchmarks/parts.py [--pairs report] [--strength 0.8]

Melodic pairs of the benchmark. LSD and timbre's distance to the target as ratios to the content copied, the
pitch distance to the notes as they are written, and what leaving the part out adds to each: positive is
worse. The ± is the standard error by the jackknife over the pairs, of a difference that of the paired
differences.
"""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from retimbre import Settings, _spectrogram_domain, transfer
from retimbre.alignment import instrument, notes, passage
from retimbre.alignment.grid import Grid
from retimbre.alignment.instrument import Instrument
from retimbre.alignment.intonation import render_partials
from retimbre.alignment.notes import Notes
from retimbre.metrics import spectral
from retimbre.metrics.content import roll_distance
from retimbre.metrics.features import ClipFeatures
from retimbre.settings import ALIGNED
from study.estimates import jackknife
from study.pairs import REPORT, TUNE, Pair

Columns = dict[str, list[float]]
CPU = torch.device("cpu")


def _own_noise(self: Instrument, played: Notes, deviations: Tensor, grid: Grid) -> Tensor:
    return (
        render_partials(self.amplitudes, played.activations, deviations, grid) + grid.bands.T @ played.noise
    )


def _neighbours(amplitudes: Tensor, weights: Tensor, grid: Grid) -> Tensor:
    return notes.smooth_amplitudes(amplitudes, weights, (2.0, 0.02))


def parts(settings: Settings) -> Iterator[tuple[str, Settings, list[object]]]:
    """Name, settings and patches of each row."""
    held, free, _ = notes._N_ITER
    (first, _), (second, _) = notes._NEIGHBOURS
    yield "nothing", settings, []
    yield "the alignment", replace(settings, align="none"), []
    yield "the network: the played style as it is", replace(settings, strength=1.0), []
    stays = patch.object(_spectrogram_domain, "interpolate", lambda content, played, strength: content)
    yield "the content's way towards the style", settings, [stays]
    yield "the waveform's own descent", replace(settings, n_iter_waveform=0), []
    alone = ((first, 0.0), (second, 0.0))
    yield "leaning on all pitches", settings, [patch.object(notes, "_NEIGHBOURS", alone)]
    every = patch.object(notes, "sounding_notes", lambda activations: torch.ones_like(activations) > 0)
    yield "dropping partials taken for notes", settings, [every]
    yield "the second fit", settings, [patch.object(notes, "_N_ITER", (held, free, 0))]
    yield "sharpening", settings, [patch.object(notes, "_SHARPNESS", 1.0)]
    yield "source and filter", settings, [patch.object(instrument, "fit_source_filter", _neighbours)]
    yield "noise that follows the notes", settings, [patch.object(Instrument, "play", _own_noise)]
    level = patch.object(passage, "estimate_deviations", lambda magnitude, activations, grid: 0 * activations)
    yield "pitches between the semitones", settings, [level]
    yield (
        "tuning",
        settings,
        [patch.object(passage, "estimate_tuning", lambda magnitude, n_fft, sample_rate: 0.0)],
    )


def measure_pairs(pairs: list[tuple[Pair, ClipFeatures, ClipFeatures]], settings: Settings) -> Columns:
    """Measure LSD, timbre and pitch of every pair."""
    columns: Columns = {"LSD": [], "timbre": [], "pitch": []}
    for pair, style, target in pairs:
        made = ClipFeatures.of(transfer(pair.content(), style.audio, settings).audio)
        _append(columns, made, target, pair)
    return columns


def _append(columns: Columns, made: ClipFeatures, target: ClipFeatures, pair: Pair) -> None:
    columns["LSD"].append(spectral.log_spectral_distance(made, target))
    columns["timbre"].append(spectral.timbre_distance(made, target))
    columns["pitch"].append(roll_distance(made.piano_roll, pair.score_roll()))


def _ratio(values: list[float], references: list[float]) -> float:
    return float(np.mean(values) / np.mean(references))


def _more(values: list[float], others: list[float], references: list[float]) -> float:
    return _ratio(values, references) - _ratio(others, references)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", choices=["report", "tune"], default="report")
    parser.add_argument("--strength", type=float, default=ALIGNED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [pair for pair in (REPORT if options.pairs == "report" else TUNE) if pair.kind == "melodic"]
    pairs = [(pair, ClipFeatures(pair.style()), ClipFeatures(pair.target())) for pair in chosen]
    copied: Columns = {"LSD": [], "timbre": [], "pitch": []}
    for pair, _, target in pairs:
        _append(copied, ClipFeatures(pair.content()), target, pair)
    ones = [1.0] * len(pairs)
    references = {"LSD": copied["LSD"], "timbre": copied["timbre"], "pitch": ones}
    print(
        "| left out | " + " | ".join(references) + " | " + " | ".join(f"{n}, more" for n in references) + " |"
    )
    print("|" + "---|" * 7)
    whole: Columns = {}
    for name, settings, patches in parts(Settings(strength=options.strength)):
        with ExitStack() as stack:
            for patched in patches:
                stack.enter_context(patched)  # type: ignore[arg-type]
            found = measure_pairs(pairs, settings)
        whole = whole or found
        cells = [jackknife(_ratio, found[n], references[n]).text() for n in references]
        more = [jackknife(_more, found[n], whole[n], references[n]).text(3) for n in references]
        print(
            f"| {name} | "
            + " | ".join(cells)
            + " | "
            + " | ".join(more if found is not whole else "---")
            + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
