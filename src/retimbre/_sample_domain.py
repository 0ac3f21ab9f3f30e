"""The domain of networks that take samples: a prepared style, and the descent towards it."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from retimbre.alignment.passage import Passage
from retimbre.losses.terms import NetworkStyle, Style, balanced_objective
from retimbre.networks.registry import Layers, Network
from retimbre.optim.minimise import minimise
from retimbre.optim.step import Report
from retimbre.result import Block
from retimbre.settings import BALANCED, Settings
from retimbre.sound.audio import Audio
from retimbre.sound.resampling import resample


class SampleStyle:
    """Style at one working rate, prepared for networks that take samples.

    Args:
        clips: Excerpts of each style clip, samples (C, N) at the working rate and level, and its share.
        rate: Working rate in Hz.
        network: Network that takes samples.
        network_rate: Rate of its input in Hz.
    """

    def __init__(
        self,
        clips: Sequence[tuple[Sequence[Tensor], float]],
        rate: int,
        network: Network,
        network_rate: int,
    ) -> None:
        self._rate, self._network, self._network_rate = rate, network, network_rate
        self._style = Style([(torch.cat(list(pieces), dim=1), share) for pieces, share in clips])
        self._cut: tuple[torch.Size, NetworkStyle] | None = None

    def _statistics(self, shape: torch.Size) -> NetworkStyle:
        """Compute the statistics for contents of a shape (C, N); blocks of one shape share them."""
        if self._cut is None or self._cut[0] != shape:
            n_channels, n_samples = shape
            clips = self._style.cut(n_samples).clips
            style = Style([(_match_channels(samples, n_channels), share) for samples, share in clips])
            self._cut = shape, NetworkStyle(self._network, style, self._features)
        return self._cut[1]

    def _features(self, samples: Tensor) -> Layers:
        return self._network(resample(samples, self._rate, self._network_rate))

    def descend(
        self, content: Passage, settings: Settings, render: Callable[[Tensor], Audio], report: Report
    ) -> tuple[Tensor, Block]:
        """Descend over the waveform; arguments and result as :meth:`SpectrogramStyle.descend` has them."""
        (samples,) = content.pieces
        statistics = self._statistics(samples.shape)
        objective = balanced_objective(
            statistics,
            samples,
            statistics.style,
            strength=BALANCED if settings.strength is None else settings.strength,
            content_weight=settings.content_weight,
        )
        found = minimise(
            objective,
            _start(samples, statistics.style, settings),
            settings,
            stage="waveform",
            n_iter=settings.n_iter,
            spectrogram_of=lambda x: x,
            report=report,
            preview=render,
        )
        return found.point, Block(
            samples=None,
            best=found.best,
            loss=found.best.loss if found.best else math.nan,
            content_weight=objective.content_weight,
            spectral_convergence=-math.inf,  # the waveform itself is the variable
            stopped=found.stopped,
        )


def _match_channels(samples: Tensor, n_channels: int) -> Tensor:
    """Match a style's channels to the content's: its own if they are as many, else their mean in each."""
    return samples if len(samples) == n_channels else samples.mean(dim=0).expand(n_channels, -1)


def _start(content: Tensor, style: Style, settings: Settings) -> Tensor:
    """Choose the samples (C, N) from which the descent starts."""
    if settings.init == "content":
        return content
    if settings.init == "style":
        return style.frames(content.shape[1])
    generator = torch.Generator().manual_seed(settings.seed)
    return torch.randn(content.shape, generator=generator).to(content.device) * content.std()
