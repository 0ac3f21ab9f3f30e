"""Measures of a transfer: how much of the content is kept and of the style reached, how far the target is.

None of them is what retimbre optimises: a judge must not be a party. All clips are heard as one channel at
16 kHz; levels do not matter.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from retimbre.networks.frontends import slaney_mel
from retimbre.sound.audio import Audio

RATE = 16_000
_N_FFT, _HOP, _N_MELS = 1024, 256, 40
_RANGE = 80.0  # dB below the loudest that still count

Matrix = npt.NDArray[np.float64]


def kept(output: Audio, content: Audio) -> dict[str, float]:
    """How much of the content is in the output, by two measures.

    - ``onsets``: correlation of the onset envelopes (the half-wave rectified rise in dB of 40 mel bands from
      frame to frame, 16 ms apart, summed; smoothed over five frames, since a style may attack more softly);
    - ``chroma``: mean over the frames of the cosine of the two chroma vectors, in which only what rises above
      the frame's own median counts, so that two noises are not alike; frames in which the content has none
      are left out.

    1 is all, 0 nothing.
    """
    n = min(output.seconds, content.seconds)
    ours, theirs = (_cut(clip, n) for clip in (output, content))
    envelopes = [_onsets(clip) for clip in (ours, theirs)]
    flat = any(e.std() == 0 for e in envelopes)
    onsets = 0.0 if flat else float(np.corrcoef(envelopes[0], envelopes[1])[0, 1])
    x, y = (_chroma(clip) for clip in (ours, theirs))
    size = np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0)
    heard = np.linalg.norm(y, axis=0) > 0
    cosine = np.divide((x * y).sum(axis=0), size, out=np.zeros_like(size), where=size > 0)
    return {"onsets": onsets, "chroma": float(cosine[heard].mean()) if heard.any() else 0.0}


def reached(output: Audio, style: Audio, content: Audio) -> dict[str, float]:
    """How much nearer to the style than the content the output is: 1 minus the ratio of two distances.

    - ``timbre``: Frechet distance of the distributions of MFCC 2 to 13 (:func:`timbre_distance`);
    - ``spectrum``: distance of the long-term mel spectra in dB (:func:`spectrum_distance`).

    1 is the style's own, 0 no nearer than the content, negative further away.
    """
    found = {}
    for name, distance in (("timbre", timbre_distance), ("spectrum", spectrum_distance)):
        before = distance(content, style)
        found[name] = 1 - distance(output, style) / before if before > 0 else 1.0
    return found


def against(output: Audio, target: Audio) -> dict[str, float]:
    """How far an output is from what it should be, where that is known; lower is better.

    - ``lsd``: log-spectral distance in dB: the mean over 40 mel bands of the root mean square difference over
      time, of spectra of equal mean power (after Cifka et al. 2021);
    - ``timbre``: :func:`timbre_distance`.
    """
    n = min(output.seconds, target.seconds)
    ours, theirs = (_mel(_cut(clip, n)) for clip in (output, target))
    n_frames = min(ours.shape[1], theirs.shape[1])
    levels = [10 * np.log10(p[:, :n_frames] / max(p.mean(), 1e-300) + 1e-8) for p in (ours, theirs)]
    lsd = np.sqrt(np.square(levels[0] - levels[1]).mean(axis=1)).mean()
    return {"lsd": float(lsd), "timbre": timbre_distance(output, target)}


def soundness(output: Audio, content: Audio) -> dict[str, float]:
    """What can be wrong with a clip as such.

    - ``clipped``: share of samples at full scale;
    - ``length``: difference in length from the content in seconds.
    """
    clipped = float((np.abs(output.samples) >= 1 - 2**-15).mean())
    return {"clipped": clipped, "length": output.seconds - content.seconds}


def copied(output: Audio, style: Audio) -> dict[str, float]:
    """``copy``: the largest normalised cross-correlation with the style, at any lag; 1 for a copy."""
    x, y = (clip.resampled(RATE).samples.mean(axis=0, dtype=np.float64) for clip in (output, style))
    n = 1 << (len(x) + len(y) - 1).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(y, n).conj(), n)
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return {"copy": float(np.abs(correlation).max()) / size if size > 0 else 0.0}


def balance(kept: dict[str, float], reached: dict[str, float]) -> float:
    """Harmonic mean of what is kept and what is reached; a mean below 0 counts as 0."""
    a, b = (max(0.0, float(np.mean(list(part.values())))) for part in (kept, reached))
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def timbre_distance(one: Audio, other: Audio) -> float:
    """Frechet distance of MFCC 2 to 13, taken as Gaussians: ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2)``."""
    means, covariances = [], []
    for clip in (one, other):
        coefficients = _mfcc(clip)
        means.append(coefficients.mean(axis=1))
        covariances.append(np.cov(coefficients))
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    # tr (C1 C2)^1/2 = tr (C1^1/2 C2 C1^1/2)^1/2, which is symmetric.
    cross = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(min=0)).sum()
    apart = float(np.square(means[0] - means[1]).sum())
    return max(0.0, apart + float(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * cross))


def spectrum_distance(one: Audio, other: Audio) -> float:
    """Root mean square difference in dB of the long-term spectra in 40 mel bands, each of mean 0 dB."""
    levels = []
    for clip in (one, other):
        power = _mel(clip).mean(axis=1)
        level = 10 * np.log10(power / power.max() + 10 ** (-_RANGE / 10))
        levels.append(level - level.mean())
    return float(np.sqrt(np.square(levels[0] - levels[1]).mean()))


def _cut(clip: Audio, seconds: float) -> Audio:
    return Audio(clip.samples[:, : max(1, round(seconds * clip.sample_rate))], clip.sample_rate)


def _power(clip: Audio, n_fft: int) -> Matrix:
    """Power (F, T) at 16 kHz, frames 16 ms apart; the mean over the channels."""
    samples = torch.from_numpy(clip.resampled(RATE).samples).double()
    window = torch.hann_window(n_fft, dtype=torch.float64)
    bins = torch.stft(samples, n_fft, _HOP, window=window, pad_mode="constant", return_complex=True)
    power: Matrix = bins.abs().square().mean(dim=0).numpy()
    return power


def _mel(clip: Audio) -> Matrix:
    """Power in 40 mel bands, (40, T)."""
    bank = slaney_mel(_N_MELS, _N_FFT, RATE, 40, RATE / 2).double().numpy()
    mel: Matrix = bank.T @ _power(clip, _N_FFT)
    return mel


def _decibels(power: Matrix) -> Matrix:
    highest = power.max()
    return 10 * np.log10(power / highest + 10 ** (-_RANGE / 10)) if highest > 0 else np.zeros_like(power)


def _onsets(clip: Audio) -> Matrix:
    rise = np.diff(_decibels(_mel(clip)), axis=1).clip(min=0).sum(axis=0)
    return np.convolve(rise, np.hanning(7)[1:-1], mode="same")


def _chroma(clip: Audio) -> Matrix:
    """Magnitude of each of the twelve pitch classes above the frame's median, (12, T); windows of 256 ms."""
    power = _power(clip, 4 * _N_FFT)
    loud = 10 * np.log10(power / max(float(power.max()), 1e-300) + 1e-30) > -60
    chroma = _classes(len(power)) @ np.sqrt(power)
    above = (chroma - np.median(chroma, axis=0)).clip(min=0)
    return np.where(loud.any(axis=0), above, 0.0)


@lru_cache(maxsize=1)
def _classes(n_bins: int) -> Matrix:
    """Which bins belong to which pitch class, 60 to 4000 Hz, (12, F)."""
    hertz = np.linspace(0, RATE / 2, n_bins)
    classes = np.zeros((12, n_bins))
    used = np.flatnonzero((hertz >= 60) & (hertz <= 4000))
    classes[np.round(12 * np.log2(hertz[used] / 440)).astype(int) % 12, used] = 1
    return classes


def _mfcc(clip: Audio) -> Matrix:
    """MFCC 2 to 13 (12, T): the cosine transform of the mel bands in dB; the first, level, is left out."""
    n = np.arange(_N_MELS)
    cosines = np.cos(np.pi / _N_MELS * np.outer(np.arange(1, 13), n + 0.5)) * np.sqrt(2 / _N_MELS)
    coefficients: Matrix = cosines @ _decibels(_mel(clip))
    return coefficients
