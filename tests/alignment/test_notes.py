"""Notes whose pitch and loudness are known, found again."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre.alignment import notes as partials
from retimbre.alignment.grid import HIGHEST, LOWEST, Grid
from retimbre.alignment.notes import Notes, estimate_tuning, transcribe
from retimbre.sound.stft import Window

RATE = 22_050


def _complex(pitch: float, amplitudes: Sequence[float], seconds: float = 1.0, rate: int = RATE) -> Tensor:
    """Samples of a note: the amplitude of each partial, of 440 Hz at pitch 69."""
    time = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    waves = [a * torch.sin(2 * np.pi * k * hertz * time + k) for k, a in enumerate(amplitudes, start=1)]
    return torch.stack(waves).sum(dim=0).float()


STRING = [1 / k for k in range(1, 11)]
REED = [1 / k if k % 2 else 0.0 for k in range(1, 11)]  # odd partials alone, as a clarinet's


def _magnitude(samples: Tensor, window: Window) -> Tensor:
    return window.stft(samples[None]).abs()[0]


def _notes(samples: Tensor, rate: int = RATE) -> Notes:
    window = Window(2048 * rate // RATE, 512 * rate // RATE)
    return transcribe(_magnitude(samples, window), Grid.of(window.n_fft, rate, 0.0, torch.device("cpu")))


def _loud(notes: Notes, share: float = 0.1) -> list[int]:
    """Pitches that sound in the middle of the clip."""
    middle = notes.activations[:, notes.activations.shape[1] // 2]
    return [LOWEST + int(p) for p in (middle > share * middle.max()).nonzero()[:, 0]]


@pytest.mark.parametrize("pitch", [45, 57, 60, 76, 88])
@pytest.mark.parametrize("amplitudes", [STRING, REED])
def test_a_note_is_found_at_its_pitch(pitch: int, amplitudes: list[float]) -> None:
    assert _loud(_notes(_complex(pitch, amplitudes))) == [pitch]


def test_a_pure_tone_is_found_where_a_window_can_tell_semitones() -> None:
    assert _loud(_notes(_complex(81, [1.0]))) == [81]


def test_the_same_at_any_rate() -> None:
    assert _loud(_notes(_complex(64, STRING, rate=44_100), 44_100)) == [64]


@pytest.mark.parametrize("chord", [(60, 64, 67), (48, 55, 64, 72), (57, 69)])
def test_a_chord_is_found(chord: tuple[int, ...]) -> None:
    # The last one is an octave, whose upper note is where the lower one has its second partial.
    # One note after the other before that tells what the instrument is like.
    alone = [_complex(pitch, STRING) for pitch in chord]
    samples = torch.cat([*alone, torch.stack(alone).sum(dim=0)])
    notes = _notes(samples)
    last = notes.activations[:, -22]
    found = [LOWEST + int(p) for p in (last > 0.2 * last.max()).nonzero()[:, 0]]
    assert found == list(chord)


def test_a_note_twice_as_loud_has_twice_the_activation() -> None:
    notes = _notes(torch.cat([_complex(60, STRING), 2 * _complex(60, STRING)]))
    row = notes.activations[60 - LOWEST]
    assert float(row[66] / row[20]) == pytest.approx(2, rel=0.05)


def test_amplitudes_of_partials_are_those_of_the_sound() -> None:
    notes = _notes(_complex(60, STRING))
    grid = Grid.of(2048, RATE, 0.0, torch.device("cpu"))
    found = (notes.amplitudes * grid.sizes)[60 - LOWEST, :8]  # lobes are wider higher up
    expected = torch.tensor(STRING[:8])
    decibels = 20 * (found / found[0] * expected[0] / expected).log10()
    assert float(decibels.abs().max()) < 1.5


def test_tone_and_noise_are_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    hiss = torch.randn(RATE, generator=generator)
    assert _notes(_complex(60, STRING)).tonality > 0.9
    assert _notes(0.1 * hiss).tonality < 0.3


@pytest.mark.parametrize("cents", [-40, -10, 0, 25, 45])
def test_tuning_is_heard(cents: int) -> None:
    window = Window(2048, 512)
    samples = torch.cat([_complex(pitch + cents / 100, STRING) for pitch in (57, 61, 64, 70)])
    assert 100 * estimate_tuning(_magnitude(samples, window), 2048, RATE) == pytest.approx(cents, abs=3)


def test_silence_and_steady_pressure_have_no_tuning() -> None:
    assert estimate_tuning(torch.zeros(1025, 9), 2048, RATE) == 0
    assert estimate_tuning(torch.ones(1025, 9), 2048, RATE) == 0


def test_updates_of_activations_never_raise_the_divergence() -> None:
    magnitude = _magnitude(_complex(60, STRING) + _complex(65, REED), Window(2048, 512)) + 1e-3
    grid = Grid.of(2048, RATE, 0.0, torch.device("cpu"))
    factors = partials._Factors(magnitude, grid)
    values = []
    for _ in range(12):
        found = factors.notes()
        noise = grid.bands.T @ found.noise
        model = noise + factors._least
        model[: grid.n_low] += grid.spectra(found.amplitudes).T @ factors.activations
        values.append(float((magnitude * (magnitude / model).log() - magnitude + model).sum()))
        factors.update_activations()
    assert all(after < before * (1 + 1e-5) for before, after in pairwise(values))
    assert values[-1] < 0.5 * values[0]


def test_lobes_are_those_of_the_window() -> None:
    grid = Grid.of(2048, RATE, 0.0, torch.device("cpu"))
    window = Window(2048, 512)
    pitch = 69
    tone = _magnitude(_complex(pitch, [1.0]), window)[:, 20]
    lobe = grid.spectra(torch.eye(len(grid.hertz), grid.hertz.shape[1]).roll(pitch - LOWEST, 0))[
        pitch - LOWEST
    ]
    top = int(tone.argmax())
    near = slice(top - 1, top + 2)
    assert top == int(lobe.argmax())
    assert torch.allclose(tone[near] / tone[near].sum(), lobe[near] / lobe[near].sum(), atol=0.03)
    assert len(grid.lobes) == HIGHEST - LOWEST + 1


def test_partials_above_the_spectrogram_are_not_there() -> None:
    grid = Grid.of(2048, 8000, 0.0, torch.device("cpu"))
    assert not bool(grid.is_present[grid.hertz > 4000].any())
    assert bool(grid.is_present[grid.hertz < 3800].all())


def test_a_clip_that_begins_and_ends_in_silence_stays_finite() -> None:
    samples = torch.cat([torch.zeros(RATE // 2), _complex(60, STRING), torch.zeros(RATE // 2)])
    notes = _notes(samples)
    assert all(bool(part.isfinite().all()) for part in (notes.amplitudes, notes.activations, notes.noise))
    assert float(notes.activations[:, :10].max()) < 1e-3 * float(notes.activations.max())
