"""The Concatenator: a clip is found in itself, and what the filter is made of."""

import numpy as np
import pytest
import torch

from retimbre.errors import InputError
from retimbre.metrics.spectral import log_spectral_distance
from retimbre.sound.audio import Audio
from retimbre.sound.loudness import loudness
from study.concatenator import Filter, _Corpus, _resampled, concatenate, infer

RATE = 16_000
SMALL = Filter(n_particles=400, polyphony=3)


def _scale(first: float, n: int = 8) -> Audio:
    """Notes of a quarter of a second each, three overtones, whole tones apart."""
    time = np.arange(RATE // 4) / RATE
    notes = [
        sum(0.2 * np.sin(2 * np.pi * first * 2 ** (k / 6) * h * time) / h for h in (1, 2, 3))
        * np.exp(-6 * time)
        for k in range(n)
    ]
    return Audio(np.concatenate(notes).astype(np.float32), RATE)


def _corpus(spectra: torch.Tensor) -> _Corpus:
    return _Corpus(spectra, torch.zeros(len(spectra)), torch.Generator().manual_seed(0))


def test_a_clip_in_its_own_corpus_is_reconstructed() -> None:
    clip = _scale(262)
    corpus = Audio(np.concatenate([_scale(393).samples, clip.samples], axis=1), RATE)
    made, other = (concatenate(clip, style, filtering=SMALL) for style in (corpus, _scale(393)))
    assert log_spectral_distance(made, clip) < 4
    assert log_spectral_distance(other, clip) > 2 * log_spectral_distance(made, clip)


def test_the_content_s_length_rate_and_loudness_and_the_same_bytes_again() -> None:
    content = Audio(np.tile(_scale(262, 3).samples, (2, 1)), RATE)
    style = Audio(np.float32(0.5) * np.random.default_rng(0).standard_normal(20_000, np.float32), 22_050)
    made = concatenate(content, style, filtering=SMALL)
    assert (made.n_channels, made.n_samples, made.sample_rate) == (1, content.n_samples, RATE)
    assert loudness(made) == pytest.approx(loudness(content), abs=0.1)
    assert np.array_equal(made.samples, concatenate(content, style, filtering=SMALL).samples)


def test_windows_that_go_on_are_followed_along_the_diagonal() -> None:
    """Of templates that are unlike each other an excerpt is found in its order, once the filter is there."""
    spectra = torch.rand(40, 64, generator=torch.Generator().manual_seed(1)) ** 8
    chosen, _ = infer(100 * spectra[10:35], _corpus(100 * spectra), Filter(400, 1, 50.0, 3))
    hits = chosen[:, 0] == torch.arange(10, 35)
    assert hits[8:].float().mean() > 0.9


def test_mixtures_have_the_shares_that_made_them() -> None:
    spectra = torch.rand(3, 50, generator=torch.Generator().manual_seed(1)) ** 4
    frame = 2 * spectra[0] + 0.5 * spectra[2]
    corpus = _corpus(spectra)
    states = torch.tensor([[0, 2], [0, 1]])
    shares, distance = corpus.mix(states, frame)
    assert shares[0].tolist() == pytest.approx([2, 0.5], abs=0.1)
    assert distance[0] < 0.01 * distance[1]
    mixture = (shares[1][:, None] * spectra[states[1]]).sum(dim=0)
    expected = (frame * (frame / mixture).log() - frame + mixture).mean()
    assert distance[1].item() == pytest.approx(expected.item(), rel=1e-4)


def test_quiet_windows_are_held_down() -> None:
    spectra = torch.ones(1, 8)
    generator = torch.Generator().manual_seed(0)
    free, held = (
        _Corpus(spectra, torch.tensor([penalty]), generator).mix(torch.tensor([[0]]), 10 * torch.ones(8))[0]
        for penalty in (0.0, 100.0)
    )
    assert free.item() == pytest.approx(10)
    assert held.item() < 2


def test_particles_are_drawn_as_often_as_they_weigh() -> None:
    weights = torch.tensor([0.5, 0.25, 0.125, 0.125] + [0.0] * 4)
    drawn = _resampled(weights, torch.Generator().manual_seed(0))
    assert torch.bincount(drawn, minlength=8).tolist() == [4, 2, 1, 1, 0, 0, 0, 0]


def test_silence_is_refused() -> None:
    silence, clip = Audio(np.zeros(RATE, np.float32), RATE), _scale(262)
    with pytest.raises(InputError, match="the content is silent"):
        concatenate(silence, clip)
    with pytest.raises(InputError, match="the style is silent"):
        concatenate(clip, silence)
