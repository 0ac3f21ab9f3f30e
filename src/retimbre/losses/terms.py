"""Content and style as losses, and their sum as the objective of a transfer.

:class:`ContentLoss` and :class:`StyleLoss` are ordinary torch modules over features (C, T) and can be
used with any network. Both are relative to their target: 0 where it is met, 1 for silence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from retimbre.errors import InputError
from retimbre.losses.gram import gram, gram_product
from retimbre.networks.registry import Features, Network


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
    (:func:`retimbre.losses.gram.gram`), so that clips may differ in length.

    Args:
        target: Features of the style, (C, T'), not all zero.
        weights: Share of each frame in the target's mean, (T',); ``1 / T'`` each if ``None``.

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

    def __init__(self, target: Tensor, weights: Tensor | None = None) -> None:
        super().__init__()
        _check_target(target)
        target = target.detach()
        if weights is not None:
            # A frame of weight w counts like a frame of weight 1 / T' that is sqrt(w T') as large.
            target = target * (weights * target.shape[1]).sqrt()
        self.register_buffer("target", target)
        self.register_buffer("_norm", gram_product(target, target))
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


@dataclass(frozen=True, eq=False)
class Style:
    """What a style is known by: one or more clips, whose statistics are mixed.

    Args:
        clips: Compressed spectrograms (F, T') and the share of each in the mean; shares sum to one.
    """

    clips: list[tuple[Tensor, float]]

    def frames(self, n_frames: int) -> Tensor:
        """Cut the clips, one after the other, or repeat them from the start, to ``n_frames`` frames."""
        return _repeated(torch.cat([frames for frames, _ in self.clips], dim=1), n_frames)

    def fitted(self, n_frames: int) -> "Style":
        """Cut each clip into clips of just ``n_frames``, or repeat it up to that.

        A network sees silence around a clip, and patches with silence in them are part of the
        statistics, more so the shorter the clip. Were the style shorter than what is compared to it, that
        would grow loud at its edges to have as much of them: by 9 dB for 3 s of noise and 10 s.

        >>> clips = Style([(torch.rand(5, 30), 1.0)]).fitted(20).clips
        >>> [(tuple(frames.shape), share) for frames, share in clips]
        [((5, 20), 0.5), ((5, 20), 0.5)]
        """
        fitted = []
        for frames, share in self.clips:
            whole = _repeated(frames, max(n_frames, frames.shape[1]))
            n_clips = -(-whole.shape[1] // n_frames)
            for start in torch.linspace(0, whole.shape[1] - n_frames, n_clips).long().tolist():
                fitted.append((whole[:, start : start + n_frames], share / n_clips))
        return Style(fitted)


def _repeated(frames: Tensor, n_frames: int) -> Tensor:
    times = -(-n_frames // frames.shape[1])
    return frames.repeat(1, times)[:, :n_frames]


class NetworkTerms:
    """Content and style terms of a compressed spectrogram, as a finite network hears them.

    Each term is the weighted mean of its layers' losses.

    Args:
        network: Says which layers count, and how much.
        content: Compressed spectrogram of the content, (F, T).
        style: Frames of the style and their shares.
        hear: From what the content is given as to the features, where that is not the network itself.
    """

    def __init__(
        self,
        network: Network,
        content: Tensor,
        style: Style,
        hear: Callable[[Tensor], Features] | None = None,
    ) -> None:
        self._hear = hear or network
        with torch.no_grad():
            features = self._hear(content)
            heard = [self._hear(frames) for frames, _ in style.clips]
        self._content = {
            name: (weight, ContentLoss(features[name])) for name, weight in network.content_layers.items()
        }
        shares = [share for _, share in style.clips]
        self._style = {
            name: (weight, _joint([h[name] for h in heard], shares))
            for name, weight in network.style_layers.items()
        }

    def __call__(self, spectrogram: Tensor) -> Terms:
        """Terms of a compressed spectrogram (F, T)."""
        features = self._hear(spectrogram)
        return Terms(
            _mean([(w, loss(features[name])) for name, (w, loss) in self._content.items()]),
            _mean([(w, loss(features[name])) for name, (w, loss) in self._style.items()]),
        )


def _joint(features: list[Tensor], shares: list[float]) -> StyleLoss:
    """Style loss of several clips' features (C, T'), with the share of each clip."""
    weights = [
        f.new_full((f.shape[1],), share / f.shape[1]) for f, share in zip(features, shares, strict=True)
    ]
    return StyleLoss(torch.cat(features, dim=1), torch.cat(weights))


def _mean(weighted: list[tuple[float, Tensor]]) -> Tensor:
    total = sum(weight for weight, _ in weighted)
    return torch.stack([weight / total * value for weight, value in weighted]).sum()


class Objective:
    """``content_weight * content + style``: what a transfer minimises.

    Args:
        terms: Gives both terms of a compressed spectrogram (F, T).
        content_weight: Weight of the content term; :meth:`balance` sets it from a strength.
    """

    def __init__(self, terms: Callable[[Tensor], Terms], content_weight: float = 1.0) -> None:
        self.terms = terms
        self.content_weight = content_weight

    def total(self, terms: Terms) -> Tensor:
        """Give the sum."""
        return self.content_weight * terms.content + terms.style

    @torch.no_grad()
    def balance(self, strength: float, content: Tensor, style: Style) -> None:
        """Set the content weight from a strength in (0, 1] and the terms' own scale on these clips.

        How much there is to gain in style is the style term of the content itself. How much there
        is to lose in content is the content term of the style's own frames. In units of these two, the
        weights are ``strength`` and ``1 - strength``.
        """
        gain = self.terms(content).style
        loss = self.terms(style.frames(content.shape[1])).content
        ratio = float(gain / loss) if loss > 0 else 1.0
        self.content_weight = ratio * (1 - strength) / strength
