"""Networks by name, and the choice of layers."""

import numpy as np
import pytest
import torch

from retimbre import Audio, InputError, Settings, transfer
from retimbre.networks.registry import NetworkSpec, make_network, network_spec, network_specs, parse_layers
from retimbre.sound.stft import Window


def test_the_built_in_networks_are_there() -> None:
    found = network_specs()
    assert {"kernel", "shallow", "harmonic", "vggish", "cnn14"} <= set(found)
    assert found["vggish"].sample_rate == 16_000
    assert found["cnn14"].sample_rate == 32_000
    assert all(isinstance(spec, NetworkSpec) for spec in found.values())


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    names = "cnn14, harmonic, kernel, shallow, vggish"
    with pytest.raises(InputError, match=f"network is resnet: expected one of {names}"):
        network_spec("resnet")


@pytest.mark.parametrize("text", ["conv9", "conv1:0", "conv1:-1", "conv1:x", "", "conv1,,conv2", "conv1:inf"])
def test_layers_that_cannot_be_parse_layers(text: str) -> None:
    with pytest.raises(InputError, match="style_layers is"):
        parse_layers(text, "style", {}, ["conv1", "conv2"])


def test_layers_may_depend_on_the_settings() -> None:
    shallow = network_spec("shallow")
    settings = Settings(layers=3, filters=4, content_layers="conv2", style_layers="conv3:2,conv1")
    network = shallow.make(settings, 9, torch.device("cpu"))
    assert network.content_layers == {"conv2": 1.0}
    assert network.style_layers == {"conv3": 2.0, "conv1": 1.0}
    with pytest.raises(InputError, match=r"style_layers is .* of the layers conv1, conv2$"):
        shallow.make(Settings(filters=4, style_layers="conv3"), 9, torch.device("cpu"))


@pytest.mark.parametrize("name", ["vggish", "cnn14"])
def test_a_transfer_with_random_weights_lowers_its_loss(name: str) -> None:
    rng = np.random.default_rng(0)
    t = np.arange(8000) / 16_000
    content = Audio(
        np.stack([np.sin(2 * np.pi * f * t) * 0.1 for f in (440, 660)]).astype(np.float32), 16_000
    )
    style = Audio(0.1 * rng.standard_normal(9000, np.float32), 22_050)
    settings = Settings(
        network=name,
        random_weights=True,
        n_iter=3,
        style_layers="conv1" if name == "vggish" else "conv1_2,conv2_2:2",
    )
    result = transfer(content, style, settings)
    assert result.best is not None
    assert result.best.loss < result.steps[0].loss
    assert result.loss == result.best.loss
    assert (result.audio.n_channels, result.audio.n_samples) == (2, 8000)
    assert {s.stage for s in result.steps} == {"waveform"}
    with pytest.raises(InputError, match="content_layers is conv7: expected NAME"):
        transfer(content, style, Settings(network=name, random_weights=True, content_layers="conv7"))


@pytest.mark.parametrize(
    ("settings", "ignored"),
    [
        (Settings(), ()),
        (Settings(taps=5, layers=1, strength=0.3, n_fft=512, hop_length=128), ()),
        (Settings(filters=8, patches=True, content_layers="conv1"), ("content_layers", "patches", "filters")),
        (Settings(network="shallow", filters=8, random_weights=True), ("random_weights",)),
        (
            Settings(network="vggish", filters=8, n_fft=4096, patches=True, n_iter_phase=2),
            ("filters", "n_fft", "n_iter_phase"),
        ),
        (Settings(network="harmonic", taps=5, style_layers="conv1"), ("taps",)),
    ],
)
def test_settings_that_mean_nothing_to_a_network_are_named(
    settings: Settings, ignored: tuple[str, ...]
) -> None:
    assert network_spec(settings.network).ignored(settings) == ignored


def test_a_network_object_stands_in_for_a_name() -> None:
    rng = np.random.default_rng(0)
    content, style = (Audio(0.1 * rng.standard_normal(6000, np.float32), 8000) for _ in range(2))
    settings = Settings(network="shallow", filters=8, n_iter=3, n_iter_waveform=2)
    window = Window.at_rate(settings, 8000, torch.device("cpu"))
    network = make_network(window.restate(settings, 8000), window.n_bins, torch.device("cpu"))
    by_name = transfer(content, style, settings)
    by_object = transfer(content, style, Settings(n_iter=3, n_iter_waveform=2), network=network)
    assert np.array_equal(by_name.audio.samples, by_object.audio.samples)
    with pytest.raises(InputError, match="resolutions is three: expected one"):
        transfer(content, style, Settings(resolutions="three"), network=network)
