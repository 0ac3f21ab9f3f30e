"""CNN14 against the package panns-inference, with the same random weights, on a rendered clip."""

import importlib
import warnings
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre.music.orchestra import render
from retimbre.music.score import MINUET
from retimbre.networks.cnn14 import CNN14, RATE
from retimbre.networks.registry import make_network
from retimbre.settings import Settings
from retimbre.sound.mel import slaney_mel

pytestmark = pytest.mark.usefixtures("librosa_compiled")


@pytest.fixture(scope="module")
def clip() -> Tensor:
    """Three seconds of piano, (1, N)."""
    samples = render(MINUET, "piano", seconds=3.0).resampled(RATE).samples.mean(axis=0, keepdims=True)
    return torch.from_numpy(samples)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[CNN14, Any]:
    """Ours and the package's, by one state dict with the official names."""
    home = tmp_path_factory.mktemp("home")  # the package fetches a list of names if it is not there
    (home / "panns_data").mkdir()
    (home / "panns_data" / "class_labels_indices.csv").write_text("index,mid,display_name\n")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that it imports
        patch.setenv("HOME", str(home))
        patch.setattr(Path, "home", lambda: home)
        models = importlib.import_module("panns_inference.models")
        torch.manual_seed(0)
        theirs = models.Cnn14(32_000, 1024, 320, 64, 50, 14_000, 527).eval()
    for module in theirs.modules():  # batch norms that do something
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    ours = CNN14()
    state = theirs.state_dict()
    kept = {k: v for k, v in state.items() if not k.startswith(("spectrogram_extractor", "logmel_extractor"))}
    ours.load_state_dict(kept)
    return ours, theirs


def test_mel_bank_against_librosa() -> None:
    expected = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, fmin=50, fmax=14_000)
    np.testing.assert_allclose(slaney_mel(64, 1024, RATE, 50, 14_000).T.numpy(), expected, atol=1e-7)


@torch.no_grad()
def test_front_end(clip: Tensor, pair: tuple[CNN14, Any]) -> None:
    ours, theirs = pair
    expected = theirs.logmel_extractor(theirs.spectrogram_extractor(clip))[0]
    torch.testing.assert_close(ours.log_mel(clip), expected, rtol=1e-4, atol=1e-2)
    heard = expected > -60  # of what is not near silence, where rounding is a matter of taste
    torch.testing.assert_close(ours.log_mel(clip)[heard], expected[heard], rtol=0, atol=1e-3)


@torch.no_grad()
def test_every_layer(clip: Tensor, pair: tuple[CNN14, Any]) -> None:
    ours, theirs = pair
    expected: dict[str, Tensor] = {}
    for number in range(1, 7):
        block = getattr(theirs, f"conv_block{number}")
        # The block's ReLUs are functions: what goes into the second convolution is the first layer.
        block.conv2.register_forward_hook(
            lambda _, inputs, out, n=number: expected.update({f"conv{n}_1": inputs[0].clone()})
        )
        block.bn2.register_forward_hook(
            lambda _, inputs, out, n=number: expected.update({f"conv{n}_2": out.clone().relu()})
        )
    theirs(clip)
    ours.content_layers = {"conv6_2": 1.0}
    found = ours(clip)
    assert list(found) == list(expected)
    for name, layer in found.items():
        scale = float(expected[name].abs().max())
        torch.testing.assert_close(layer, expected[name][0].flatten(1), rtol=0, atol=1e-4 * max(1, scale))


@torch.no_grad()
def test_tags_and_embedding(clip: Tensor, pair: tuple[CNN14, Any]) -> None:
    ours, theirs = pair
    expected, found = theirs(clip), ours.tag(clip)
    torch.testing.assert_close(found.probabilities, expected["clipwise_output"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.embedding, expected["embedding"], rtol=1e-3, atol=1e-3)


def test_silence_has_finite_gradients() -> None:
    net = make_network(Settings(network="cnn14", random_weights=True), 0, torch.device("cpu"))
    x = torch.zeros(1, 16_000, requires_grad=True)
    (gradient,) = torch.autograd.grad(sum(layer.sum() for layer in net(x).values()), x)
    assert bool(gradient.isfinite().all())
