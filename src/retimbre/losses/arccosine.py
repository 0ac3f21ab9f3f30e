"""Arc-cosine kernels between the frames of two clips, layer by layer, and their backward passes.

See :mod:`retimbre.losses.kernel` for the formulas. Both directions write into memory that is
allocated once: an evaluation goes over some thirty arrays of megabytes, and the system hands out new ones
page by page.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from retimbre.losses.diagonals import Diagonals


class Layer:
    """The arc-cosine kernel of one layer and its derivatives.

    Args:
        shape: (T, U); or (T,) for the diagonal alone.
        like: Tensor that gives type and device.

    >>> layer = Layer((2,), torch.empty(0))
    >>> one, kernel = torch.ones(2), torch.empty(2)
    >>> layer.forward(torch.tensor([1.0, 0.0]), one, one, out=kernel)  # cos = 1 and 0
    >>> kernel  # 1 and 1 / pi
    tensor([1.0000, 0.3183])
    """

    def __init__(self, shape: tuple[int, ...], like: Tensor) -> None:
        self._sine, self._slope = like.new_empty(shape), like.new_empty(shape)
        self._column = (-1, 1)[: len(shape)]
        self._one = like.new_ones(())

    def forward(self, products: Tensor, a: Tensor, b: Tensor, *, out: Tensor) -> None:
        """Compute the kernel into ``out``.

        Args:
            products: Products q of the patches of both clips, (T, U) or (T,). Overwritten.
            a: Squared norms of the patches of the first clip, (T,).
            b: Squared norms of the patches of the second clip, (U,).
            out: Kernel, of the shape of ``products``.
        """
        root_a, self._root_b = a.sqrt().view(self._column), b.sqrt()
        # A silent frame has no direction: its cosine counts as 0, and so do its kernels.
        self._inverse_a = _inverse(root_a)
        cosine = torch.mul(products, self._inverse_a, out=self._slope)
        cosine.mul_(_inverse(self._root_b)).clamp_(-1, 1)
        torch.addcmul(self._one, cosine, cosine, value=-1, out=self._sine).sqrt_()
        torch.sub(self._one, cosine.acos_(), alpha=1 / math.pi, out=self._slope)  # dk/dq
        products.mul_(self._slope)
        size = torch.mul(root_a, self._root_b, out=out)
        torch.addcmul(products, self._sine, size, value=1 / math.pi, out=out)

    def backward(self, d_kernel: Tensor, *, out: Tensor, own: int = 0) -> Tensor:
        """Compute the gradients by the products, into ``out``, and by ``a``.

        Args:
            d_kernel: Gradient by the kernel, (T, U) or (T,). Overwritten.
            out: Gradient by the products, of the same shape.
            own: Number of first columns in which b is a as well: their share in the gradient by a counts
                twice.

        Returns:
            Gradient by ``a``, (T,).
        """
        torch.mul(d_kernel, self._slope, out=out)
        d_kernel.mul_(self._sine)
        root_b = torch.cat([2 * self._root_b[:own], self._root_b[own:]]) if own else self._root_b
        d_a = d_kernel * root_b if d_kernel.ndim == 1 else d_kernel @ root_b
        return d_a * self._inverse_a.flatten() / (2 * math.pi)


def _inverse(x: Tensor) -> Tensor:
    return torch.where(x > 0, 1 / x, 0)


class Stack:
    """Stack of layers for the frames x_t of one clip and y_u of another.

    Args:
        rows: Frames T of the one clip.
        columns: Frames U of the other.
        layers: Number of layers.
        taps: Frames K of a patch, odd.
        like: Tensor that gives type and device.
        gaps: Silent columns.
    """

    def __init__(
        self, rows: int, columns: int, *, layers: int, taps: int, like: Tensor, gaps: Sequence[slice] = ()
    ) -> None:
        first = Diagonals(rows, columns, taps, like)
        deeper = [Diagonals(rows, columns, taps, like, sharing=first) for _ in range(layers - 1)]
        self._inputs = [first, *deeper]
        self._layers = [Layer((rows, columns), like) for _ in range(layers)]
        self._work, self._gaps = like.new_empty(rows, columns), gaps
        self.kernels = [*(d.inside for d in deeper), like.new_empty(rows, columns)]
        """Kernels of the last :meth:`forward`, one (T, U) tensor per layer."""

    def forward(self, x: Tensor, y: Tensor, norms_x: list[Tensor], norms_y: list[Tensor]) -> None:
        """Compute the kernels of two clips.

        Args:
            x: Frames of the one clip, (F, T).
            y: Frames of the other, (F, U).
            norms_x: Squared norms of the patches of x, one (T,) tensor per layer.
            norms_y: Squared norms of the patches of y, one (U,) tensor per layer.
        """
        torch.mm(x.T, y, out=self._inputs[0].inside)
        for layer, diagonals, a, b, kernel in zip(
            self._layers, self._inputs, norms_x, norms_y, self.kernels, strict=True
        ):
            layer.forward(diagonals.sums(), a, b, out=kernel)
            for gap in self._gaps:
                kernel[:, gap] = 0

    def sum_squares(self, weights: list[Tensor], *, own: int) -> tuple[Tensor, list[Tensor], Tensor]:
        """Sum ``weights[u] kernel[t, u]^2`` over layers, t and u; overwrites the kernels.

        Args:
            weights: Weights of the columns, one (U,) tensor per layer.
            own: Number of first columns that are x itself: their share in the gradient by x counts twice.

        Returns:
            The sum; its gradients by the squared norms of x, one (T,) tensor per layer; and its gradient by
            the products of frames, (T, U), valid until the next call.
        """
        value, d_norms = weights[0].new_zeros(()), list[Tensor]()
        d_products: Tensor | None = None
        for layer, kernel, of_columns in zip(
            reversed(self._layers), reversed(self.kernels), reversed(weights), strict=True
        ):
            d_kernel = torch.mul(kernel, 2 * of_columns, out=self._work)
            value = value + kernel.mul_(d_kernel).sum() / 2
            if d_products is not None:  # from the layer above
                d_kernel += d_products
            # The first layer's input is free by now; those of the deeper ones still hold the kernels.
            d_norms.insert(0, layer.backward(d_kernel, out=self._inputs[0].inside, own=own))
            d_products = self._inputs[0].sums()
            for gap in self._gaps:
                d_products[:, gap] = 0
        assert d_products is not None
        d_products[:, :own] *= 2
        return value, d_norms, d_products
