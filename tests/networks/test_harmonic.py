"""The harmonic network: what it reads where, and that a style has no pitch in it."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from retimbre import Audio, InputError, Settings, texture, transfer
from retimbre.losses.gram import gram
from retimbre.losses.terms import NetworkStyle, Style
from retimbre.networks.harmonic import HARMONICS, LOWEST, PER_OCTAVE, POSITIONS, Harmonic
from retimbre.networks.registry import make_network, network_spec
from retimbre.networks.shallow import Shallow
from retimbre.sound.stft import Window, log_magnitude

CPU = torch.device("cpu")
RATE = 22_050
WIDTH = RATE / 2048


def _net(n_bins: int = 1025, width: float = WIDTH, *, filters: int = 16, seed: int = 0) -> Harmonic:
    generator = torch.Generator().manual_seed(seed)
    return Harmonic(n_bins, width, filters=filters, generator=generator)


def _fundamental(position: int) -> float:
    return float(LOWEST * 2 ** (position / PER_OCTAVE))


def _heard(samples: np.ndarray[Any, Any]) -> Tensor:
    return log_magnitude(Window(2048, 512).stft(torch.from_numpy(samples)).abs()[0])


def _complex(fundamental: float, seconds: float = 2.0) -> Tensor:
    """Spectrogram of a dying tone of 12 harmonics, 6 dB less at each doubling, four times a second."""
    t = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * h * fundamental * t) / h for h in range(1, 13))
    return _heard((0.1 * wave * np.exp(-8 * (t % 0.25)))[None].astype(np.float32))


def _apart(a: Tensor, b: Tensor) -> float:
    return float((gram(a) - gram(b)).norm() / gram(b).norm())


def test_a_pure_tone_is_read_at_the_positions_that_have_it_as_a_harmonic(
    tone: Callable[..., np.ndarray[Any, Any]],
) -> None:
    position = 36
    frequency = _fundamental(position)  # 640 Hz
    sampled = _net().sample(_heard(tone(frequency, 1.0)))[:, :, 20]
    first = sampled[0]
    assert int(first.argmax()) == position
    # As the second harmonic it belongs an octave lower, as the fourth two; as the third 19 semitones lower.
    for harmonic, semitones in ((2, 12), (4, 24), (3, 19)):
        assert int(sampled[harmonic - 1].argmax()) == position - semitones
    assert float(first[position - 12]) < 0.05 * float(first.max())


def test_between_bins_it_is_linear_and_above_the_highest_it_is_silence() -> None:
    ramp = torch.arange(1025.0)[:, None].repeat(1, 3)
    sampled = _net().sample(ramp)
    assert sampled.shape == (HARMONICS, POSITIONS, 3)
    for h, p in itertools.product((1, 2, 9, 24), (0, 7, 30, 55)):
        bin_ = h * _fundamental(p) / WIDTH
        expected = bin_ if bin_ <= 1024 else 0.0
        assert sampled[h - 1, p].tolist() == pytest.approx([expected] * 3, rel=1e-6)


@pytest.mark.parametrize(("n_bins", "width"), [(1025, WIDTH), (257, 4 * WIDTH), (4097, WIDTH / 4), (17, 700)])
def test_positions_are_hertz_whatever_the_window(n_bins: int, width: float) -> None:
    hertz = (torch.arange(n_bins, dtype=torch.float64) * width)[:, None].float()
    sampled = _net(n_bins, width).sample(hertz)[:, :, 0]
    for h, p in itertools.product((1, 5), (0, 20, 55)):
        if h * _fundamental(p) <= (n_bins - 1) * width:
            assert float(sampled[h - 1, p]) == pytest.approx(h * _fundamental(p), rel=1e-5)


@pytest.mark.parametrize(("rate", "n_fft"), [(22_050, 2048), (44_100, 2048), (48_000, 2048), (16_000, 1000)])
def test_it_knows_hertz_at_every_rate_and_under_every_window(rate: int, n_fft: int) -> None:
    settings = Settings(network="harmonic", n_fft=n_fft, hop_length=n_fft // 4)
    for window in Window.at_rate(settings, rate, CPU).resolutions():
        net = make_network(window.restate(settings, rate), window.n_bins, CPU)
        assert isinstance(net, Harmonic)
        hertz = torch.linspace(0, rate / 2, window.n_bins)[:, None]
        assert float(net.sample(hertz)[0, 30, 0]) == pytest.approx(_fundamental(30), rel=5e-3)


def test_the_layer_is_the_convolution_it_is_said_to_be() -> None:
    net, x = _net(), torch.rand(1025, 12)
    features = net(x)
    assert {name: tuple(layer.shape) for name, layer in features.items()} == {
        "harmonics": (24, 56 * 12),
        "conv1": (16, 56 * 12),
    }
    weight = net.conv1.reshape(16, net.taps, HARMONICS).transpose(1, 2)
    sampled = net.sample(x)
    for p in (0, 31, 55):
        alone = functional.conv1d(sampled[:, p], weight, padding=net.taps // 2).relu()
        torch.testing.assert_close(features["conv1"].view(16, POSITIONS, 12)[:, p], alone)


def test_a_transposed_tone_has_the_same_gram_and_to_the_shallow_network_another() -> None:
    low, high = _complex(_fundamental(24)), _complex(_fundamental(29))
    harmonic, shallow = (
        _net(filters=128),
        Shallow(1025, layers=1, filters=128, taps=11, generator=torch.Generator().manual_seed(0)),
    )
    mine, theirs = (_apart(net(high)["conv1"], net(low)["conv1"]) for net in (harmonic, shallow))
    assert mine < 0.2  # a partial between two bins is read a little lower than one on a bin
    assert theirs > 5 * mine


def test_other_overtones_are_another_style_at_the_same_pitch() -> None:
    t = np.arange(2 * RATE) / RATE
    odd = sum(np.sin(2 * np.pi * h * _fundamental(24) * t) / h for h in range(1, 13, 2))
    hollow = _heard((0.1 * odd * np.exp(-8 * (t % 0.25)))[None].astype(np.float32))
    net = _net(filters=128)
    full, other = (_complex(_fundamental(p)) for p in (24, 29))
    assert _apart(net(hollow)["conv1"], net(full)["conv1"]) > 2 * _apart(
        net(other)["conv1"], net(full)["conv1"]
    )


def test_gradients_match_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    net = Harmonic(40, 100.0, filters=5, generator=generator).double()
    content, style, x = (torch.rand(40, n, generator=generator, dtype=torch.float64) for n in (6, 9, 6))
    terms = NetworkStyle(net, Style([(style, 1.0)])).terms(content)
    assert torch.autograd.gradcheck(lambda y: tuple(terms(y)), (x.requires_grad_(),))


def test_silence_is_finite() -> None:
    net = _net()
    x = torch.zeros(1025, 9, requires_grad=True)
    terms = NetworkStyle(net, Style([(torch.rand(1025, 9), 1.0)])).terms(torch.rand(1025, 9))(x)
    (gradient,) = torch.autograd.grad(terms.content + terms.style, x)
    assert [t.item() for t in terms] == pytest.approx([1, 1])
    assert bool(gradient.isfinite().all())
    assert not bool(net(x.detach())["conv1"].any())


def test_weights_are_random_and_frozen_and_of_the_variance_of_he() -> None:
    net = _net(filters=4000)
    assert not list(net.parameters())
    assert float(net.conv1.var()) == pytest.approx(2 / (HARMONICS * net.taps), rel=0.02)
    assert torch.equal(_net(seed=3).conv1, _net(seed=3).conv1)
    assert not torch.equal(_net(seed=3).conv1, _net(seed=4).conv1)


def test_it_is_known_by_its_name_and_layers_can_be_chosen() -> None:
    assert network_spec("harmonic").sample_rate is None
    settings = Settings(network="harmonic", content_layers="harmonics", style_layers="conv1,harmonics:0.5")
    net = make_network(settings, 1025, CPU)
    assert net.content_layers == {"harmonics": 1.0}
    assert net.style_layers == {"conv1": 1.0, "harmonics": 0.5}
    with pytest.raises(InputError, match="expected NAME or NAME:WEIGHT, several with commas, of the layers"):
        make_network(Settings(network="harmonic", style_layers="conv2"), 1025, CPU)


def test_a_transfer_and_a_texture_go_through(tone: Callable[..., np.ndarray[Any, Any]]) -> None:
    content = Audio(tone(440, 1.0, 16_000, channels=2), 16_000)
    style = Audio(0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32), 16_000)
    settings = Settings(
        network="harmonic", n_iter=5, n_iter_waveform=3, resolutions="three", align="quantile"
    )
    result = transfer(content, style, settings)
    assert result.audio.samples.shape == content.samples.shape
    assert result.best is not None
    assert result.best.loss < result.steps[0].loss
    assert math.isfinite(result.loss)
    assert texture(style, 1.0, Settings(network="harmonic", n_iter=3)).audio.n_samples == 16_000
