"""Content and style losses over features, as torch modules.

:class:`ContentLoss` and :class:`StyleLoss` take features (C, T) of any network. Both are relative to their
target: 0 where it is met, 1 for silence.
"""

from torch import Tensor, nn

from retimbre.errors import InputError
from retimbre.losses.gram import gram, gram_product


class ContentLoss(nn.Module):
    """Squared distance to target features, relative to theirs: ``||h - g||^2 / ||g||^2``.

    Gatys et al. 2016, equation 1, normalised.

    Args:
        target: Features of the content, (C, T), not all zero.

    Raises:
        InputError: the target is zero everywhere.

    >>> import torch
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

    >>> import torch
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
