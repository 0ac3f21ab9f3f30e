"""Transfer of one block: a pure function of its samples and a prepared style."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from retimbre._content import ContentBlock
from retimbre._sample_domain import SampleStyle
from retimbre._spectrogram_domain import SpectrogramStyle
from retimbre.alignment.passage import Passage
from retimbre.networks.registry import NetworkSpec
from retimbre.optim.step import Report
from retimbre.result import Block
from retimbre.settings import Settings
from retimbre.sound.audio import Audio, fix_length
from retimbre.sound.clips import normalized
from retimbre.sound.loudness import loudness
from retimbre.sound.stft import Window


class PreparedStyle(Protocol):
    """Style at one working rate, with everything computed that does not depend on a content.

    There are two, for networks that take a spectrogram and for networks that take samples.
    """

    def descend(
        self, content: Passage, settings: Settings, render: Callable[[Tensor], Audio], report: Report
    ) -> tuple[Tensor, Block]:
        """Descend from a content towards the style.

        Args:
            content: A block of the content, at the working rate and level.
            settings: Settings of this run, which differ from those of the style in strength at most.
            render: Function from samples at the working rate to sound, for previews.
            report: Receives every step.

        Returns:
            Samples (C, N) at the working rate, and the record of the block.

        Raises:
            KeyboardInterrupt: an interrupt before the first evaluation was completed.
        """


def prepare_style(
    excerpts: Sequence[tuple[Sequence[Audio], float]],
    rate: int,
    window: Window,
    settings: Settings,
    network: NetworkSpec | Any,
) -> PreparedStyle:
    """Analyse a style at a working rate, for the input that the network takes.

    Args:
        excerpts: Excerpts of each style clip, and its share.
        rate: Working rate in Hz.
        window: Short-time Fourier transform at that rate.
        settings: Settings of the transfer.
        network: Spec of a network, or a network.
    """
    clips = [
        ([normalized(piece, rate).to(window.device) for piece in pieces], share) for pieces, share in excerpts
    ]

    def network_for(window: Window) -> Any:
        if not isinstance(network, NetworkSpec):
            return network
        return network.make(window.restate(settings, rate), window.n_bins, window.device)

    network_rate: int | None = getattr(network, "sample_rate", None)
    if network_rate is not None:
        return SampleStyle(clips, rate, network_for(window), network_rate)
    return SpectrogramStyle(clips, rate, window, settings, network_for)


def make_block(content: ContentBlock, style: PreparedStyle, settings: Settings, report: Report) -> Block:
    """Give a block of a content the sound of a style, with the block's own loudness.

    Args:
        content: Block of the content, not silent.
        style: Style at the block's working rate.
        settings: Settings of this run.
        report: Receives every step.

    Raises:
        KeyboardInterrupt: an interrupt before the first evaluation was completed.
    """

    def render(samples: Tensor) -> Audio:
        made = Audio(samples.cpu().numpy(), content.rate).resampled(content.sample_rate).samples
        cut = fix_length(made[:, content.margin :], content.samples.shape[1])
        if cut.any():
            level = content.loudness - loudness(Audio(cut, content.sample_rate))
            cut = cut * np.float32(10 ** (level / 20))
        return Audio(cut, content.sample_rate)

    samples, record = style.descend(content.passage, settings, render, report)
    return replace(record, samples=render(samples).samples)
