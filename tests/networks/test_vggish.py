"""VGGish against the package torchvggish, with the same random weights, on a rendered clip."""

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre import transfer
from retimbre.music.orchestra import render
from retimbre.music.score import MINUET
from retimbre.networks.registry import make_network
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


@pytest.mark.parametrize("n_frames", [50, 95, 96, 97, 192, 250])
@torch.no_grad()
def test_every_layer_of_patches(n_frames: int, clip: Tensor, pair: tuple[VGGish, torch.nn.Module]) -> None:
    """Each patch alone through the package's layers, their features one after the other."""
    ours, theirs = VGGish(embedding=False, patches=True), pair[1]
    ours.features.load_state_dict(pair[0].features.state_dict())
    samples = torch.stack([clip, clip.flip(0)])[:, : 400 + 160 * (n_frames - 1)]
    frames = ours.log_mel(samples)
    assert frames.shape[1] == n_frames
    # Patch after patch, the last one from the end; of each patch one channel after the other.
    whole = [frames[:, 96 * k : 96 * k + 96] for k in range(n_frames // 96)]
    cut = [*whole, frames[:, -96:]] if n_frames % 96 else whole
    found, checked = ours(samples), 0
    parts = [channel[None, None] for patch in cut for channel in patch]
    for layer in theirs.features.children():  # type: ignore[union-attr]
        parts = [layer(part.clone()) for part in parts]
        if isinstance(layer, torch.nn.ReLU):
            expected = torch.cat([part[0].flatten(1) for part in parts], dim=1)
            torch.testing.assert_close(list(found.values())[checked], expected, rtol=1e-4, atol=1e-4)
            checked += 1
    assert checked == len(found) == 6


def test_patches_do_not_hear_each_other(clip: Tensor, pair: tuple[VGGish, torch.nn.Module]) -> None:
    """Other sound after a patch changes nothing in it; of the clip as a whole it does."""
    net, samples = VGGish(embedding=False), clip[None, : 400 + 160 * 191].clone()
    net.features.load_state_dict(pair[0].features.state_dict())
    other = samples.clone()
    other[:, 400 + 160 * 95 :] = 0.1  # (frame 95 is the last without it)
    for net.patches in (True, False):
        with torch.no_grad():
            before, after = (net(x)["conv4_1"].reshape(512, -1, 12, 8) for x in (samples, other))
        if net.patches:
            torch.testing.assert_close(before[:, 0], after[:, 0])
            assert not torch.allclose(before[:, 1], after[:, 1], atol=1e-2)
        else:
            assert not torch.allclose(before[:, 0], after[:, 0], atol=1e-2)


def test_gradient_reaches_every_frame_of_patches(clip: Tensor) -> None:
    settings = Settings(network="vggish", random_weights=True, patches=True)
    net = make_network(settings, 0, torch.device("cpu"))
    x = clip[None, : 400 + 160 * 249].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(sum(layer.square().sum() for layer in net(x).values()), x)
    assert bool(gradient.unfold(-1, 160, 160).any(dim=-1).all())


@pytest.mark.parametrize("name", ["kernel", "shallow", "cnn14"])
def test_patches_mean_nothing_to_other_networks_and_the_result_says_so(name: str) -> None:
    settings = Settings(network=name, patches=True, filters=8, random_weights=True, n_iter=1)
    clip = np.random.default_rng(0).standard_normal(RATE // 2)
    assert "patches" in transfer((clip, RATE), (clip[::-1], RATE), settings).ignored


def test_gradient_reaches_the_samples(clip: Tensor) -> None:
    """A step along the gradient in double precision changes the layer by as much as it says."""
    net = make_network(Settings(network="vggish", random_weights=True), 0, torch.device("cpu"))
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
    net = make_network(Settings(network="vggish", random_weights=True), 0, torch.device("cpu"))
    x = torch.zeros(1, 8000, requires_grad=True)
    (gradient,) = torch.autograd.grad(sum(layer.sum() for layer in net(x).values()), x)
    assert bool(gradient.isfinite().all())
