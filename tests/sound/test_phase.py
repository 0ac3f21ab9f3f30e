"""Griffin-Lim: consistent spectrograms come back, momentum helps, the stereo image stays."""

import math

import torch

from retimbre.sound.phase import griffin_lim, spectral_convergence
from retimbre.sound.stereo import joint_magnitude, stereo_image
from retimbre.sound.stft import Window

WINDOW = Window(512, 128)
N = 8000


def random_image(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One channel of random phase for a magnitude (F, T): complex, (1, F, T)."""
    angle = torch.rand(like.shape, generator=generator, dtype=like.dtype) * 2 * math.pi
    return torch.polar(torch.ones_like(like), angle)[None]


def _music(channels: int = 1, seed: int = 0) -> torch.Tensor:
    """Decaying partials with a little noise: tonal and transient."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(N) / 22050
    tones = sum(torch.sin(2 * math.pi * f * t) * torch.exp(-4 * ((t * 3) % 1)) for f in (220, 440, 661, 1320))
    assert isinstance(tones, torch.Tensor)
    return 0.2 * tones + 0.01 * torch.randn(channels, N, generator=generator)


def test_from_the_true_phase_the_clip_comes_back_exactly() -> None:
    x = _music()
    bins = WINDOW.stft(x)
    y, convergence = griffin_lim(joint_magnitude(bins), stereo_image(bins), WINDOW, N, n_iter=8)
    torch.testing.assert_close(y, x, rtol=0, atol=1e-4)
    assert convergence < -80


def test_from_random_phase_it_gets_close_and_closer() -> None:
    magnitude = joint_magnitude(WINDOW.stft(_music()))
    start = random_image(magnitude, torch.Generator().manual_seed(0))
    reached = [griffin_lim(magnitude, start, WINDOW, N, n_iter=n)[1] for n in (0, 8, 64)]
    assert reached[0] > reached[1] > reached[2]
    assert reached[2] < -18


def test_momentum_beats_plain_griffin_lim() -> None:
    magnitude = joint_magnitude(WINDOW.stft(_music()))
    start = random_image(magnitude, torch.Generator().manual_seed(0))
    bins = magnitude * start
    for _ in range(48):
        bins = magnitude * torch.polar(torch.ones_like(magnitude), WINDOW.stft(WINDOW.istft(bins, N)).angle())
    plain = spectral_convergence(WINDOW.stft(WINDOW.istft(bins, N))[0].abs(), magnitude)
    assert griffin_lim(magnitude, start, WINDOW, N, n_iter=48)[1] < plain - 1


def test_the_convergence_reported_is_that_of_the_samples_returned() -> None:
    magnitude = joint_magnitude(WINDOW.stft(_music()))
    y, convergence = griffin_lim(magnitude, random_image(magnitude, torch.Generator()), WINDOW, N, n_iter=4)
    error = WINDOW.stft(y).abs()[0] - magnitude
    assert math.isclose(convergence, 20 * math.log10(error.norm() / magnitude.norm()), abs_tol=1e-4)


def test_channels_keep_their_level_and_phase_differences() -> None:
    x = torch.cat([_music(), 0.5 * _music().roll(5, dims=1), torch.zeros(1, N)])
    bins = WINDOW.stft(x)
    # Another sound at the same places: the image must hold although the magnitudes are new.
    magnitude = joint_magnitude(bins) * (0.2 + torch.rand(257, 1, generator=torch.Generator()))
    y, _ = griffin_lim(magnitude, stereo_image(bins), WINDOW, N)
    powers = y.square().mean(1)
    assert float(powers[2]) < 1e-9 * float(powers[0])  # hard-panned stays hard-panned
    asked = x.square().mean(1)
    assert abs(10 * math.log10(powers[1] / powers[0] / (asked[1] / asked[0]))) < 0.3
    spectra = torch.fft.rfft(y[:2])
    lag = int(torch.fft.irfft(spectra[1] * spectra[0].conj(), N).argmax())
    assert lag == 5


def test_silence_stays_silence() -> None:
    bins = torch.zeros(1, 257, 63, dtype=torch.complex64)
    y, convergence = griffin_lim(torch.zeros(257, 63), stereo_image(bins), WINDOW, N, n_iter=3)
    assert not bool(y.any())
    assert not math.isnan(convergence) or not bool(y.any())
