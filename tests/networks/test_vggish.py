"""VGGish against the package torchvggish, with the same random weights, on a rendered clip."""

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre.music.orchestra import render
from retimbre.music.score import MINUET
from retimbre.networks.kinds import build
from retimbre.networks.vggish import RATE, VGGish
from retimbre.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that torchvggish imports
    from torchvggish import mel_features, vggish_params
    from torchvggish.torchvggish import VGG, make_layers


@pytest.fixture(scope="module")
def clip() -> Tensor:
    """Three seconds of piano, (N,)."""
    samples = render(MINUET, "piano", seconds=3.0).resampled(RATE).samples.mean(axis=0)
    return torch.from_numpy(samples)


@pytest.fixture(scope="module")
def pair() -> tuple[VGGish, torch.nn.Module]:
    """Ours and the package's, by one state dict with the official names."""
    torch.manual_seed(0)
    theirs = VGG(make_layers(), postprocess=False).eval()
    ours = VGGish()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def test_front_end(clip: Tensor, pair: tuple[VGGish, torch.nn.Module]) -> None:
    expected = mel_features.log_mel_spectrogram(
        clip.double().numpy(),
        audio_sample_rate=vggish_params.SAMPLE_RATE,
        log_offset=vggish_params.LOG_OFFSET,
        window_length_secs=vggish_params.STFT_WINDOW_LENGTH_SECONDS,
        hop_length_secs=vggish_params.STFT_HOP_LENGTH_SECONDS,
        num_mel_bins=vggish_params.NUM_MEL_BINS,
        lower_edge_hertz=vggish_params.MEL_MIN_HZ,
        upper_edge_hertz=vggish_params.MEL_MAX_HZ,
    )
    found = pair[0].log_mel(clip[None])[0]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_every_layer(clip: Tensor, pair: tuple[VGGish, torch.nn.Module]) -> None:
    ours, theirs = pair
    x = ours.log_mel(clip[None])[:, None]
    found, checked = ours(clip[None]), 0
    for layer in theirs.features.children():  # type: ignore[union-attr]
        x = layer(x.clone())
        if isinstance(layer, torch.nn.ReLU):
            name = list(found)[checked]
            torch.testing.assert_close(found[name], x[0].flatten(1), rtol=1e-4, atol=1e-4)
            checked += 1
    assert checked == len(found) == 6


@torch.no_grad()
def test_embeddings_of_patches(clip: Tensor, pair: tuple[VGGish, torch.nn.Module]) -> None:
    ours, theirs = pair
    frames = ours.log_mel(clip[None])[0]
    n_patches = len(frames) // 96
    expected = theirs(frames[: 96 * n_patches].reshape(n_patches, 1, 96, 64))
    found = ours.embed(clip)
    assert found.shape == (3, 128)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_gradient_reaches_the_samples(clip: Tensor) -> None:
    """A step along the gradient in double precision changes the layer by as much as it says."""
    net = build(Settings(network="vggish", random_weights=True), 0, torch.device("cpu"))
    assert isinstance(net, VGGish)
    net = net.double()
    x = clip[None, :4000].double().requires_grad_()
    loss = net(x)["conv2"].square().sum()
    (gradient,) = torch.autograd.grad(loss, x)
    step = 1e-10 * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rise = (net(x + step)["conv2"].square().sum() - net(x - step)["conv2"].square().sum()) / 2
    assert float(rise) == pytest.approx(float((gradient * step).sum()), rel=1e-4)


def test_silence_has_finite_gradients() -> None:
    net = build(Settings(network="vggish", random_weights=True), 0, torch.device("cpu"))
    x = torch.zeros(1, 8000, requires_grad=True)
    (gradient,) = torch.autograd.grad(sum(layer.sum() for layer in net(x).values()), x)  # type: ignore[arg-type]
    assert bool(gradient.isfinite().all())
