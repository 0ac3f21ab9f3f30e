"""Resampling inside the graph, and mel bands."""

import numpy as np
import pytest
import torch

from retimbre.sound.mel import htk_mel, slaney_mel
from retimbre.sound.resampling import resample


@pytest.mark.parametrize(("before", "after"), [(22_050, 16_000), (44_100, 32_000), (16_000, 48_000)])
def test_a_tone_stays_a_tone(before: int, after: int) -> None:
    n_after = after  # one second
    frequencies = torch.tensor([[440.0], [3000.0]], dtype=torch.float64)
    tone = torch.sin(2 * np.pi * frequencies * torch.arange(before) / before)
    expected = torch.sin(2 * np.pi * frequencies * torch.arange(n_after) / after)
    torch.testing.assert_close(resample(tone, before, after), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_samples", [1, 440, 441, 442, 10_000])
def test_lengths_are_rounded_up(n_samples: int) -> None:
    found = resample(torch.ones(2, n_samples), 44_100, 16_000)
    assert found.shape == (2, -(-n_samples * 160 // 441))


def test_the_gradient_is_right() -> None:
    x = torch.randn(1, 50, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resample(x, 22_050, 16_000), x)


@pytest.mark.parametrize(
    "bank", [htk_mel(64, 512, 16_000, 125, 7500), slaney_mel(64, 1024, 32_000, 50, 14_000)]
)
def test_bands_are_in_order_and_none_is_negative(bank: torch.Tensor) -> None:
    assert float(bank.min()) >= 0
    centres = bank[:, bank.sum(dim=0) > 0].argmax(dim=0)
    assert bool((centres.diff() >= 0).all())
