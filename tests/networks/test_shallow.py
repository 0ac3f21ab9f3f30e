"""The shallow network: what it computes, and that it is random, frozen and shift-equivariant."""

import pytest
import torch
from torch.nn import functional

from retimbre.networks.registry import make_network
from retimbre.networks.shallow import Shallow
from retimbre.settings import Settings

CPU = torch.device("cpu")


def _net(n_bins: int = 9, *, layers: int = 2, filters: int = 6, taps: int = 5, seed: int = 0) -> Shallow:
    generator = torch.Generator().manual_seed(seed)
    return Shallow(n_bins, layers=layers, filters=filters, taps=taps, generator=generator)


def _weights(net: Shallow) -> list[torch.Tensor]:
    """Weights as conv1d takes them: (filters, channels, taps)."""
    return [w.reshape(len(w), net.taps, -1).transpose(1, 2) for w in net.buffers()]


def test_first_layer_is_the_sum_it_is_said_to_be() -> None:
    net, x = _net(), torch.rand(9, 12)
    w = _weights(net)[0]
    got = net(x)["conv1"]
    for t in (0, 1, 6, 11):
        expected = torch.zeros(6)
        for k in range(5):
            if 0 <= t + k - 2 < 12:
                expected += w[:, :, k] @ x[:, t + k - 2]
        torch.testing.assert_close(got[:, t], expected.clamp(min=0))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_layers_are_named_stacked_and_keep_the_frames(layers: int) -> None:
    net, x = _net(layers=layers), torch.rand(9, 20)
    features = net(x)
    assert list(features) == [f"conv{i + 1}" for i in range(layers)]
    assert all(h.shape == (6, 20) for h in features.values())
    assert set(net.style_layers) == set(features)
    assert list(net.content_layers) == [f"conv{layers}"]
    for i in range(1, layers):
        weight = _weights(net)[i]
        again = functional.conv1d(features[f"conv{i}"], weight, padding=2).relu()
        torch.testing.assert_close(features[f"conv{i + 1}"], again)


def test_weights_have_the_variance_of_he() -> None:
    net = _net(200, filters=300, taps=11)
    assert float(_weights(net)[0].var()) == pytest.approx(2 / (200 * 11), rel=0.01)
    assert float(_weights(net)[1].var()) == pytest.approx(2 / (300 * 11), rel=0.01)
    assert abs(float(_weights(net)[0].mean())) < 1e-3


def test_he_scaling_keeps_the_power_from_layer_to_layer() -> None:
    features = _net(100, layers=3, filters=2000, taps=3)(torch.randn(100, 50))
    powers = [float(h[:, 5:-5].square().mean()) for h in features.values()]
    assert powers == pytest.approx([1, 1, 1], rel=0.15)


def test_same_seed_same_network_other_seed_another() -> None:
    assert torch.equal(_weights(_net(seed=3))[1], _weights(_net(seed=3))[1])
    assert not torch.equal(_weights(_net(seed=3))[0], _weights(_net(seed=4))[0])


def test_weights_take_no_gradient_and_the_spectrogram_does() -> None:
    net, x = _net(), torch.rand(9, 12, requires_grad=True)
    assert not list(net.parameters())
    net(x)["conv2"].sum().backward()
    assert x.grad is not None
    assert bool(x.grad.any())
    assert all(w.grad is None and not w.requires_grad for w in net.buffers())


def test_a_shift_in_time_shifts_the_features() -> None:
    net, x = _net(), torch.zeros(9, 40)
    x[:, 15:20] = torch.rand(9, 5)
    torch.testing.assert_close(net(x)["conv2"].roll(4, dims=1), net(x.roll(4, dims=1))["conv2"])


def test_frequencies_are_channels_that_do_not_mix_like_neighbours() -> None:
    net, x = _net(64, filters=32), torch.zeros(64, 20)
    x[10, 10] = 1
    shifted = x.roll(1, dims=0)  # a neighbouring bin drives other weights: nothing is shared
    assert not torch.allclose(net(x)["conv1"], net(shifted)["conv1"])


def test_build_reads_the_settings() -> None:
    net = make_network(Settings(network="shallow", layers=3, filters=12, taps=7), 33, CPU)
    assert isinstance(net, Shallow)
    assert [tuple(b.shape) for b in net.buffers()] == [(12, 33 * 7), (12, 12 * 7), (12, 12 * 7)]
