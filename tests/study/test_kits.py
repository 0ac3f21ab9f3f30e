"""Random drums and grooves, and the network of strokes that is trained on them."""

import numpy as np
import pytest
import torch
from torch import nn

from retimbre.alignment.strokes import KINDS, describe_onsets
from study import stroke_training
from study.grooves import DRUMS as GENERAL_MIDI
from study.kits import DRUMS, RATE, groove
from study.stroke_training import KIND_OF, make_examples, train


def _centroid(kind: str) -> float:
    """Average the middle of the spectrum of a kind's drums over 20 of them, in Hz."""
    found = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        samples = DRUMS[kind][seed % len(DRUMS[kind])](random)[: RATE // 10]
        power = np.square(np.abs(np.fft.rfft(samples)))
        found.append(power @ np.fft.rfftfreq(len(samples), 1 / RATE) / power.sum())
    return float(np.median(found))


def test_drums_lie_as_high_as_they_should() -> None:
    kick, snare, tom, hat = (_centroid(kind) for kind in ("kick", "snare", "tom", "hat"))
    assert kick < tom < snare < hat
    assert set(DRUMS) == set(KINDS) == set(KIND_OF.values())
    assert set(KIND_OF) == set(GENERAL_MIDI)


def test_strokes_sound_where_they_are_said_to() -> None:
    for seed in range(3):
        samples, strokes = groove(np.random.default_rng(seed), 3.0)
        assert len(samples) == 3 * RATE
        first = min(stroke.onset for stroke in strokes)
        quiet, loud = (
            np.square(samples[a:b]).mean()
            for a, b in (
                (0, max(1, round((first - 0.005) * RATE))),
                (round(first * RATE), round((first + 0.05) * RATE)),
            )
        )
        assert loud > quiet
        assert all(0 <= stroke.onset < 3 and stroke.kind in KINDS for stroke in strokes)


def test_the_same_seed_gives_the_same_groove() -> None:
    one, other, third = (groove(np.random.default_rng(seed), 1.0)[0] for seed in (7, 7, 8))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_training_learns_what_is_struck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stroke_training, "recorded_drums", lambda: None)
    described, struck = make_examples(24)
    assert described.shape[1] == describe_onsets(np.ones((40, 99)), np.array([50])).shape[1]
    network = train(described, struck, 60)
    other, answer = make_examples(6, seed=1)
    loss = nn.functional.binary_cross_entropy_with_logits
    shares = struck.mean(dim=0).clamp(0.01, 0.99).logit().expand_as(answer)
    with torch.no_grad():
        assert loss(network(other), answer) < 0.8 * loss(
            shares, answer
        )  # better than knowing how often each is
