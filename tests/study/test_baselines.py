import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from retimbre.errors import InputError
from retimbre.metrics.content import chroma_cosine
from retimbre.metrics.spectral import log_spectral_distance
from retimbre.sound.audio import Audio
from retimbre.sound.loudness import loudness
from study.baselines import CONTINUITY, POLYPHONY, activations, musaicing

RATE = 16_000
Samples = npt.NDArray[np.float32]


def _scale(first: float, n: int = 8) -> Audio:
    """Eight notes of a quarter of a second each, three overtones, whole tones apart."""
    time = np.arange(RATE // 4) / RATE
    notes = []
    for k in range(n):
        wave = sum(
            np.sin(2 * np.pi * first * 2 ** (k / 6) * harmonic * time) / harmonic for harmonic in (1, 2, 3)
        )
        notes.append(0.2 * wave * np.exp(-6 * time))
    return Audio(np.concatenate(notes), RATE)


def test_a_clip_composed_of_itself_is_itself() -> None:
    clip = _scale(262)
    made = musaicing(clip, clip)
    other = musaicing(clip, _scale(393))
    assert log_spectral_distance(made, clip) < 3
    assert log_spectral_distance(other, clip) > 9
    assert chroma_cosine(made, clip) > 0.95


def test_it_sounds_where_the_style_does_and_nowhere_else(tone: Callable[..., Samples]) -> None:
    content = Audio(tone(3000, 1.0, RATE) + tone(440, 1.0, RATE), RATE)
    style = Audio(tone(440, 1.0, RATE) + tone(660, 1.0, RATE), RATE)
    power = np.square(np.abs(np.fft.rfft(musaicing(content, style).samples[0])))  # a bin is 1 Hz
    assert power[2900:3100].sum() < 1e-4 * power.sum()
    assert power[400:700].sum() > 0.99 * power.sum()


def test_the_content_s_length_rate_and_loudness() -> None:
    content = Audio(np.tile(_scale(262).samples, (2, 1)), RATE)
    style = Audio(np.float32(0.5) * np.random.default_rng(0).standard_normal(20_000, np.float32), 22_050)
    made = musaicing(content, style)
    assert (made.n_channels, made.n_samples, made.sample_rate) == (1, content.n_samples, RATE)
    # The channels are alike, and their powers add up in loudness.
    assert loudness(made) == pytest.approx(loudness(content), abs=0.1)


def test_the_activations_are_sparse_and_run_along_diagonals() -> None:
    generator = torch.Generator().manual_seed(1)
    source = torch.rand(64, 60, generator=generator) ** 8  # columns unlike each other
    h = activations(source[:, 20:50], source, generator)
    assert ((h > 0).sum(dim=0) <= POLYPHONY * (2 * CONTINUITY + 1)).all()
    assert torch.equal(h[:, 5:25].argmax(dim=0), torch.arange(25, 45))  # where the excerpt is from
    assert torch.allclose(source @ h, source[:, 20:50], atol=0.3)


def test_columns_of_zeros_stay_unused_and_nothing_is_nan() -> None:
    generator = torch.Generator().manual_seed(1)
    source = torch.rand(16, 12, generator=generator)
    source[:, 3:5] = 0
    source[7] = 0  # a bin that the source never has
    h = activations(torch.rand(16, 9, generator=generator), source, generator)
    assert h.isfinite().all()
    assert (h[3:5] == 0).all()
    assert h.sum() > 0


def test_silence_is_refused() -> None:
    silence, clip = Audio(np.zeros(RATE, np.float32), RATE), _scale(262)
    with pytest.raises(InputError, match="the content is silent"):
        musaicing(silence, clip)
    with pytest.raises(InputError, match="the style is silent"):
        musaicing(clip, silence)
    assert math.isfinite(loudness(musaicing(clip, clip)))
