"""What the network of notes must not depend on, and what it must."""

import numpy as np
import torch

from retimbre.alignment.attacks import Attacks
from retimbre.alignment.grid import HIGHEST, LOWEST
from retimbre.alignment.note_network import N_ROWS, NoteNetwork, describe_pitches, note_likelihoods

FRAME = 128 / 22_050
SHAPE = (HIGHEST - LOWEST + 1, 600)
PITCH = 30


def _attacks(*onsets: int, seed: int = 0) -> Attacks:
    """Strike a pitch at frames; it decays by 20 dB in .6 s, another sounds on evenly."""
    random = np.random.default_rng(seed)
    levels, changes = 1e-3 * random.random(SHAPE), 1e-3 * random.random(SHAPE)
    time = np.arange(SHAPE[1])
    for onset in onsets:
        after = (time >= onset) * 10 ** (-(time - onset).clip(0) * FRAME / 0.6)
        levels[PITCH] = np.where(time >= onset, after, levels[PITCH])
        changes[PITCH, onset : onset + 6] += 1.0
    levels[PITCH + 7] += 0.5
    flux = 0.01 + 0.1 * (changes[PITCH] > 0.5)
    sounds = np.zeros(SHAPE, bool)
    sounds[PITCH, min(onsets) - 10 :] = True
    sounds[PITCH + 7] = True
    return Attacks(levels, changes, flux, sounds, FRAME)


def test_the_level_of_a_clip_does_not_matter() -> None:
    attacks = _attacks(200, 350)
    louder = Attacks(8 * attacks.levels, 8 * attacks.changes, attacks.flux, attacks.sounds, FRAME)
    once, again = describe_pitches(attacks), describe_pitches(louder)
    assert torch.allclose(once[0], again[0], atol=1e-4)
    assert once[0].shape == (2, N_ROWS, SHAPE[1])
    assert once[1].tolist() == again[1].tolist() == [PITCH, PITCH + 7]


def test_a_pitch_that_is_struck_again_likely_starts_then_and_nowhere_else() -> None:
    likely = note_likelihoods(_attacks(200, 350))
    near = [slice(at - 4, at + 8) for at in (200, 350)]
    assert all(likely.starts[0, part].max() > 0.5 for part in near)
    elsewhere = likely.starts[0].copy()
    for part in near:
        elsewhere[part] = 0
    assert elsewhere.max() < 0.3
    assert likely.starts[1, 20:].max() < 0.3
    assert likely.sounds[0, :180].max() < 0.2
    assert likely.sounds[0, 215:270].min() > 0.5


def test_likelihoods_move_with_the_music() -> None:
    attacks, later = _attacks(200, 350), 40
    levels, changes, flux = (
        np.roll(rows, later, axis=-1) for rows in (attacks.levels, attacks.changes, attacks.flux)
    )
    moved = Attacks(levels, changes, flux, np.roll(attacks.sounds, later, axis=1), FRAME)
    once, again = note_likelihoods(attacks), note_likelihoods(moved)
    np.testing.assert_allclose(again.starts[0, 100 + later : 450 + later], once.starts[0, 100:450], atol=1e-4)


def test_clips_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    network = NoteNetwork().eval()
    one, other = torch.randn(3, N_ROWS, 51), torch.randn(2, N_ROWS, 51)
    with torch.no_grad():
        both = network(torch.cat([one, other]), torch.tensor([0, 0, 0, 1, 1]))
        alone = network(one, torch.zeros(3, dtype=torch.long))
    assert both.shape == (5, 2, 51)
    assert torch.allclose(both[:3], alone, atol=1e-5)
