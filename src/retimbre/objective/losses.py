"""Content and style as losses, and their sum as the objective of a transfer.

:class:`ContentLoss` and :class:`StyleLoss` are ordinary torch modules over features (C, T) and can be
used with any network. Both are relative to their target: 0 where it is met, 1 for silence.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from retimbre.errors import InputError
from retimbre.networks import Network
from retimbre.objective.statistics import gram, gram_product


class ContentLoss(nn.Module):
    """Squared distance to target features, relative to theirs: ``||h - g||^2 / ||g||^2``.

    Gatys et al. 2016, equation 1, normalised.

    Args:
        target: Features of the content, (C, T), not all zero.

    Raises:
        InputError: the target is zero everywhere.

    >>> loss = ContentLoss(torch.ones(4, 10))
    >>> float(loss(torch.ones(4, 10))), float(loss(torch.zeros(4, 10)))
    (0.0, 1.0)
    """

    target: Tensor
    _norm: Tensor

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        _check_target(target)
        self.register_buffer("target", target.detach())
        self.register_buffer("_norm", target.detach().square().sum())

    def forward(self, features: Tensor) -> Tensor:
        """Loss of features of the target's shape; 0-dimensional, at least 0."""
        if features.shape != self.target.shape:
            raise InputError(
                f"features have shape {tuple(features.shape)}: expected the target's, "
                f"{tuple(self.target.shape)}"
            )
        return (features - self.target).square().sum() / self._norm


class StyleLoss(nn.Module):
    """Squared distance of Gram matrices, relative to the target's: ``||G_h - G_g||^2 / ||G_g||^2``.

    Gatys et al. 2016, equation 4, normalised, with Gram matrices averaged over frames
    (:func:`retimbre.objective.statistics.gram`), so that clips may differ in length.

    Args:
        target: Features of the style, (C, T'), not all zero.

    Raises:
        InputError: the target is zero everywhere.

    >>> target = torch.rand(4, 10)
    >>> loss = StyleLoss(target)
    >>> float(loss(target[:, torch.randperm(10)])) < 1e-5  # the order of frames is no part of style
    True
    """

    target: Tensor
    _norm: Tensor
    _gram: Tensor | None

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        _check_target(target)
        self.register_buffer("target", target.detach())
        self.register_buffer("_norm", gram_product(self.target, self.target))
        self.register_buffer("_gram", None)

    def forward(self, features: Tensor) -> Tensor:
        """Loss of features (C, T), any T; 0-dimensional.

        Takes the form of the distance that multiplies less. From products of frames it is a
        difference of numbers near one: in float32 good to about 1e-6, and not always above 0.
        """
        n_features, n_target = self.target.shape
        if features.ndim != 2 or features.shape[0] != n_features:
            raise InputError(f"features have shape {tuple(features.shape)}: expected ({n_features}, frames)")
        if features.shape[1] + n_target < n_features:
            own, cross = gram_product(features, features), gram_product(features, self.target)
            return (own - 2 * cross + self._norm) / self._norm
        if self._gram is None:
            self._gram = gram(self.target)
        return (gram(features) - self._gram).square().sum() / self._norm


def _check_target(target: Tensor) -> None:
    if target.ndim != 2 or not bool(target.any()):
        raise InputError(
            f"the target has shape {tuple(target.shape)}"
            f"{'' if target.ndim != 2 else ' and is zero everywhere'}: "
            "expected features (features, frames) that are not all zero"
        )


class Terms(NamedTuple):
    """The two terms of the objective, 0-dimensional."""

    content: Tensor
    style: Tensor


class Objective:
    """Content and style terms of a compressed spectrogram, as a network hears them.

    Each term is the weighted mean of its layers' losses. The total that a transfer minimises is
    ``content_weight * content + style``.

    Args:
        network: Says which layers count, and how much.
        content: Compressed spectrogram of the content, (F, T).
        style: Compressed spectrogram of the style, (F, T').

    Attributes:
        content_weight: Weight of the content term; set it, or :meth:`balance` it.
    """

    def __init__(self, network: Network, content: Tensor, style: Tensor) -> None:
        self._network = network
        self._content_input, self._style_input = content, style
        with torch.no_grad():
            content_features, style_features = network(content), network(style)
        self._content = {
            name: (weight, ContentLoss(content_features[name]))
            for name, weight in network.content_layers.items()
        }
        self._style = {
            name: (weight, StyleLoss(style_features[name])) for name, weight in network.style_layers.items()
        }
        self.content_weight = 1.0

    def terms(self, spectrogram: Tensor) -> Terms:
        """Content and style terms of a compressed spectrogram (F, T)."""
        features = self._network(spectrogram)
        return Terms(
            _mean([(w, loss(features[name])) for name, (w, loss) in self._content.items()]),
            _mean([(w, loss(features[name])) for name, (w, loss) in self._style.items()]),
        )

    def total(self, terms: Terms) -> Tensor:
        """What is minimised."""
        return self.content_weight * terms.content + terms.style

    @torch.no_grad()
    def balance(self, strength: float) -> None:
        """Set the content weight from a strength in [0, 1] and the terms' own scale on these clips.

        How much there is to gain in style is the style term of the content itself. How much there
        is to lose in content is the content term of the style's own frames (repeated or cut to
        the content's length). In units of these two, the weights are ``strength`` and ``1 - strength``.
        """
        n_frames = self._content_input.shape[1]
        gain = self.terms(self._content_input).style
        loss = self.terms(repeat_to(self._style_input, n_frames)).content
        ratio = float(gain / loss) if loss > 0 else 1.0
        self.content_weight = ratio * (1 - strength) / strength if strength > 0 else float("inf")


def _mean(weighted: list[tuple[float, Tensor]]) -> Tensor:
    total = sum(weight for weight, _ in weighted)
    return torch.stack([weight / total * value for weight, value in weighted]).sum()


def repeat_to(spectrogram: Tensor, n_frames: int) -> Tensor:
    """Cut a spectrogram (F, T), or repeat it from its start, to ``n_frames`` frames."""
    times = -(-n_frames // spectrogram.shape[1])
    return spectrogram.repeat(1, times)[:, :n_frames]
