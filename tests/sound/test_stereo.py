"""Mixing channels down."""

import torch

from retimbre.sound.stereo import in_phase_mix


def _noise(n_channels: int) -> torch.Tensor:
    return torch.randn(n_channels, 4096, generator=torch.Generator().manual_seed(0))


def test_channels_in_phase_have_their_mean() -> None:
    left, right = _noise(2)
    samples = torch.stack([left, 0.7 * left + 0.3 * right])
    torch.testing.assert_close(in_phase_mix(samples), samples.mean(dim=0))
    torch.testing.assert_close(in_phase_mix(samples[:1]), samples[0])


def test_a_channel_upside_down_does_not_cancel() -> None:
    (mono,) = _noise(1)
    samples = torch.stack([mono, -0.9 * mono, 0.8 * mono])
    torch.testing.assert_close(in_phase_mix(samples), 0.9 * mono)
    torch.testing.assert_close(in_phase_mix(torch.stack([mono, -mono])).abs(), mono.abs())
