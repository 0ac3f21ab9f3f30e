"""How near textures come to their style: the table of docs/texture.md.

    OMP_NUM_THREADS=1 python benchmarks/texture.py [--seeds 2] [--seconds 5]

Four made textures (rain, wind, bubbles, ticks), each method on each with several seeds. Geometric means of:
the style term in two random networks that no run has seen (5 and 29 taps); the mean absolute difference of
modulation spectra (dB) and of autocorrelations of 24 mel bands (lags to 2 s); the Frechet distance of MFCC;
and the copy check, the largest normalised cross-correlation with the style, of the whole clip and of
quarters of a second (median). "another clip" is the same recipe made anew.
"""

import argparse
from collections.abc import Callable

import librosa
import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import sqrtm

from retimbre import Audio, Settings, _texture_block, texture
from retimbre.losses.terms import NetworkStyle, Style
from retimbre.networks.shallow import Shallow
from retimbre.sound.loudness import loudness
from retimbre.sound.stft import Window, log_magnitude

RATE = 22_050
Array = npt.NDArray[np.float64]
COLUMNS = ("5 taps", "29 taps", "modulation", "autocorr", "frechet", "copy", "copy 1/4 s", "seconds")
METHODS: dict[str, dict[str, object]] = {
    "pieces of 1 frame": {"_piece": lambda taps: 1},
    "pieces of 11": {},
    "pieces of 21": {"_piece": lambda taps: 21},
    "11, kernels x 1 3": {"_WIDTHS": (1.0, 3.0)},
    "11, kernels x .3 1 3": {"_WIDTHS": (0.3, 1.0, 3.0)},
}


def _audio(x: Array) -> Audio:
    return Audio(x.astype(np.float32), RATE)


def rain(seconds: float, rng: np.random.Generator) -> Audio:
    n = round(seconds * RATE)
    x = 0.003 * rng.standard_normal(n)
    for _ in range(round(60 * seconds)):
        pitch, decay = rng.uniform(1500, 8000), rng.uniform(0.001, 0.006)
        t = np.arange(round(8 * decay * RATE)) / RATE
        at = rng.integers(n - len(t))
        wave = np.exp(-t / decay) * np.sin(2 * np.pi * pitch * t + rng.uniform(0, 6))
        x[at : at + len(t)] += rng.uniform(0.05, 1) ** 2 * wave
    return _audio(0.3 * x)


def wind(seconds: float, rng: np.random.Generator) -> Audio:
    n = round(seconds * RATE)
    f = np.fft.rfftfreq(n, 1 / RATE)
    gains = (1 / (1 + (f / 300) ** 2), np.exp(-((np.log2(np.maximum(f, 1) / 900) / 0.3) ** 2)), f < 0.8)
    low, band, slow = (np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * gain, n) for gain in gains)
    gust = 0.7 * 10 ** (0.4 * slow / slow.std())
    return _audio(0.05 * (low / low.std() + gust * band / band.std()))


def bubbles(seconds: float, rng: np.random.Generator) -> Audio:
    x = 0.0005 * rng.standard_normal(round(seconds * RATE))
    t, at = np.arange(RATE // 4) / RATE, 0.05
    while at < seconds - 0.3:
        pitch = rng.choice([350, 520, 610, 880]) * rng.uniform(0.97, 1.03)
        start = round(at * RATE)
        for k in (1, 2, 3):
            wave = np.exp(-t * (18 + 10 * k)) / k * np.sin(2 * np.pi * k * pitch * (t + t * t))
            x[start : start + len(t)] += 0.7 * wave
        at += rng.uniform(0.14, 0.18)
    return _audio(0.2 * x)


def ticks(seconds: float, rng: np.random.Generator) -> Audio:
    x = 0.0005 * rng.standard_normal(round(seconds * RATE))
    t = np.arange(round(0.08 * RATE)) / RATE
    for k, at in enumerate(np.arange(rng.uniform(0, 0.2), seconds - 0.2, 0.2)):
        turn = 2 * np.pi * (2200, 1500)[k % 2] * t
        x[round(at * RATE) :][: len(t)] += np.exp(-t * 90) * (np.sin(turn) + 0.5 * np.sin(2.76 * turn))
    return _audio(0.2 * x)


TEXTURES: dict[str, Callable[[float, np.random.Generator], Audio]] = {
    "rain": rain,
    "wind": wind,
    "bubbles": bubbles,
    "ticks": ticks,
}


def held_out(clip: Audio, style: Audio, taps: int) -> float:
    generator = torch.Generator().manual_seed(4711)
    network = Shallow(1025, layers=1, filters=512, taps=taps, generator=generator)
    heard = _frames(clip)
    return float(NetworkStyle(network, Style([(_frames(style), 1.0)])).terms(heard)(heard).style)


def _frames(clip: Audio) -> torch.Tensor:
    gain = np.float32(10 ** ((-20 - loudness(clip)) / 20))
    return log_magnitude(Window(2048, 512).stft(torch.from_numpy(clip.samples[:1] * gain))[0].abs())


def _bands(clip: Audio) -> Array:
    power = librosa.feature.melspectrogram(y=clip.samples[0], sr=RATE, n_fft=1024, hop_length=256, n_mels=24)
    return np.asarray(10 * np.log10(power + 1e-6 * power.mean()))


def modulation(clip: Audio) -> Array:
    """Power (dB) of the bands' fluctuations, in Hann windows of 1.5 s."""
    bands = _bands(clip)
    bands = bands - bands.mean(axis=1, keepdims=True)
    windows = [bands[:, i : i + 128] * np.hanning(128) for i in range(0, bands.shape[1] - 128, 32)]
    return np.asarray(10 * np.log10((np.abs(np.fft.rfft(windows)) ** 2).mean(axis=0)[:, 1:] + 1e-3))


def autocorrelation(clip: Audio) -> Array:
    bands = _bands(clip)
    n = bands.shape[1]
    spectrum = np.fft.rfft(bands - bands.mean(axis=1, keepdims=True), 2 * n)
    lags = np.fft.irfft(np.abs(spectrum) ** 2)[:, :172] / (n - np.arange(172))
    return np.asarray(lags[:, 2:] / lags[:, :1])


def frechet(clip: Audio, style: Audio) -> float:
    (a, A), (b, B) = (
        (m.mean(axis=1), np.cov(m))
        for m in (librosa.feature.mfcc(S=_bands(c), n_mfcc=13) for c in (clip, style))
    )
    return float(((a - b) ** 2).sum() + np.trace(A + B - 2 * np.real(sqrtm(A @ B))))


def copy(clip: Audio, style: Audio) -> tuple[float, float]:
    """Largest normalised cross-correlation: of the whole clip; of quarters of a second, the median."""
    x, y = clip.samples[0].astype(np.float64), style.samples[0].astype(np.float64)
    whole = np.abs(_correlate(x, y)).max() / np.linalg.norm(x) / np.linalg.norm(y)
    size = RATE // 4
    power = np.concatenate([[0.0], np.square(y).cumsum()])
    norms = np.sqrt(power[size:] - power[:-size])
    peaks = []
    for start in range(0, len(x) - size, size * 2):
        piece = x[start : start + size]
        match = np.abs(_correlate(y, piece))[: len(norms)]
        peaks.append((match / (norms * np.linalg.norm(piece) + 1e-9)).max())
    return float(whole), float(np.median(peaks))


def _correlate(x: Array, y: Array) -> Array:
    n = len(x) + len(y)
    return np.fft.irfft(np.fft.rfft(x, n) * np.conj(np.fft.rfft(y, n)), n)


def measures(clip: Audio, style: Audio) -> list[float]:
    return [
        held_out(clip, style, 5),
        held_out(clip, style, 29),
        float(np.abs(modulation(clip) - modulation(style)).mean()),
        float(np.abs(autocorrelation(clip) - autocorrelation(style)).mean()),
        frechet(clip, style),
        *copy(clip, style),
    ]


def _row(name: str, rows: list[list[float]]) -> None:
    means = np.exp(np.log(np.maximum(rows, 1e-9)).mean(axis=0))
    print(f"{name:22s}", *(f"{mean:10.4g}" for mean in means), flush=True)


def _paired(made: dict[str, Audio], seconds: float) -> None:
    """Print ratios of each measure, with the second kernel to without, run by run."""
    logs = []
    for style in made.values():
        for seed in range(2, 6):
            pair = []
            for widths in ((1.0,), (1.0, 3.0)):
                _texture_block._WIDTHS = widths
                pair.append(np.log(measures(texture(style, seconds, Settings(seed=seed)).audio, style)))
            logs.append(pair[1] - pair[0])
    ratios = np.array(logs)
    t = ratios.mean(axis=0) / (ratios.std(axis=0, ddof=1) / len(ratios) ** 0.5)
    for title, row in (
        ("ratio", np.exp(ratios.mean(axis=0))),
        ("t", t),
        ("lower in", (ratios < 0).sum(axis=0)),
    ):
        print(f"{title:22s}", *(f"{value:10.3g}" for value in row))


def main() -> None:
    """Print one line per method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--paired", action="store_true", help="kernels x 1 3 against x 1, seeds 2 to 5")
    arguments = parser.parse_args()
    made = {name: make(arguments.seconds, np.random.default_rng(1)) for name, make in TEXTURES.items()}
    print(" " * 22, *(f"{column:>10s}" for column in COLUMNS))
    anew = [
        (make(arguments.seconds, np.random.default_rng(2)), made[name]) for name, make in TEXTURES.items()
    ]
    _row("another clip", [[*measures(clip, style), 1.0] for clip, style in anew])
    if arguments.paired:
        _paired(made, arguments.seconds)
        return
    usual = {name: getattr(_texture_block, name) for method in METHODS.values() for name in method}
    for title, changes in METHODS.items():
        for name, value in (usual | {"_WIDTHS": (1.0,)} | changes).items():
            setattr(_texture_block, name, value)
        rows = []
        for style in made.values():
            for seed in range(arguments.seeds):
                result = texture(style, arguments.seconds, Settings(seed=seed))
                rows.append([*measures(result.audio, style), result.seconds])
        _row(title, rows)


if __name__ == "__main__":
    main()
