"""The held-out network: a judge that agrees with the style loss and is none of what is optimised."""

import numpy as np
import pytest
import torch

from retimbre.losses.modules import StyleLoss
from retimbre.metrics import heldout, spectral
from retimbre.music.orchestra import render
from retimbre.music.score import GREENSLEEVES, MINUET
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import log_magnitude


@pytest.fixture(scope="module")
def piano() -> Audio:
    return render(MINUET, "piano", seconds=4.0)


def _layers(clip: Audio) -> list[torch.Tensor]:
    samples = torch.from_numpy(clip.resampled(heldout.RATE).samples)
    samples = samples * (0.1 / samples.square().mean().sqrt())
    return list(heldout._network()(log_magnitude(joint_magnitude(heldout._WINDOW.stft(samples)))).values())


def test_the_distance_is_the_style_loss_in_that_network(piano: Audio) -> None:
    strings = render(GREENSLEEVES, "strings", seconds=3.0)
    losses = [StyleLoss(g)(h) for h, g in zip(_layers(piano), _layers(strings), strict=True)]
    expected = float(torch.stack(losses).mean())
    assert spectral.gram_distance(piano, strings) == pytest.approx(expected, rel=1e-3)


def test_the_distance_is_0_to_itself_at_any_level_and_1_for_silence(piano: Audio) -> None:
    quiet = Audio(np.float32(0.01) * piano.samples, piano.sample_rate)
    silence = Audio(np.zeros(22_050, np.float32), 22_050)
    assert spectral.gram_distance(piano, piano) == 0
    assert spectral.gram_distance(quiet, piano) < 1e-6
    assert spectral.gram_distance(silence, piano) == 1
    assert spectral.gram_distance(silence, silence) == 0


def test_the_same_instrument_in_another_song_is_nearer_than_another_instrument(piano: Audio) -> None:
    strings = render(MINUET, "strings", seconds=4.0)
    other = render(GREENSLEEVES, "piano", seconds=4.0)
    assert spectral.gram_distance(other, piano) < 0.8 * spectral.gram_distance(strings, piano)


def test_nothing_of_it_is_what_is_optimised_by_default() -> None:
    settings = Settings()
    assert settings.seed != heldout._SEED
    assert settings.filters != heldout._FILTERS
    assert settings.taps != heldout._TAPS
    assert settings.n_fft / 22_050 > 1.5 * heldout._WINDOW.n_fft / heldout.RATE
