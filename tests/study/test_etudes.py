"""Random music for the network of notes, and its training."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from retimbre.alignment.grid import LOWEST
from retimbre.alignment.note_network import describe_pitches
from study.etudes import PROGRAMS, draw_notes, etude
from study.note_training import attacks_of, make_example, make_examples, train
from study.pairs import PAIRS, RATE, Sounding


def test_notes_of_a_pitch_do_not_overlap() -> None:
    repeated = 0
    for seed in range(20):
        notes = [note for note, _ in draw_notes(np.random.default_rng(seed), 6.0, 48, 72)]
        assert all(0 <= n.onset < n.end <= 6.0 and 48 <= n.pitch <= 72 for n in notes)
        for pitch in {note.pitch for note in notes}:
            own = [note for note in notes if note.pitch == pitch]
            assert all(a.end <= b.onset for a, b in pairwise(own))
            repeated += sum(a.end == b.onset for a, b in pairwise(own))
    assert repeated > 20  # bound to each other, as those that are hard to find


def test_the_same_seed_gives_the_same_etude_and_its_notes_sound() -> None:
    one, other, third = (etude(np.random.default_rng(seed), 3.0) for seed in (5, 5, 6))
    assert np.array_equal(one.samples, other.samples)
    assert one.notes == other.notes != third.notes
    assert len(one.samples) == 3 * RATE
    assert np.abs(one.samples).max() > 0


def test_no_reported_instrument_is_learned() -> None:
    from retimbre.music.orchestra import PROGRAMS as INSTRUMENTS

    reported = {
        name
        for pair in PAIRS
        if pair.group == "report" and pair.pitched
        for name in (pair.content_instrument, pair.style_instrument)
    }
    assert not {INSTRUMENTS[name] for name in reported} & set(PROGRAMS)


def test_examples_say_where_notes_start_and_sound() -> None:
    time = np.arange(2 * RATE) / RATE
    partials = [np.sin(2 * np.pi * 440 * k * time) / k for k in range(1, 6)]
    samples = np.sum(partials, axis=0) * ((time > 0.5) & (time < 1.5))
    attacks = attacks_of(samples)
    described, pitches = describe_pitches(attacks)
    example = make_example(attacks, [Sounding(0.5, 1.5, 69)])
    assert example.described.shape == described.shape
    row = list(pitches).index(69 - LOWEST)
    starts, _, sounds, _ = example.wanted[row]
    assert attacks.frame * float(starts.nonzero().float().mean()) == pytest.approx(0.5, abs=0.02)
    assert attacks.frame * float(sounds.sum()) == pytest.approx(1.0, abs=0.01)
    assert example.wanted[:, 2].sum() == sounds.sum()


def test_training_learns_where_notes_sound() -> None:
    network = train(make_examples(6), 60)
    wanted = 0.0
    for example in make_examples(2, seed=1):
        rows = example.described.float()
        with torch.no_grad():
            odds = network(rows, torch.zeros(len(rows), dtype=torch.long))
        sounds = example.wanted[:, 2].float()
        share = sounds.mean().clamp(0.01, 0.99).logit().expand_as(sounds)
        loss = functional.binary_cross_entropy_with_logits
        wanted += float(loss(odds[:, 1], sounds) / loss(share, sounds)) / 2
    assert wanted < 0.8  # better than knowing how much sounds
