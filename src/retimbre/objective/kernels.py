"""The shallow network at infinite width, in closed form.

The network's weights are random, so every inner product of its features is a Monte-Carlo estimate;
for many filters it converges to a kernel. With frames x_t of X and y_u of Y, K taps and He's variance
``2 / (F K)``, a filter's response to the patches around t and u is a pair of Gaussians with covariance

    q(t, u) = 1 / (F K) sum_k <x_{t+k}, y_{u+k}>,      a(t) = q(t, t) of X,   b(u) = q(u, u) of Y

up to a factor of 2, and the mean product of their rectified values is the arc-cosine kernel of degree one
(Cho and Saul 2009)

    k(t, u) = sqrt(a b) / pi * (sin theta + (pi - theta) cos theta),      cos theta = q / sqrt(a b)

with ``k(t, t) = a(t)``. The next layer sees these as its input (Novak et al. 2019):

    q'(t, u) = 1 / K sum_k k(t+k, u+k).

The style term is the distance of infinite Gram matrices, a maximum mean discrepancy (Li et al. 2017), and
the content term that of infinite features:

    style_l   = (mean k_xx^2 - 2 mean k_xs^2 + mean k_ss^2) / mean k_ss^2
    content_l = mean_t (a_x + a_c - 2 k_xc(t, t)) / mean a_c

The derivatives are smooth, also where two frames are the same (theta = 0):

    dk/dq = (pi - theta) / pi,       dk/da = sin theta / (2 pi) * sqrt(b / a).
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.objective.losses import Style, Terms


class KernelTerms:
    """Content and style terms of a compressed spectrogram, by the kernel of the infinite network.

    Every layer is a style layer with the same weight; the last is the content layer. The loss and its
    gradient are computed together, by the formulas of this module.

    The spectrogram meets itself and every clip of the style in one matrix of products, side by side:
    ``x^T [x 0 s_1 0 s_2 ...]``. Gaps of K//2 silent frames keep the patches of one clip from seeing the next,
    as the zero padding of a convolution does.

    Args:
        content: Compressed spectrogram of the content, (F, T).
        style: Frames of the style and their shares.
        layers: Number of layers.
        taps: Frames K of a patch, odd.

    >>> from retimbre.objective.losses import Style
    >>> x = torch.rand(65, 40)
    >>> terms = KernelTerms(x, Style([(torch.rand(65, 30), 1.0)]), layers=2, taps=11)
    >>> content, style = terms(x)
    >>> float(content) < 1e-5 < float(style)
    True
    """

    def __init__(self, content: Tensor, style: Style, *, layers: int, taps: int) -> None:
        self._content = content.detach().contiguous()
        self._layers, self._taps = layers, taps
        self._content_norms = self._norms(self._content)
        n_frames, gap = content.shape[1], taps // 2
        clips = [frames.detach() for frames, _ in style.clips]
        starts = [n_frames + gap]
        for clip in clips:
            starts.append(starts[-1] + clip.shape[1] + gap)
        self._gaps = [slice(start - gap, start) for start in starts]
        n_columns = starts[-1]  # a gap at the end too: harmless, and every clip is treated alike
        self._beside = content.new_zeros(content.shape[0], n_columns)  # [x 0 s_1 0 ...]
        self._beside_norms = [content.new_zeros(n_columns) for _ in range(layers)]
        weights = content.new_zeros(n_columns)
        weights[:n_frames] = 1 / n_frames**2
        for clip, (_, share), start in zip(clips, style.clips, starts, strict=False):
            here = slice(start, start + clip.shape[1])
            self._beside[:, here] = clip
            weights[here] = -2 * share / (n_frames * clip.shape[1])
            for whole, part in zip(self._beside_norms, self._norms(clip), strict=True):
                whole[here] = part
        scales = self._style_powers(clips, [share for _, share in style.clips])
        self._weights = [weights / (layers * scale) for scale in scales]  # of each column's squares
        self._diagonals = _Diagonals(n_frames, n_columns, taps, content)

    def __call__(self, spectrogram: Tensor) -> Terms:
        """Terms of a compressed spectrogram (F, T) of the content's shape."""
        content, style = _Evaluate.apply(spectrogram, self)  # type: ignore[no-untyped-call]
        return Terms(content, style)

    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Content term, style term, and their gradients (F, T)."""
        norms = self._norms(x)
        content, content_gradient = self._content_term(x, norms)
        style, style_gradient = self._style_term(x, norms)
        return content, style, content_gradient, style_gradient

    def _norms(self, frames: Tensor) -> list[Tensor]:
        """``a`` of each layer: mean power of the patches around each frame, (T,)."""
        norms = [self._mean_over_taps(frames.square().sum(dim=0) / frames.shape[0])]
        for _ in range(self._layers - 1):
            norms.append(self._mean_over_taps(norms[-1]))
        return norms

    def _mean_over_taps(self, values: Tensor) -> Tensor:
        half = self._taps // 2
        return functional.pad(values, (half, half)).unfold(0, self._taps, 1).mean(dim=1)

    def _style_powers(self, clips: list[Tensor], shares: list[float]) -> list[Tensor]:
        """``mean k_ss^2`` of each layer over all pairs of the style's frames."""
        norms = [self._norms(clip) for clip in clips]
        totals = [self._content.new_zeros(()) for _ in range(self._layers)]
        for a, norms_a, share_a in zip(clips, norms, shares, strict=True):
            for b, norms_b, share_b in zip(clips, norms, shares, strict=True):
                diagonals = _Diagonals(a.shape[1], b.shape[1], self._taps, a)
                for n, layer in enumerate(self._kernels(diagonals, a, b, norms_a, norms_b)):
                    totals[n] += share_a * share_b * layer.kernel.square().mean()
        return totals

    def _kernels(
        self,
        diagonals: "_Diagonals",
        x: Tensor,
        y: Tensor,
        norms_x: list[Tensor],
        norms_y: list[Tensor],
        gaps: Sequence[slice] = (),
    ) -> "list[_Layer]":
        """Run the layers from products of frames to kernels (T, U)."""
        # (The sums' factor 1 / (F K), and later 1 / K, rides along with what writes their input.)
        inside = diagonals.inside
        torch.addmm(inside, x.T, y, beta=0, alpha=1 / (len(x) * self._taps), out=inside)
        layers: list[_Layer] = []
        for a, b in zip(norms_x, norms_y, strict=True):
            if layers:
                torch.mul(layers[-1].kernel, 1 / self._taps, out=inside)
            layers.append(_Layer(diagonals.sums(), a, b))
            for gap in gaps:
                layers[-1].kernel[:, gap] = 0
        return layers

    def _style_term(self, x: Tensor, norms: list[Tensor]) -> tuple[Tensor, Tensor]:
        n_frames, taps, inside = x.shape[1], self._taps, self._diagonals.inside
        own = self._beside[:, :n_frames].copy_(x)
        for whole, part in zip(self._beside_norms, norms, strict=True):
            whole[:n_frames] = part
        layers = self._kernels(self._diagonals, x, self._beside, norms, self._beside_norms, self._gaps)
        value = x.new_ones(())  # mean k_ss^2, relative to itself, in the mean over the layers
        d_norms: list[Tensor] = []
        d_kernel: Tensor | None = None
        for layer, weights in zip(reversed(layers), reversed(self._weights), strict=True):
            weighted = layer.kernel * weights
            value = value + torch.dot(layer.kernel.view(-1), weighted.view(-1))
            if d_kernel is None:
                d_kernel = weighted.mul_(2)
            else:  # what the next layer asks of this one comes back through the sums
                d_kernel = weighted.mul_(2).add_(self._diagonals.sums(), alpha=1 / taps)
                for gap in self._gaps:
                    d_kernel[:, gap] = 0
            d_products, d_a = layer.backward(d_kernel, own=n_frames)
            d_norms.insert(0, d_a)
            inside.copy_(d_products)
        # x stands on both sides of its own, symmetric kernel: the other side doubles the first.
        own.mul_(2)
        d_products = self._diagonals.sums()
        for gap in self._gaps:
            d_products[:, gap] = 0
        gradient = x * self._backward_norms(d_norms, len(x))
        return value, gradient.addmm_(self._beside, d_products.T, alpha=1 / (len(x) * taps))

    def _backward_norms(self, d_norms: list[Tensor], n_bins: int) -> Tensor:
        """From gradients by each layer's norms to the factor of x, (T,)."""
        total = torch.zeros_like(d_norms[-1])
        for d in reversed(d_norms):
            total = self._mean_over_taps(total + d)
        return total * (2 / n_bins)

    def _content_term(self, x: Tensor, norms: list[Tensor]) -> tuple[Tensor, Tensor]:
        c, c_norms = self._content, self._content_norms
        scale = c_norms[-1].sum()
        products = self._mean_over_taps((x * c).sum(dim=0) / x.shape[0])
        layers = []
        for a, b in zip(norms, c_norms, strict=True):
            layers.append(_Layer(products, a, b, diagonal=True))
            products = self._mean_over_taps(layers[-1].kernel)
        value = (norms[-1] + c_norms[-1] - 2 * layers[-1].kernel).sum() / scale
        d_norms = [torch.zeros_like(a) for a in norms]
        d_norms[-1] += 1 / scale
        d_kernel = torch.full_like(norms[-1], -2 / float(scale))
        for n in reversed(range(self._layers)):
            d_products, d_a = layers[n].backward(d_kernel)
            d_norms[n] += d_a
            d_kernel = self._mean_over_taps(d_products)
        gradient = c * (d_kernel / x.shape[0])
        return value, gradient.addcmul_(x, self._backward_norms(d_norms, x.shape[0]))


class _Evaluate(torch.autograd.Function):
    """Both terms as functions of the spectrogram, with the gradients that came with them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, terms: KernelTerms) -> tuple[Tensor, Tensor]:
        content, style, d_content, d_style = terms.evaluate(x.detach())
        ctx.save_for_backward(d_content, d_style)
        return content, style

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        d_content, d_style = ctx.saved_tensors
        return (d_style * grads[1]).addcmul_(d_content, grads[0]), None


class _Layer:
    """The arc-cosine kernel of one layer and its derivatives.

    Args:
        products: q, (T, U); or (T,), its diagonal alone.
        a: q of the first clip with itself, (T,).
        b: q of the second clip with itself, (U,).
        diagonal: Whether ``products`` is a diagonal.
    """

    def __init__(self, products: Tensor, a: Tensor, b: Tensor, *, diagonal: bool = False) -> None:
        self._diagonal = diagonal
        root_a, root_b = a.sqrt(), b.sqrt()
        # A silent frame has no direction: its cosine counts as 0 and everything that it meets is 0.
        self._inverse_a, self._root_b = _inverse(root_a), root_b
        cosine = products * (self._inverse_a if diagonal else self._inverse_a[:, None])
        cosine.mul_(_inverse(root_b)).clamp_(-1, 1)
        self._sine = torch.addcmul(cosine.new_ones(()), cosine, cosine, value=-1).sqrt_()
        self._slope = cosine.acos_().mul_(-1 / math.pi).add_(1)  # dk/dq
        size = root_a * root_b if diagonal else torch.outer(root_a, root_b)
        self.kernel = torch.addcmul(products * self._slope, self._sine, size, value=1 / math.pi)

    def backward(self, d_kernel: Tensor, own: int = 0) -> tuple[Tensor, Tensor]:
        """From the gradient by the kernel, those by the products (T, U) and by a (T,).

        In the first ``own`` columns b is a as well: their share in the gradient by a counts twice.
        """
        weighted = d_kernel * self._sine
        root_b = torch.cat([2 * self._root_b[:own], self._root_b[own:]]) if own else self._root_b
        d_a = weighted * root_b if self._diagonal else weighted @ root_b
        return d_kernel * self._slope, d_a * self._inverse_a / (2 * math.pi)


def _inverse(x: Tensor) -> Tensor:
    return torch.where(x > 0, 1 / x, 0)


class _Diagonals:
    """Sums along the diagonals of a matrix: from products of frames to those of K-frame patches.

    ``D[t, u] = sum_j G[t+j, u+j]``, j from -K//2 to K//2, zeros outside: as a linear map it is its own
    transpose. In a zero-padded buffer one step along the diagonal is the same distance in memory
    everywhere, so a sum of K entries takes about 2 log2 K additions of long contiguous vectors: sums of
    2, 4, 8, ... entries by doubling, and of those the ones that make up K.

    Args:
        rows: T.
        columns: U.
        taps: K, odd.
        like: Tensor that gives type and device.

    >>> diagonals = _Diagonals(3, 3, 3, torch.empty(0))
    >>> _ = diagonals.inside.copy_(torch.arange(9.0).reshape(3, 3))
    >>> diagonals.sums()
    tensor([[ 4.,  6.,  2.],
            [10., 12.,  6.],
            [ 6., 10., 12.]])
    """

    def __init__(self, rows: int, columns: int, taps: int, like: Tensor) -> None:
        self._shape, self._taps = (rows, columns), taps
        self._step = columns + taps  # one row down, one column right
        self._buffer = like.new_zeros((rows + taps - 1) * (self._step - 1))
        strides, corner = (self._step - 1, 1), taps // 2 * self._step
        self.inside = self._buffer.as_strided(self._shape, strides, corner)

    def sums(self) -> Tensor:
        """Diagonal sums of what was written to ``inside``; a new tensor (T, U)."""
        step, n = self._step, len(self._buffer) - (self._taps - 1) * self._step
        parts, start = [], 0
        doubled, length = self._buffer, 1  # doubled[i] is the sum of `length` entries from i on
        while True:
            if self._taps & length:
                parts.append(doubled[start * step : start * step + n])
                start += length
            if 2 * length > self._taps:
                break
            doubled = doubled[: -length * step] + doubled[length * step :]
            length *= 2
        total = reduce(torch.add, parts) if len(parts) > 1 else parts[0].clone()
        return total.as_strided(self._shape, (self._step - 1, 1))
