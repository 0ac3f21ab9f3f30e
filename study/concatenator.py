"""The Concatenator: the content composed of a few windows of the style, inferred by a particle filter.

Written from the paper: Tralie and Cantil 2024, "The Concatenator: a Bayesian approach to real time
concatenative musaicing", ISMIR, arXiv 2411.04366, and for the order of the steps and the values that it
leaves open from the facts of the authors' repository, ``ctralie/TheConcatenator``.

A particle is a set of windows of the style that sound at once. From frame to frame each goes on to its next
window with probability ``p_d``, or jumps to any; a particle is as likely as its best non-negative mixture
fits the content's frame by the Kullback-Leibler divergence. The windows are taken as they are: there is no
search for a phase as in NMF musaicing, and nothing of the future is known.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from study.clips import as_loud, check_sounding

WINDOW = 2048 / 44_100
"""Seconds of a window; the hop is half of it."""
HIGHEST = 8000.0
"""Hz up to which spectra are compared."""
STAYS = 0.95
"""Probability that a window is followed by the style's next, p_d."""
ROUNDS = 10
"""Updates of a mixture, L."""
QUIET, PENALTY = -50.0, 0.1
"""Level in dB under which a window's share is held down, and the weight of its square, alpha."""
DIAGONAL, PROMOTION = 10, 10.0
"""Frames back whose windows, as they would have gone on, are promoted, and by how much."""

_REFERENCE = 2048  # samples of the authors' window, by which magnitudes, and with them the temperature, scale
_TINY = 1e-40


@dataclass(frozen=True)
class Filter:
    """Settings of the particle filter: those of the authors' evaluation.

    They have temperatures of 1, 10, 50 and 100 there. On four melodic pairs for tuning LSD is .70 at 50 and
    .67 at 10, timbre .69 and .51; 200, ten windows at once, 300 particles and no window again for 7 frames
    are within .01 and .03 of 50, and with drums all are alike.

    Args:
        n_particles: Number of particles, P.
        polyphony: Windows that sound at once, p.
        temperature: How much more likely a better fit is, tau.
        repetition: Frames for which a window is not used again, r.
    """

    n_particles: int = 1000
    polyphony: int = 5
    temperature: float = 10.0
    repetition: int = 3


def concatenate(
    content: Audio,
    style: Audio,
    settings: Settings | None = None,
    filtering: Filter = Filter(),
) -> Audio:
    """Compose the content of windows of the style.

    Args:
        content: Clip to compose; channels are mixed.
        style: Clip to compose it of; channels are mixed.
        settings: ``seed``; the default if ``None``.
        filtering: Settings of the particle filter.

    Returns:
        One channel at the content's rate, of its length and loudness.

    Raises:
        InputError: a clip that is silent.
    """
    settings = settings or Settings()
    check_sounding(content, style)
    rate = content.sample_rate
    size = 2 * round(WINDOW * rate / 2)
    target, source = (_windows(clip.resampled(rate), size) for clip in (content, style))
    bins = slice(1, min(int(size * HIGHEST / rate) + 1, size // 2))
    spectra = [torch.fft.rfft(frames).abs()[:, bins] * (_REFERENCE / size) for frames in (target, source)]
    level = 10 * torch.log10(source.square().sum(dim=1).clamp(min=1e-12))
    generator = torch.Generator().manual_seed(settings.seed)
    corpus = _Corpus(spectra[1], PENALTY * (level <= QUIET), generator)
    chosen, shares = infer(spectra[0], corpus, filtering)
    made = torch.einsum("tk,tkn->tn", shares, source[chosen])
    samples = torch.zeros(size // 2 * (len(made) + 1))
    for half in (0, 1):  # frames that do not overlap are laid end to end
        laid = made[half::2].reshape(-1)
        samples[half * (size // 2) :][: len(laid)] += laid
    audio = Audio(samples[size // 2 :][: content.n_samples].numpy()[None], rate)
    return as_loud(audio, content)


@dataclass(frozen=True)
class _Corpus:
    """Windows of the style.

    Args:
        spectra: Magnitudes (K, F).
        penalties: Weights of the squares of their shares, (K,).
        generator: Generator of everything random.
    """

    spectra: Tensor
    penalties: Tensor
    generator: torch.Generator

    def mix(self, states: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Fit mixtures of windows to a frame by Kullback-Leibler updates.

        Args:
            states: Numbers of windows (P, p).
            frame: Magnitudes (F,).

        Returns:
            Shares (P, p), and the mean divergence of each mixture, (P,).
        """
        windows = self.spectra[states]  # (P, p, F)
        weight, penalty = windows.sum(dim=2), self.penalties[states]
        weight = torch.where(weight == 0, 1.0, weight)
        shares = torch.rand(states.shape, generator=self.generator)
        for _ in range(ROUNDS):
            mixture = _positive(torch.bmm(shares[:, None], windows)[:, 0])
            ratio = frame / mixture
            shares = shares * torch.bmm(windows, ratio[:, :, None])[:, :, 0] / (weight + penalty * shares)
        mixture = _positive(torch.bmm(shares[:, None], windows)[:, 0])
        logarithm = torch.where(frame > 0, (frame / mixture).clamp(min=_TINY), 1.0).log()
        return shares, (frame * logarithm - frame + mixture).mean(dim=1)


def infer(frames: Tensor, corpus: _Corpus, filtering: Filter) -> tuple[Tensor, Tensor]:
    """Infer which windows sound in each frame, and their shares.

    Each frame: move every window on or elsewhere; weigh the particles by ``exp(-tau d)``, normalised; let the
    likeliest tenth vote for windows; mix those; where the weights' effective number ``1 / sum w^2`` is under
    a tenth, resample by stochastic universal sampling.

    Args:
        frames: Magnitudes (T, F) of the content.
        corpus: Windows of the style.
        filtering: Settings of the particle filter.

    Returns:
        Numbers of windows (T, p) and shares (T, p).
    """
    n, generator = len(corpus.spectra), corpus.generator
    n_particles, polyphony = filtering.n_particles, min(filtering.polyphony, n)
    fewest = n_particles / 10
    states = torch.randint(n, (n_particles, polyphony), generator=generator)
    weights = torch.full((n_particles,), 1 / n_particles)
    chosen: list[Tensor] = []
    shares: list[Tensor] = []
    for frame in frames:
        goes_on = (torch.rand(states.shape, generator=generator) < STAYS) & (states < n - 1)
        elsewhere = torch.randint(n, states.shape, generator=generator)
        states = torch.where(goes_on, states + 1, elsewhere)
        _, distance = corpus.mix(states, frame)
        likelihood = (-filtering.temperature * distance).exp()
        total = likelihood.sum()
        weights = weights * (likelihood / total if total > _TINY else 1 / n_particles)
        weights = weights / weights.sum().clamp(min=_TINY)
        chosen.append(_vote(states, weights, n, chosen, filtering))
        mixed, _ = corpus.mix(chosen[-1][None], frame)
        shares.append(mixed[0])
        if weights.square().sum() * fewest > 1:
            states = states[_resampled(weights, generator)]
            weights = torch.full_like(weights, 1 / n_particles)
    return torch.stack(chosen), torch.stack(shares)


def _vote(states: Tensor, weights: Tensor, n: int, chosen: list[Tensor], filtering: Filter) -> Tensor:
    """Choose the windows of a frame: the heaviest in the likeliest tenth of the particles.

    Windows that go on from one of the latest frames are promoted; those that just sounded are left out.
    """
    top = weights.topk(max(1, len(weights) // 10)).indices
    votes = torch.zeros(n).index_add_(
        0, states[top].reshape(-1), weights[top, None].expand(-1, states.shape[1]).reshape(-1)
    )
    following = [before + k for k, before in enumerate(reversed(chosen[-DIAGONAL:]), start=1)]
    if following:
        on = torch.unique(torch.cat(following))
        votes[on[on < n]] *= PROMOTION
    for before in chosen[-filtering.repetition :] if filtering.repetition else ():
        votes[before] = 0
    return votes.topk(states.shape[1]).indices


def _resampled(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many particles as there are by stochastic universal sampling."""
    n = len(weights)
    points = (torch.rand(1, generator=generator) + torch.arange(n)) / n
    return torch.searchsorted(weights.double().cumsum(0), points.double()).clamp(max=n - 1)


def _windows(clip: Audio, size: int) -> Tensor:
    """Cut a clip into windows (T, size) under a Hann window, half a window apart, from half before it."""
    mono = torch.from_numpy(clip.samples).mean(dim=0)
    half = size // 2
    n = -(-len(mono) // half) + 1
    padded = torch.nn.functional.pad(mono, (half, n * half + half - len(mono) - half))
    return padded.unfold(0, size, half) * torch.hann_window(size)


def _positive(mixture: Tensor) -> Tensor:
    return torch.where(mixture == 0, 1.0, mixture)
