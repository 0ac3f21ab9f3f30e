"""Features of a clip for the measures: mel bands, MFCC, chroma, onsets, Gram matrices, notes.

Each is computed at its first use and then kept. All but the treble and the notes are taken at 16 kHz, where
frames are 16 ms apart; levels do not matter. Several channels count by their mean power, so that sound that
cancels in a mix still counts.

MFCC and chroma are written by hand: librosa, which has both, is 498 MB with its dependencies, and an extra of
the tests only. They hold these features to librosa's.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retimbre.metrics import heldout, onsets
from retimbre.metrics import transcriber as transcribe
from retimbre.sound.audio import Audio
from retimbre.sound.mel import slaney_mel

RATE = 16_000
"""Hz."""
FRAME = 0.016
"""Seconds from frame to frame."""
TREBLE = 10_000
"""Hz from which energy counts as treble."""

_N_FFT, _HOP, _N_MELS = 1024, 256, 40
_RANGE = 80.0  # dB below the loudest that still count

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClipFeatures:
    """Holds a clip and its features; use it for an :class:`Audio` that is measured more than once.

    Args:
        audio: The clip, any rate, any channels.

    >>> clip = ClipFeatures(Audio(np.random.default_rng(0).standard_normal(16_000), 16_000))
    >>> clip.mel.shape, clip.mfcc.shape, clip.chroma.shape
    ((40, 63), (12, 63), (12, 63))
    """

    audio: Audio

    @classmethod
    def of(cls, clip: "ClipLike") -> "ClipFeatures":
        """Wrap a clip; features are returned as they are."""
        return clip if isinstance(clip, ClipFeatures) else cls(clip)

    def cut(self, seconds: float) -> "ClipFeatures":
        """Cut to the first seconds; returns itself, with the features it has, where the clip is no longer."""
        n_samples = max(1, round(seconds * self.audio.sample_rate))
        if n_samples >= self.audio.n_samples:
            return self
        return ClipFeatures(Audio(self.audio.samples[:, :n_samples], self.audio.sample_rate))

    @cached_property
    def resampled(self) -> Audio:
        """The clip at 16 kHz."""
        return self.audio.resampled(RATE)

    @cached_property
    def mel(self) -> Matrix:
        """Power in 40 mel bands from 40 Hz to 8 kHz, windows of 64 ms, (40, T)."""
        bank = slaney_mel(_N_MELS, _N_FFT, RATE, 40, RATE / 2).double().numpy()
        mel: Matrix = bank.T @ self._power
        return mel

    @cached_property
    def levels(self) -> Matrix:
        """The mel bands in dB below the loudest, at least -80, (40, T); 0 for silence."""
        highest = self.mel.max()
        levels: Matrix = 10 * np.log10(self.mel / (highest or 1.0) + 10 ** (-_RANGE / 10))
        return levels if highest > 0 else np.zeros_like(levels)

    @cached_property
    def mean_spectrum(self) -> Matrix:
        """Long-term power in the mel bands in dB, of mean 0 dB, (40,)."""
        power = self.mel.mean(axis=1)
        level = 10 * np.log10(power / max(power.max(), 1e-300) + 10 ** (-_RANGE / 10))
        centred: Matrix = level - level.mean()
        return centred

    @cached_property
    def mfcc(self) -> Matrix:
        """MFCC 2 to 13 (12, T): the cosine transform of the levels; the first, level, is left out."""
        n = np.arange(_N_MELS)
        cosines = np.cos(np.pi / _N_MELS * np.outer(np.arange(1, 13), n + 0.5)) * np.sqrt(2 / _N_MELS)
        coefficients: Matrix = cosines @ self.levels
        return coefficients

    @cached_property
    def chroma(self) -> Matrix:
        """Magnitude of each of the twelve pitch classes above the frame's median, (12, T); windows of 256 ms.

        Frames without a bin within 60 dB of the loudest have none.
        """
        power = _power(self.resampled, 4 * _N_FFT)
        chroma = _classes(len(power)) @ np.sqrt(power)
        above = (chroma - np.median(chroma, axis=0)).clip(min=0)
        return np.where(_loud(power), above, 0.0)

    @cached_property
    def onset_envelope(self) -> Matrix:
        """Onset envelope (T - 1,) in dB: the rise of the levels from frame to frame, summed over the bands.

        Smoothed over five frames, since a style may attack more softly.
        """
        if self.levels.shape[1] < 2:
            return np.zeros(0)
        rise = np.diff(self.levels, axis=1).clip(min=0).sum(axis=0)
        return np.convolve(rise, np.hanning(7)[1:-1], mode="same")

    @cached_property
    def onsets(self) -> onsets.Times:
        """Onset times in seconds (:func:`retimbre.metrics.onsets.pick_peaks`)."""
        return onsets.pick_peaks(self.onset_envelope, FRAME)

    @cached_property
    def grams(self) -> list[Tensor]:
        """Gram matrices in the held-out network (:func:`retimbre.metrics.heldout.grams`)."""
        return heldout.grams(self.resampled)

    @cached_property
    def piano_roll(self) -> transcribe.Roll:
        """Sounding semitones (88, T) by the transcriber.

        Raises:
            DependencyError: the transcriber is not installed.
        """
        return transcribe.piano_roll(self.audio)

    @cached_property
    def treble(self) -> float:
        """Share of the energy from 10 kHz up, at the clip's own rate; 0 to 1."""
        samples = self.audio.samples
        n = 1 << (samples.shape[1] - 1).bit_length()  # zeros add no energy, and this length is fast
        energy = np.square(np.abs(np.fft.rfft(samples, n))).sum(axis=0)
        total = float(energy.sum())
        high = float(energy[np.fft.rfftfreq(n, 1 / self.audio.sample_rate) >= TREBLE].sum())
        return high / total if total > 0 else 0.0

    @cached_property
    def flatness(self) -> float:
        """Spectral flatness in dB: mean over the frames of ``10 log10 (geometric / arithmetic mean power)``.

        0 for a flat spectrum and for silence, far below for a tone, -2.5 for white noise in one channel: its
        bins are exponentially distributed, and the mean of their logarithm is Euler's constant below the
        logarithm of their mean (-1.2 in two channels, of whose power the mean is taken). Frames without a bin
        within 60 dB of the loudest do not count.
        """
        highest = self._power.max()
        if highest == 0:
            return 0.0
        power = self._power[:, _loud(self._power)] / highest + 10 ** (-_RANGE / 10)
        return float((10 * np.log10(power).mean(axis=0) - 10 * np.log10(power.mean(axis=0))).mean())

    @cached_property
    def _power(self) -> Matrix:
        return _power(self.resampled, _N_FFT)


ClipLike = Audio | ClipFeatures
"""A clip that can be measured."""


def common_duration(one: ClipLike, other: ClipLike) -> tuple[ClipFeatures, ClipFeatures]:
    """Cut both clips to the time that both last."""
    one, other = ClipFeatures.of(one), ClipFeatures.of(other)
    seconds = min(one.audio.seconds, other.audio.seconds)
    return one.cut(seconds), other.cut(seconds)


def _power(clip: Audio, n_fft: int) -> Matrix:
    """Compute the power (F, T), the mean over the channels."""
    samples = torch.from_numpy(clip.samples).double()
    window = torch.hann_window(n_fft, dtype=torch.float64)
    bins = torch.stft(samples, n_fft, _HOP, window=window, pad_mode="constant", return_complex=True)
    power = torch.zeros_like(bins[0].real)
    for part in (*bins.real, *bins.imag):  # four times as fast as abs().square().mean(dim=0)
        power.addcmul_(part, part)
    return (power / len(bins)).numpy()


def _loud(power: Matrix) -> npt.NDArray[np.bool_]:
    """Select the frames of (F, T) that have a bin within 60 dB of the loudest, (T,)."""
    highest = power.max(axis=0)
    loud: npt.NDArray[np.bool_] = highest > 1e-6 * highest.max()
    return loud


@lru_cache(maxsize=1)
def _classes(n_bins: int) -> Matrix:
    """Assign the bins to pitch classes, 60 to 4000 Hz, (12, F) of zeros and ones."""
    hertz = np.linspace(0, RATE / 2, n_bins)
    classes = np.zeros((12, n_bins))
    used = np.flatnonzero((hertz >= 60) & (hertz <= 4000))
    classes[np.round(12 * np.log2(hertz[used] / 440)).astype(int) % 12, used] = 1
    return classes
