"""Instruments made of a known source and filter, learned from some notes and played at others."""

import torch
from torch import Tensor

from retimbre.alignment import instrument
from retimbre.alignment.grid import LOWEST, N_PARTIALS, Grid
from retimbre.alignment.instrument import Instrument, fit_nonnegative, fit_source_filter
from retimbre.alignment.notes import Notes

GRID = Grid.of(2048, 22_050, 0.0, torch.device("cpu"))
N_PITCHES = len(GRID.hertz)


def _amplitudes() -> Tensor:
    """Log amplitudes -1.5 log k of the source, through a filter with resonances at 600 and 2500 Hz."""
    k = torch.arange(1, N_PARTIALS + 1)
    octaves = GRID.hertz.log2()
    bumps = [
        2.0 * torch.exp(-0.5 * ((octaves - torch.tensor(f).log2()) / 0.5).square()) for f in (600.0, 2500.0)
    ]
    return (-1.5 * k.log() + bumps[0] + bumps[1]).exp() * GRID.is_present


def test_a_source_and_a_filter_are_found_from_a_few_notes() -> None:
    true = _amplitudes()
    weights = torch.zeros(N_PITCHES)
    heard = torch.tensor([50, 53, 57, 60, 64, 69, 72]) - LOWEST
    weights[heard] = 1.0
    found = fit_source_filter(true * (weights > 0)[:, None], weights, GRID)
    assert bool((found[GRID.is_present] > 0).all())
    assert float(found[~GRID.is_present].abs().max()) == 0
    for pitch in (55, 62, 67):  # within the range, never heard
        row = slice(0, 12)
        present = GRID.is_present[pitch - LOWEST, row]
        error = 20 * (found[pitch - LOWEST, row] / true[pitch - LOWEST, row]).log10()[present]
        error = error - error.mean()  # a note's loudness is its activation's
        assert float(error.square().mean().sqrt()) < 1.5


def test_what_was_heard_is_played_as_it_was() -> None:
    generator = torch.Generator().manual_seed(1)
    true = _amplitudes() * (0.5 * torch.randn(_amplitudes().shape, generator=generator)).exp()
    weights = torch.zeros(N_PITCHES)
    weights[[20, 40]] = 1.0
    found = fit_source_filter(true * (weights > 0)[:, None], weights, GRID)
    for pitch in (20, 40):  # far apart: what a pitch has of its own is known there
        error = 20 * (found[pitch, :10] / true[pitch, :10]).log10()
        assert float(error.abs().max()) < 2


def test_noise_is_explained_by_what_causes_it() -> None:
    generator = torch.Generator().manual_seed(2)
    regressors = torch.rand(3, 200, generator=generator)
    weights = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 0.5]])
    found = fit_nonnegative(weights @ regressors, regressors)
    assert bool((found >= 0).all())
    assert torch.allclose(found @ regressors, weights @ regressors, rtol=0.05, atol=0.05)


def _played(pitches: list[int], noise: Tensor) -> Notes:
    """Notes of ten frames each, one after the other."""
    activations = torch.zeros(N_PITCHES, 10 * len(pitches))
    for n, pitch in enumerate(pitches):
        activations[pitch - LOWEST, 10 * n : 10 * n + 10] = 1.0
    amplitudes = _amplitudes()
    return Notes(amplitudes / GRID.spectra(amplitudes).sum(dim=1, keepdim=True), activations, noise)


def test_clicks_come_with_the_onsets_of_the_notes_that_are_played() -> None:
    n_bands = len(GRID.bands)
    style_noise = torch.full((n_bands, 40), 1e-4)
    style_noise[:, ::10] = 0.5  # a click at every onset
    style = _played([60, 64, 60, 67], style_noise)
    content = _played([62, 62, 65], torch.full((n_bands, 30), 1e-4))
    content.activations[:, :5] = 0  # the first note comes later
    played = Instrument.of(style, GRID).play(content, torch.zeros_like(content.activations), GRID)
    high = played[-100:].sum(dim=0)  # no partial of these notes is there
    assert float(high[5:7].max()) > 20 * float(high[:5].max())
    assert int(high[18:26].argmax()) in (1, 2, 3, 4)


def test_loudness_is_the_contents_and_pitches_too() -> None:
    noise = torch.full((len(GRID.bands), 20), 1e-6)
    style = _played([50, 53], noise)
    content = _played([60, 64], noise)
    content.activations[:, 10:] *= 3
    played = Instrument.of(style, GRID).play(content, torch.zeros_like(content.activations), GRID)
    assert float(played[:, 15].sum() / played[:, 5].sum()) > 2.9
    fundamental = int(played[:, 5].argmax()) * 22_050 / 2048
    series = fundamental / float(GRID.hertz[60 - LOWEST, 0])
    assert abs(series - round(series)) < 0.05  # the loudest bin is a partial of the content's note


def test_noise_without_a_note_is_explained_by_the_constant() -> None:
    regressors = instrument._noise_regressors(torch.zeros(N_PITCHES, 5))
    noise = torch.full((3, 5), 0.7)
    found = fit_nonnegative(noise, regressors)
    assert bool(found.isfinite().all())
    assert torch.allclose(found @ regressors, noise, rtol=1e-2)
