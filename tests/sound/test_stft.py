"""The transform: a tone stays in its bin, there and back, and what the channels share."""

import math

import numpy as np
import pytest
import scipy.signal
import torch

from retimbre.settings import Settings
from retimbre.sound.stereo import joint_magnitude, stereo_image
from retimbre.sound.stft import Window, from_log_magnitude, log_magnitude

CPU = torch.device("cpu")


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_a_tone_lands_in_its_bin_with_the_same_magnitude_at_any_rate(rate: int) -> None:
    window = Window.at_rate(Settings(), rate, CPU)
    k = 60
    frequency = k * rate / window.n_fft
    t = torch.arange(rate, dtype=torch.float64) / rate
    magnitude = window.stft(torch.sin(2 * math.pi * frequency * t)[None]).abs()[0]
    middle = magnitude[:, magnitude.shape[1] // 2]
    assert int(middle.argmax()) == k
    # A sine of amplitude 1 under a Hann window of 2048: half the sum of the window, 2048 / 4.
    assert float(middle[k]) == pytest.approx(512, rel=1e-3)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 32000, 44100, 48000])
def test_the_window_keeps_its_length_in_seconds(rate: int) -> None:
    window = Window.at_rate(Settings(), rate, CPU)
    assert window.n_fft / rate == pytest.approx(2048 / 22050, rel=0.02)
    assert window.hop_length / rate == pytest.approx(512 / 22050, rel=0.02)
    assert window.n_fft % 2 == 0


def test_the_reference_rate_has_the_studys_window() -> None:
    window = Window.at_rate(Settings(), 22050, CPU)
    assert (window.n_fft, window.hop_length, window.n_bins) == (2048, 512, 1025)


def test_agrees_with_scipy() -> None:
    x = _noise(1, 5000)
    ours = Window(512, 128).stft(x)[0].numpy() / (2048 / 512)
    _, _, theirs = scipy.signal.stft(x[0].numpy(), nperseg=512, noverlap=384, window="hann", boundary="zeros")
    theirs = theirs * np.hanning(513)[:-1].sum()  # scipy divides by the sum of the window
    n = min(ours.shape[1], theirs.shape[1])
    assert np.abs(ours[:, :n] - theirs[:, :n]).max() < 1e-9 * np.abs(theirs).max()


@pytest.mark.parametrize("n_samples", [2048, 5000, 22050, 30001])
@pytest.mark.parametrize("window", [Window(2048, 512), Window(750, 188), Window(1024, 512)])
def test_there_and_back(n_samples: int, window: Window) -> None:
    x = _noise(2, n_samples)
    torch.testing.assert_close(window.istft(window.stft(x), n_samples), x, rtol=0, atol=1e-10)


def test_joint_magnitude_is_the_root_mean_square_over_channels() -> None:
    bins = torch.complex(_noise(3, 5, 7), _noise(3, 5, 7, seed=1))
    expected = bins.abs().square().mean(0).sqrt()
    torch.testing.assert_close(joint_magnitude(bins), expected)
    torch.testing.assert_close(joint_magnitude(bins[:1]), bins[0].abs())


def test_joint_magnitude_hears_channels_that_cancel() -> None:
    x = _noise(1, 4000)
    opposed = Window(512, 128).stft(torch.cat([x, -x]))
    torch.testing.assert_close(joint_magnitude(opposed), opposed[0].abs())


def test_image_times_joint_magnitude_is_about_the_bins() -> None:
    bins = Window(512, 128).stft(_noise(2, 8000) * torch.tensor([[1.0], [0.3]]))
    again = joint_magnitude(bins) * stereo_image(bins)
    assert float((again - bins).abs().square().sum() / bins.abs().square().sum()) < 1e-3
    torch.testing.assert_close(
        stereo_image(bins).abs().square().mean(0), torch.ones(257, bins.shape[2], dtype=torch.float64)
    )


def test_image_of_one_channel_is_its_phase() -> None:
    bins = Window(512, 128).stft(_noise(1, 8000))
    torch.testing.assert_close(bins.abs() * stereo_image(bins), bins)


def test_image_is_hard_panned_where_the_music_is_and_even_in_silence() -> None:
    bins = torch.zeros(2, 64, 40, dtype=torch.complex64)
    bins[0, 20, 10] = 3.0  # one sounding bin, left
    panned = stereo_image(bins).abs()
    assert float(panned[1, 20, 10]) < 1e-6
    assert float(panned[1, 18, 12]) < 1e-6  # silent itself, in the neighbourhood of the left one
    torch.testing.assert_close(panned[:, 60, 35], torch.ones(2))  # far from any sound


def test_compress_and_expand_undo_each_other() -> None:
    magnitude = _noise(4, 6).abs()
    torch.testing.assert_close(from_log_magnitude(log_magnitude(magnitude)), magnitude)
    assert float(from_log_magnitude(torch.tensor(-0.5))) == 0


def test_gradients_are_finite_at_silence() -> None:
    x = torch.zeros(1, 4096, requires_grad=True)
    log_magnitude(joint_magnitude(Window(512, 128).stft(x))).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_gradient_of_the_spectrogram_matches_finite_differences() -> None:
    window = Window(64, 16)
    x = _noise(2, 160).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: log_magnitude(joint_magnitude(window.stft(s))), (x,))


def test_the_root_over_the_channels_is_a_norm_forward_and_backward() -> None:
    """Torch's own norm is the reference; it takes several times as long."""
    parts = _noise(3, 6, 5, 2)
    parts[:, 0] = 0  # silent in every channel
    parts[1:, 1] = 0  # in all but one
    found = []
    for root in (
        joint_magnitude,
        lambda bins: torch.linalg.vector_norm(bins.abs(), dim=0) / math.sqrt(3),
    ):
        x = parts.clone().requires_grad_()
        value = root(torch.view_as_complex(x))
        (gradient,) = torch.autograd.grad(log_magnitude(value).sum(), x)
        found.append((value.detach(), gradient))
    for ours, reference in zip(*found, strict=True):
        assert bool(ours.isfinite().all())
        torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-12)
