"""Spectrograms: the short-time Fourier transform, its inverse, and compressed magnitudes.

A *spectrogram* here is a tensor of magnitudes (F, T); networks see its compressed form,
``log1p(magnitude)``. Everything is differentiable; magnitudes are ``abs`` of complex numbers,
whose gradient at zero is zero (that of ``sqrt(re**2 + im**2)`` is NaN).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.errors import InputError
from retimbre.settings import REFERENCE_RATE, Settings

_CPU = torch.device("cpu")
_TONE_SCALE = 2048
"""A window of this many samples has scale one: magnitudes mean the same at any window and rate."""


@dataclass(frozen=True)
class Window:
    """The short-time Fourier transform at one rate: periodic Hann, centred, zero-padded.

    Args:
        n_fft: Length of the window in samples, even.
        hop_length: Step between windows in samples, at most ``n_fft / 2``.
        device: Device of the window.

    >>> Window(2048, 512).stft(torch.zeros(1, 22050)).shape
    torch.Size([1, 1025, 44])
    """

    n_fft: int
    hop_length: int
    device: torch.device = _CPU

    @classmethod
    def at_rate(cls, settings: Settings, sample_rate: int, device: torch.device) -> "Window":
        """Make the window of the settings at another rate (Hz), of the same length in seconds.

        The hop is rounded to a whole number of samples and the window to a multiple of two whose
        factors are 2, 3, 5 and 7, within two percent, where the transform is fast.

        >>> Window.at_rate(Settings(), 44100, torch.device("cpu")).n_fft
        4096
        """
        ratio = sample_rate / REFERENCE_RATE
        n_fft = _nearest_smooth(settings.n_fft * ratio)
        hop_length = min(n_fft // 2, max(1, round(settings.hop_length * n_fft / settings.n_fft)))
        return cls(n_fft, hop_length, device)

    def restate(self, settings: Settings, sample_rate: int) -> Settings:
        """Restate settings for this window: ``n_fft`` and ``hop_length`` as they would be at 22 050 Hz.

        Both are rounded to whole numbers and kept within their ranges. A network reads the distance of its
        bins, ``22 050 Hz / n_fft``, from them.

        >>> Window(8192, 2048).restate(Settings(), 44100).n_fft
        4096
        """
        ratio = REFERENCE_RATE / sample_rate
        n_fft = min(65_536, max(32, 2 * round(self.n_fft * ratio / 2)))
        hop_length = min(n_fft // 2, max(8, round(self.hop_length * ratio)))
        return replace(settings, n_fft=n_fft, hop_length=hop_length)

    def resolutions(self) -> "list[Window]":
        """Give three resolutions: this window, a quarter of it for attacks, four times it for steady tones.

        >>> [(w.n_fft, w.hop_length) for w in Window(2048, 512).resolutions()]
        [(2048, 512), (512, 256), (8192, 2048)]
        """
        short = 2 * max(16, self.n_fft // 8)
        return [
            self,
            Window(short, min(short // 2, max(1, self.hop_length // 2)), self.device),
            Window(4 * self.n_fft, 4 * self.hop_length, self.device),
        ]

    @property
    def n_bins(self) -> int:
        """Number of frequency bins, F."""
        return self.n_fft // 2 + 1

    @cached_property
    def _scale(self) -> float:
        return _TONE_SCALE / self.n_fft

    @cached_property
    def _windows(self) -> dict[torch.dtype, Tensor]:
        """Hann windows of each precision that was used; double is computed first."""
        return {torch.float64: torch.hann_window(self.n_fft, dtype=torch.float64, device=self.device)}

    def _hann(self, dtype: torch.dtype) -> Tensor:
        if dtype not in self._windows:
            self._windows[dtype] = self._windows[torch.float64].to(dtype)
        return self._windows[dtype]

    def stft(self, samples: Tensor) -> Tensor:
        """Transform samples (C, N) to complex bins (C, F, T), T = 1 + N // hop_length.

        Scaled by ``2048 / n_fft``, so that a tone has the same magnitude under every window.
        """
        bins: Tensor = torch.stft(
            samples,
            self.n_fft,
            self.hop_length,
            window=self._hann(samples.dtype) * self._scale,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        return bins

    def istft(self, bins: Tensor, n_samples: int) -> Tensor:
        """Compute the samples (C, N) whose transform is nearest to the bins (C, F, T)."""
        # The sums over overlapping frames by hand take half the time of torch.istft, which scatters them.
        n_channels, _, n_frames = bins.shape
        hann, hop, n_over = self._hann(bins.real.dtype), self.hop_length, -(-self.n_fft // self.hop_length)
        frames = torch.fft.irfft(bins.mT, self.n_fft) * (hann / self._scale)
        power = hann.square()
        if n_over * hop > self.n_fft:
            frames, power = (functional.pad(part, (0, n_over * hop - self.n_fft)) for part in (frames, power))
        rows, power = frames.view(n_channels, n_frames, n_over, hop), power.view(n_over, hop)
        made, weight = (
            like.new_zeros(*shape, n_frames + n_over - 1, hop)
            for like, shape in ((frames, (n_channels,)), (hann, ()))
        )
        for n in range(n_over):
            made[:, n : n + n_frames] += rows[:, :, n]
            weight[n : n + n_frames] += power[n]
        start = self.n_fft // 2
        made, weight = made.flatten(1)[:, start:], weight.flatten()[start:]
        samples = made[:, :n_samples] / weight[:n_samples].clamp(min=1e-11)
        return functional.pad(samples, (0, n_samples - samples.shape[1]))


def compute_device(settings: Settings) -> torch.device:
    """Choose the device: CUDA where there is one, unless the settings say otherwise.

    Raises:
        InputError: CUDA is requested and not available.
    """
    available = torch.cuda.is_available()
    if settings.device == "cuda" and not available:
        raise InputError("device is cuda: no CUDA device is there, use auto or cpu")
    return torch.device("cuda" if available and settings.device != "cpu" else "cpu")


def _nearest_smooth(length: float) -> int:
    """Find the nearest even number without a prime factor over 7."""
    candidates = sorted(range(2, round(length * 1.1) + 4, 2), key=lambda n: abs(n - length))
    for n in candidates:
        rest = n
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
    raise AssertionError("2 is smooth")


def log_magnitude(magnitude: Tensor) -> Tensor:
    """Compress magnitudes by ``log1p``, as networks take them."""
    return magnitude.log1p()


def from_log_magnitude(compressed: Tensor) -> Tensor:
    """Invert :func:`log_magnitude`; values below zero become zero."""
    return compressed.clamp(min=0).expm1()
