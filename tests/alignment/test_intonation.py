"""Notes between the semitones: measured and rendered."""

import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre.alignment.grid import LOWEST, N_PARTIALS, Grid
from retimbre.alignment.intonation import estimate_deviations, render_partials
from retimbre.sound.stft import Window

RATE, WINDOW = 22_050, Window(2048, 512)
GRID = Grid.of(2048, RATE, 0.0, torch.device("cpu"))


def _saw(semitones: Tensor) -> Tensor:
    """Magnitudes (F, T) of a saw whose pitch (N,) changes from sample to sample."""
    phase = 2 * np.pi * (440 * 2 ** ((semitones.double() - 69) / 12)).cumsum(0) / RATE
    samples = torch.stack([torch.sin(k * phase) / k for k in range(1, 12)]).sum(dim=0)
    return WINDOW.stft(samples.float()[None]).abs()[0]


def _sounding(pitch: int, n_frames: int) -> Tensor:
    activations = torch.zeros(len(GRID.hertz), n_frames)
    activations[pitch - LOWEST] = 1.0
    return activations


@pytest.mark.parametrize("pitch", [50, 69, 86])
@pytest.mark.parametrize("cents", [-45, -20, 0, 10, 40])
def test_a_steady_deviation_is_heard(pitch: int, cents: int) -> None:
    magnitude = _saw(torch.full((RATE,), pitch + cents / 100))
    found = estimate_deviations(magnitude, _sounding(pitch, magnitude.shape[1]), GRID)
    assert 100 * float(found[pitch - LOWEST, 5:-5].mean()) == pytest.approx(cents, abs=3)
    assert int((found != 0).any(dim=1).sum()) <= 1  # silent pitches have none


def test_a_vibrato_is_followed() -> None:
    time = torch.arange(2 * RATE) / RATE
    wanted = 0.4 * torch.sin(2 * np.pi * 4 * time)
    magnitude = _saw(69 + wanted)
    found = estimate_deviations(magnitude, _sounding(69, magnitude.shape[1]), GRID)[69 - LOWEST]
    at = wanted[:: WINDOW.hop_length]
    n = min(len(at), len(found)) - 5
    assert float(torch.corrcoef(torch.stack([found[5:n], at[5:n]]))[0, 1]) > 0.98
    assert float(found[5:n].max()) > 0.25  # a window of 93 ms flattens it a little


def test_a_note_is_rendered_where_it_sounds() -> None:
    amplitudes = torch.zeros(len(GRID.hertz), N_PARTIALS)
    amplitudes[:, :8] = 1 / torch.arange(1, 9)
    activations = _sounding(69, 3)
    deviation = torch.zeros_like(activations)
    deviation[69 - LOWEST] = torch.tensor([-0.5, 0.0, 0.5])
    magnitude = render_partials(amplitudes, activations, deviation, GRID)
    for frame, semitones in enumerate((-0.5, 0.0, 0.5)):
        for k in (1, 4, 8):
            hertz = k * 440 * 2 ** (semitones / 12)
            at = round(hertz / GRID.step)
            near = magnitude[at - 8 : at + 9, frame]
            assert abs(int(near.argmax()) - 8) <= 1
    assert torch.allclose(magnitude.sum(dim=0), torch.ones(3), atol=0.02)


def test_without_deviation_it_is_the_grids_own_spectrum() -> None:
    generator = torch.Generator().manual_seed(0)
    amplitudes = torch.rand(GRID.hertz.shape, generator=generator) * GRID.is_present
    activations = torch.rand(len(GRID.hertz), 4, generator=generator)
    spectra = GRID.spectra(amplitudes)
    wanted = (spectra / spectra.sum(dim=1, keepdim=True)).T @ activations
    found = render_partials(amplitudes, activations, torch.zeros_like(activations), GRID)
    assert float((found[: GRID.n_low] - wanted).abs().max()) < 0.01 * float(wanted.max())


def test_silence_is_rendered_as_silence() -> None:
    nothing = torch.zeros(len(GRID.hertz), 4)
    magnitude = torch.zeros(1025, 4)
    found = estimate_deviations(magnitude, nothing, GRID)
    assert not bool(found.any())
    assert not bool(render_partials(torch.rand(GRID.hertz.shape), nothing, found, GRID).any())
