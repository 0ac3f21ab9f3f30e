"""What the experiments share: the clips, a transfer with any network, measures, the table and the picture.

The measures are computed from samples, and nothing optimised any of them. *Kept*, of the content: the
correlation of the onset envelopes, and the mean cosine of the chroma vectors of corresponding frames.
*Reached*, of the style: the Frechet distance of MFCC 2 to 13 as Gaussians, and the squared distance of
long-term average spectra in dB, each as 10 log10 of its ratio to that of the content copied: 0 dB is no
nearer than the content was, negative is nearer.
"""

import argparse
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from retimbre._clips import levelled, spectrogram
from retimbre.apps.demo import PAIRS
from retimbre.music.orchestra import render
from retimbre.networks.frontends import resample
from retimbre.networks.kinds import Features, Network
from retimbre.objective.losses import NetworkTerms, Objective, Style
from retimbre.objective.optimise import optimise
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.phase import griffin_lim
from retimbre.sound.spectral import Window, expand, image

RATE = 22_050
WINDOW = Window(1024, 512)
"""Half the usual window: the 2-D networks compute every bin, and this halves the bins."""

N_ITER, N_PHASE = 30, 32
STRENGTHS = (0.5, 0.8)
TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"

Make = Callable[[int], nn.Module]
"""From a seed to a network; one with a ``sample_rate`` hears samples, others a spectrogram of ``WINDOW``."""


class Random(nn.Module):
    """Three random convolutions of 3 frames with ReLU (He et al. 2015), which differ in one thing at a time.

    In 1-D the bins are the input's channels; in 2-D, filters are 3 frames x 3 bins. All layers are style,
    the last is content.

    Args:
        seed: Of the weights.
        dimensions: 1 or 2.
        filters: Of each layer.
        pooling: Halves what the second and third layer see, in every dimension: ``average`` or ``max``.
        apart: Whether frequencies are features of their own, (C' F', T'), so that the Gram matrix keeps them
            apart as in 1-D; otherwise they are positions, (C', F' T').
    """

    def __init__(
        self, seed: int, *, dimensions: int, filters: int, pooling: str = "none", apart: bool = False
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self._dimensions, self._pooling, self._apart = dimensions, pooling, apart
        channels = WINDOW.n_bins if dimensions == 1 else 1
        names = ("conv1", "conv2", "conv3")
        for name in names:
            weight = torch.randn(filters, channels, *dimensions * [3], generator=generator)
            self.register_buffer(name, weight * (2 / weight[0].numel()) ** 0.5)
            channels = filters
        self.content_layers: Mapping[str, float] = {names[-1]: 1.0}
        self.style_layers: Mapping[str, float] = dict.fromkeys(names, 1 / len(names))

    def forward(self, frames: Tensor) -> Features:
        """Map (F, T) to the layers."""
        x, found = frames if self._dimensions == 1 else frames[None], dict[str, Tensor]()
        convolve = functional.conv1d if self._dimensions == 1 else functional.conv2d
        for name, weight in self.named_buffers():
            if found:
                x = self._pool(x)
            x = convolve(x[None], weight, padding=1)[0].relu()
            found[name] = x.flatten(0, -2) if self._apart else x.flatten(1)
        return found

    def _pool(self, x: Tensor) -> Tensor:
        one = self._dimensions == 1
        if self._pooling == "average":
            return functional.avg_pool1d(x, 2) if one else functional.avg_pool2d(x, 2)
        if self._pooling == "max":
            return functional.max_pool1d(x, 2) if one else functional.max_pool2d(x, 2)
        return x


def tutorial() -> Any:
    """The network of ``docs/tutorial.md``, as a module made of the code in there."""
    (code,) = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("mtt_vgg")
    exec(compile(code, str(TUTORIAL), "exec"), module.__dict__)
    return module


def clips(seconds: float) -> list[tuple[str, Tensor, Tensor]]:
    """The demonstration's pairs: title, content and style as samples (1, N) of one loudness."""

    def clip(who: str, piece: Any) -> Tensor:
        played = render(piece, who, seconds=seconds)
        return levelled(Audio(played.samples.mean(axis=0), played.sample_rate), RATE)

    return [(pair.title, clip(*pair.content), clip(*pair.style)) for pair in PAIRS]


def transfer(module: nn.Module, content: Tensor, style: Tensor, strength: float) -> Tensor:
    """Samples (1, N) of a transfer; over the samples or the spectrogram, as the network hears."""
    network: Network = module.requires_grad_(False)  # type: ignore[assignment]
    settings = Settings(n_iter=N_ITER, n_iter_waveform=N_ITER, tolerance=0, strength=strength)
    rate: int | None = getattr(module, "sample_rate", None)
    if rate is not None:
        mix = Style([(style, 1.0)])
        terms = NetworkTerms(network, content, mix, lambda x: network(resample(x, RATE, rate)))
        objective = Objective(terms)
        objective.balance(strength, content, mix)
        run = optimise(objective, content, settings, stage="waveform", spectrogram_of=lambda x: x)
        return run.point
    bins = WINDOW.stft(content)
    frames, others = spectrogram(bins), spectrogram(WINDOW.stft(style))
    mix = Style([(others, 1.0)])
    objective = Objective(NetworkTerms(network, frames, mix))
    objective.balance(strength, frames, mix)
    top = torch.maximum(frames.amax(dim=1, keepdim=True), others.amax(dim=1, keepdim=True))
    run = optimise(objective, frames, settings, top=top)
    return griffin_lim(expand(run.point), image(bins), WINDOW, content.shape[1], n_iter=N_PHASE)[0]


class Measures(NamedTuple):
    """Of a result: content kept (1 is all) and style reached (dB, 0 is the content copied)."""

    onsets: float
    chroma: float
    mfcc: float
    spectrum: float


Array = npt.NDArray[np.float64]


class Judge:
    """Measures results of one pair.

    Args:
        content: Samples (1, N).
        style: Samples (1, N).
    """

    def __init__(self, content: Tensor, style: Tensor) -> None:
        self._content, self._style = _heard(content), _heard(style)

    def __call__(self, samples: Tensor) -> Measures:
        """Measure samples (1, N); loudness is no part of it."""
        heard, content, style = _heard(samples), self._content, self._style
        cosines = (heard.chroma * content.chroma).sum(axis=0)
        return Measures(
            float(np.corrcoef(heard.onsets, content.onsets)[0, 1]),
            float(cosines.mean()),
            _decibels(_frechet(heard.mfcc, style.mfcc), _frechet(content.mfcc, style.mfcc)),
            _decibels(_square(heard.spectrum, style.spectrum), _square(content.spectrum, style.spectrum)),
        )


class _Heard(NamedTuple):
    onsets: Array  # (T,)
    chroma: Array  # (12, T), of length one
    mfcc: Array  # (12, T)
    spectrum: Array  # (bands,), dB about its mean


def _heard(samples: Tensor) -> _Heard:
    import librosa

    wave = samples[0].numpy().astype(np.float64)
    wave = wave * 0.1 / np.sqrt(np.mean(wave**2))
    mel = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=2048, hop_length=512, n_mels=64)
    levels = librosa.power_to_db(mel)
    average = librosa.power_to_db(mel.mean(axis=1))
    chroma = librosa.feature.chroma_stft(y=wave, sr=RATE, n_fft=4096, hop_length=512, tuning=0.0)
    return _Heard(
        librosa.onset.onset_strength(S=levels, sr=RATE),
        chroma / np.maximum(np.linalg.norm(chroma, axis=0), 1e-9),
        librosa.feature.mfcc(S=levels, n_mfcc=13)[1:],
        average - average.mean(),
    )


def _frechet(a: Array, b: Array) -> float:
    """Frechet distance of two sets of vectors (n, T), each as a Gaussian."""
    first, second = np.cov(a), np.cov(b)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0))
    means = np.square(a.mean(axis=1) - b.mean(axis=1)).sum()
    return float(means + np.trace(first) + np.trace(second) - 2 * roots.sum())


def _square(a: Array, b: Array) -> float:
    return float(np.square(a - b).mean())


def _decibels(value: float, reference: float) -> float:
    return 10 * math.log10(max(value, 1e-9) / reference)


@dataclass(frozen=True)
class Result:
    """One transfer, measured."""

    variant: str
    strength: float
    pair: str
    seed: int
    measures: Measures


def compare(
    variants: Mapping[str, tuple[Make, int]], seconds: float, strengths: Iterable[float]
) -> list[Result]:
    """Transfer every pair with every variant, ``(make, seeds)``, at every strength."""
    results = []
    for title, content, style in clips(seconds):
        judge, began = Judge(content, style), time.perf_counter()
        for variant, (make, n_seeds) in variants.items():
            for seed in range(n_seeds):
                network = make(seed)
                for strength in strengths:
                    measures = judge(transfer(network, content, style, strength))
                    results.append(Result(variant, strength, title, seed, measures))
        print(f"({title}: {time.perf_counter() - began:.0f} s)", flush=True)
    return results


class Estimate(NamedTuple):
    """A mean and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.error:.2f}"


def by_pair(results: Sequence[Result], variant: str, strength: float) -> Array:
    """Measures of one variant and strength, (pairs, 4), each the mean over the seeds."""
    chosen = [r for r in results if r.variant == variant and r.strength == strength]
    titles = dict.fromkeys(r.pair for r in chosen)
    return np.array([np.mean([r.measures for r in chosen if r.pair == t], axis=0) for t in titles])


def estimates(values: Array) -> list[Estimate]:
    """Mean over the pairs (pairs, n) and its standard error: pairs are what another user would change."""
    error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
    return [Estimate(float(m), float(e)) for m, e in zip(values.mean(axis=0), error, strict=True)]


def seed_error(results: Sequence[Result], variant: str, strength: float) -> list[float]:
    """Standard error of a variant's mean that comes of the seeds alone, (4,); 0 for a single seed."""
    chosen = [r for r in results if r.variant == variant and r.strength == strength]
    seeds = sorted({r.seed for r in chosen})
    means = np.array([np.mean([r.measures for r in chosen if r.seed == s], axis=0) for s in seeds])
    if len(seeds) == 1:
        return [0.0] * means.shape[1]
    return [float(e) for e in means.std(axis=0, ddof=1) / math.sqrt(len(seeds))]


def table(results: Sequence[Result], differences: Iterable[tuple[str, str]]) -> str:
    """Means, and differences of two variants, pair by pair, in Markdown.

    A difference is starred where it is beyond 5 % of Student's t on the pairs' means (two-sided).
    """
    from scipy.stats import t

    heads = ("onsets", "chroma", "MFCC dB", "spectrum dB")
    lines = ["| strength | network | " + " | ".join(heads) + " |", "|---" * (2 + len(heads)) + "|"]
    strengths = sorted({r.strength for r in results})
    variants = list(dict.fromkeys(r.variant for r in results))
    differences = [pair for pair in differences if set(pair) <= set(variants)]
    for strength in strengths:
        for variant in variants:
            errors = seed_error(results, variant, strength)
            cells = [
                f"{e} ({s:.2f})"
                for e, s in zip(estimates(by_pair(results, variant, strength)), errors, strict=True)
            ]
            lines.append(f"| {strength:g} | {variant} | " + " | ".join(cells) + " |")
    lines += ["", "| strength | difference | " + " | ".join(heads) + " |", lines[1]]
    for strength in strengths:
        for variant, reference in differences:
            difference = by_pair(results, variant, strength) - by_pair(results, reference, strength)
            limit = t.ppf(0.975, len(difference) - 1)
            cells = [f"{e}{'*' if abs(e.mean) > limit * e.error else ''}" for e in estimates(difference)]
            lines.append(f"| {strength:g} | {variant} - {reference} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(path: Path, results: Sequence[Result], title: str) -> None:
    """Draw content kept against style reached, a line for each variant through its strengths."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    figure.suptitle(title)
    strengths = sorted({r.strength for r in results})
    panels = ((0, 2, "onset correlation", "MFCC Frechet"), (1, 3, "chroma cosine", "average spectrum"))
    for axes, (kept, reached, x_name, y_name) in zip(figure.subplots(1, 2), panels, strict=True):
        for variant in dict.fromkeys(r.variant for r in results):
            points = [estimates(by_pair(results, variant, s)) for s in strengths]
            axes.errorbar(
                [p[kept].mean for p in points],
                [p[reached].mean for p in points],
                xerr=[p[kept].error for p in points],
                yerr=[p[reached].error for p in points],
                fmt="o-",
                capsize=2,
                label=variant,
            )
        axes.set_xlabel(f"content kept: {x_name}")
        axes.set_ylabel(f"style's distance: {y_name}, dB")
        axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def run(
    description: str,
    name: str,
    variants: Callable[[int], Mapping[str, tuple[Make, int]]],
    differences: Iterable[tuple[str, str]],
) -> None:
    """The command line of an experiment.

    Args:
        description: Its help.
        name: Its picture's name and title.
        variants: From the number of seeds to what is compared.
        differences: Pairs of variants of which the second is taken from the first.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--strengths", type=float, nargs="+", default=list(STRENGTHS))
    parser.add_argument("--only", default="", help="leave out variants whose name does not begin so")
    parser.add_argument("-o", "--output", type=Path, default=Path(f"docs/images/{name}.png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = {name: v for name, v in variants(options.seeds).items() if name.startswith(options.only)}
    results = compare(chosen, options.seconds, options.strengths)
    copied = np.mean(
        [Judge(content, style)(style)[:2] for _, content, style in clips(options.seconds)], axis=0
    )
    print(f"{options.seeds} seeds, {len(PAIRS)} pairs of {options.seconds:g} s; mean ± standard error over")
    print("the pairs (in brackets the standard error that comes of the seeds alone).")
    print(f"The style itself would score {copied[0]:.2f} in onsets and {copied[1]:.2f} in chroma.\n")
    print(table(results, differences))
    draw(options.output, results, name)
