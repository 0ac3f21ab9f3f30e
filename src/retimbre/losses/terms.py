"""Content and style terms of an objective: a style's statistics, computed once, and their distances."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from retimbre.losses.modules import ContentLoss, StyleLoss
from retimbre.networks.registry import Layers, Network


class Terms(NamedTuple):
    """The two terms of the objective, 0-dimensional."""

    content: Tensor
    style: Tensor


@dataclass(frozen=True, eq=False)
class Style:
    """One or more clips, whose statistics are averaged by their shares.

    Args:
        clips: Compressed spectrograms (F, T'), or samples (C, N) for a network that takes samples, and
            the share of each in the mean; shares sum to one.
    """

    clips: list[tuple[Tensor, float]]

    @property
    def mean(self) -> Tensor:
        """Mean of clips of one length by their shares, (F, T)."""
        (first, share), *others = self.clips
        return sum((s * frames for frames, s in others), start=share * first)

    def frames(self, n_frames: int) -> Tensor:
        """Concatenate the clips, cut or repeated from the start to ``n_frames`` frames, (F, n_frames)."""
        return _repeat(torch.cat([frames for frames, _ in self.clips], dim=1), n_frames)

    def cut(self, n_frames: int) -> "Style":
        """Cut each clip into clips of exactly ``n_frames``, or repeat it to that length.

        A network sees silence around a clip, and patches with silence in them are part of the
        statistics, more so the shorter the clip. Were the style shorter than the content, the result
        would grow loud at its edges to have as much of them: by 9 dB for 3 s of noise and 10 s.

        >>> clips = Style([(torch.rand(5, 30), 1.0)]).cut(20).clips
        >>> [(tuple(frames.shape), share) for frames, share in clips]
        [((5, 20), 0.5), ((5, 20), 0.5)]
        """
        clips = []
        for frames, share in self.clips:
            whole = _repeat(frames, max(n_frames, frames.shape[1]))
            n_clips = -(-whole.shape[1] // n_frames)
            for start in torch.linspace(0, whole.shape[1] - n_frames, n_clips).long().tolist():
                clips.append((whole[:, start : start + n_frames], share / n_clips))
        return Style(clips)


def _repeat(frames: Tensor, n_frames: int) -> Tensor:
    times = -(-n_frames // frames.shape[1])
    return frames.repeat(1, times)[:, :n_frames]


class StyleStatistics(Protocol):
    """The statistics of a style in a network, computed once for any number of contents."""

    def terms(self, content: Tensor) -> Callable[[Tensor], Terms]:
        """Make the terms of a content and the style.

        Args:
            content: Input of the network: a compressed spectrogram (F, T), or samples (C, N).
        """


class NetworkStyle:
    """The Gram statistics of a style in the layers of a finite network.

    Args:
        network: The network, with the weights of its style layers.
        style: Clips and their shares.
        features: Function from an input to the layers; the network itself if ``None``.
    """

    def __init__(
        self, network: Network, style: Style, features: Callable[[Tensor], Layers] | None = None
    ) -> None:
        self.network, self.style, self.features = network, style, features or network
        with torch.no_grad():
            layers = [self.features(frames) for frames, _ in style.clips]
        shares = [share for _, share in style.clips]
        self.losses = {
            name: (weight, _joint_style_loss([clip[name] for clip in layers], shares))
            for name, weight in network.style_layers.items()
        }

    def terms(self, content: Tensor) -> "NetworkTerms":
        """Make the terms of a content and the style."""
        return NetworkTerms(self, content)


class NetworkTerms:
    """Content and style terms by a finite network; each is the weighted mean of its layers' losses.

    Args:
        style: Statistics of the style.
        content: A compressed spectrogram (F, T), or samples (C, N).
    """

    def __init__(self, style: NetworkStyle, content: Tensor) -> None:
        self._style = style
        with torch.no_grad():
            layers = style.features(content)
        self._content = {
            name: (weight, ContentLoss(layers[name])) for name, weight in style.network.content_layers.items()
        }

    def __call__(self, point: Tensor) -> Terms:
        """Compute both terms of a point of the content's shape."""
        layers = self._style.features(point)
        return Terms(
            _mean([(w, loss(layers[name])) for name, (w, loss) in self._content.items()]),
            _mean([(w, loss(layers[name])) for name, (w, loss) in self._style.losses.items()]),
        )


def _joint_style_loss(layers: list[Tensor], shares: list[float]) -> StyleLoss:
    """Make one style loss from the features (C, T') of several clips and the share of each."""
    weights = [f.new_full((f.shape[1],), share / f.shape[1]) for f, share in zip(layers, shares, strict=True)]
    return StyleLoss(torch.cat(layers, dim=1), torch.cat(weights))


def _mean(weighted: list[tuple[float, Tensor]]) -> Tensor:
    total = sum(weight for weight, _ in weighted)
    return torch.stack([weight / total * value for weight, value in weighted]).sum()


class Objective:
    """The loss of a transfer, ``content_weight * content + style``.

    Args:
        terms: Function from a compressed spectrogram (F, T) to both terms.
        content_weight: Weight of the content term; :meth:`balance` sets it from a strength.
    """

    def __init__(self, terms: Callable[[Tensor], Terms], content_weight: float = 1.0) -> None:
        self.terms = terms
        self.content_weight = content_weight

    def total(self, terms: Terms) -> Tensor:
        """Add up the terms."""
        return self.content_weight * terms.content + terms.style

    @torch.no_grad()
    def balance(self, strength: float, content: Tensor, style: Style) -> None:
        """Set the content weight from a strength in (0, 1] and the terms' own scale on these clips.

        The possible gain in style is the style term of the content itself; the possible loss of content is
        the content term of the style's own frames. In units of these two, the weights are ``strength`` and
        ``1 - strength``.

        Args:
            strength: Amount of style, in (0, 1].
            content: Target of the content term, a compressed spectrogram (F, T) or samples (C, N).
            style: The style.
        """
        gain = self.terms(content).style
        loss = self.terms(style.frames(content.shape[1])).content
        ratio = float(gain / loss) if loss > 0 else 1.0
        self.content_weight = ratio * (1 - strength) / strength


def style_statistics(network: Any, style: Style) -> StyleStatistics:
    """Compute the statistics of a style in a network: in closed form where it has one, else by its layers."""
    if hasattr(network, "statistics"):
        statistics: StyleStatistics = network.statistics(style)
        return statistics
    return NetworkStyle(network, style)


def balanced_objective(
    statistics: StyleStatistics,
    content: Tensor,
    style: Style,
    *,
    strength: float,
    content_weight: float | None = None,
) -> Objective:
    """Make the objective of a content and a style.

    Args:
        statistics: Statistics of the style.
        content: Target of the content term, a compressed spectrogram (F, T) or samples (C, N).
        style: The style.
        strength: Strength from which :meth:`Objective.balance` sets the content weight, in (0, 1].
        content_weight: Weight of the content term, instead of the strength.
    """
    objective = Objective(statistics.terms(content))
    if content_weight is None:
        objective.balance(strength, content, style)
    else:
        objective.content_weight = content_weight
    return objective
