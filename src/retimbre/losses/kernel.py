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

Both are ratios, and the kernel is of degree one in its inputs: factors such as 1 / (F K) cancel and are
left out below. The derivatives are smooth, also where two frames are the same (theta = 0):

    dk/dq = (pi - theta) / pi,       dk/da = sin theta / (2 pi) * sqrt(b / a).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.losses.arccosine import Layer, Stack
from retimbre.losses.terms import Style, Terms
from retimbre.networks.registry import NetworkSpec
from retimbre.networks.shallow import FRONT_END, LAYERS

Gradient = Callable[[Tensor, Tensor], Tensor]
"""Function from the weights of the content and the style term to the gradient (F, T) of their sum."""


@dataclass(frozen=True)
class Kernel:
    """The infinite network, as the registry makes it: statistics in closed form instead of features.

    Every layer is a style layer with the same weight; the last is the content layer.

    Args:
        layers: Number of layers.
        taps: Frames K of a patch, odd.
    """

    layers: int
    taps: int

    def statistics(self, style: Style) -> "KernelStyle":
        """Compute the statistics of a style."""
        return KernelStyle(style, layers=self.layers, taps=self.taps)


class KernelStyle:
    """The statistics of a style in the infinite network.

    Args:
        style: Compressed spectrograms and their shares.
        layers: Number of layers.
        taps: Frames K of a patch, odd.

    >>> from retimbre.losses.terms import Style
    >>> x = torch.rand(65, 40)
    >>> terms = KernelStyle(Style([(torch.rand(65, 30), 1.0)]), layers=2, taps=11).terms(x)
    >>> content, style = terms(x)
    >>> float(content) < 1e-5 < float(style)
    True
    """

    def __init__(self, style: Style, *, layers: int, taps: int) -> None:
        self.layers, self.taps = layers, taps
        self.clips = [(frames.detach(), share) for frames, share in style.clips]
        self.norms = [_norms(frames.square().sum(dim=0), layers, taps) for frames, _ in self.clips]
        self.powers = self._powers()

    def _powers(self) -> list[Tensor]:
        """Compute ``mean k_ss^2`` of each layer over all pairs of the style's frames."""
        totals = [torch.zeros_like(self.norms[0][0][0]) for _ in range(self.layers)]
        for (x, share_x), norms_x in zip(self.clips, self.norms, strict=True):
            for (y, share_y), norms_y in zip(self.clips, self.norms, strict=True):
                stack = Stack(x.shape[1], y.shape[1], layers=self.layers, taps=self.taps, like=x)
                stack.forward(x, y, norms_x, norms_y)
                for n, kernel in enumerate(stack.kernels):
                    totals[n] += share_x * share_y * kernel.square().mean()
        return totals

    def terms(self, content: Tensor) -> "KernelTerms":
        """Make the terms of a content and the style."""
        return KernelTerms(self, content)


class KernelTerms:
    """Content and style terms of a compressed spectrogram, by the kernel of the infinite network.

    The loss and its gradient are computed together, by the formulas of this module. The spectrogram meets
    itself and every clip of the style in one matrix of products, side by side: ``x^T [x 0 s_1 0 s_2 ...]``.
    Gaps of K//2 silent frames keep the patches of one clip from the next, as the zero padding of a
    convolution does.

    Args:
        style: Statistics of the style.
        content: Compressed spectrogram of the content, (F, T).
    """

    def __init__(self, style: KernelStyle, content: Tensor) -> None:
        self._content = content.detach().contiguous()
        self._layers, self._taps = layers, taps = style.layers, style.taps
        self._work = torch.empty_like(self._content)
        self._content_norms = self._norms(self._content)
        n_frames, gap = content.shape[1], taps // 2
        starts = [n_frames + gap]
        for clip, _ in style.clips:
            starts.append(starts[-1] + clip.shape[1] + gap)
        gaps = [slice(start - gap, start) for start in starts]
        n_columns = starts[-1]  # a gap at the end too: harmless, and the same for every clip
        self._beside = content.new_zeros(content.shape[0], n_columns)  # [x 0 s_1 0 ...]
        self._beside_norms = [content.new_zeros(n_columns) for _ in range(layers)]
        weights = content.new_zeros(n_columns)
        weights[:n_frames] = 1 / n_frames**2
        for (clip, share), norms, start in zip(style.clips, style.norms, starts, strict=False):
            here = slice(start, start + clip.shape[1])
            self._beside[:, here] = clip
            weights[here] = -2 * share / (n_frames * clip.shape[1])
            for whole, part in zip(self._beside_norms, norms, strict=True):
                whole[here] = part
        self._weights = [weights / (layers * power) for power in style.powers]  # of each column's squares
        self._pairs = Stack(n_frames, n_columns, layers=layers, taps=taps, like=content, gaps=gaps)
        self._evaluations = 0
        self._diagonal = [Layer((n_frames,), content) for _ in range(layers)]
        self._kernels = [content.new_empty(n_frames) for _ in range(layers)]

    def __call__(self, spectrogram: Tensor) -> Terms:
        """Compute both terms of a compressed spectrogram (F, T) of the content's shape."""
        content, style = _Evaluate.apply(spectrogram, self)  # type: ignore[no-untyped-call]
        return Terms(content, style)

    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor, Gradient]:
        """Compute content term, style term, and a function for the gradient of a weighted sum of them."""
        self._evaluations += 1
        norms, number = self._norms(x), self._evaluations
        content, of_content, along = self._content_term(x, norms)
        style, of_style, d_products = self._style_term(x, norms)

        def gradient(d_content: Tensor, d_style: Tensor) -> Tensor:
            if number != self._evaluations:  # a later evaluation has overwritten this one's tensors
                return self.evaluate(x)[2](d_content, d_style)
            whole = x * (d_content * of_content + d_style * of_style)
            whole.addcmul_(self._content, d_content * along)
            return whole.addmm_(self._beside, d_products.T, alpha=d_style.item())

        return content, style, gradient

    def _norms(self, frames: Tensor) -> list[Tensor]:
        return _norms(self._dots(frames, frames), self._layers, self._taps)

    def _dots(self, a: Tensor, b: Tensor) -> Tensor:
        """Compute the inner products (T,) of equal columns of a (F, T) and b (F, T)."""
        return torch.mul(a, b, out=self._work.resize_(a.shape)).sum(dim=0)

    def _style_term(self, x: Tensor, norms: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the style term, and its gradient's factors of x, (T,), and of the clips, (T, U)."""
        n_frames = x.shape[1]
        self._beside[:, :n_frames] = x
        for whole, part in zip(self._beside_norms, norms, strict=True):
            whole[:n_frames] = part
        self._pairs.forward(x, self._beside, norms, self._beside_norms)
        # own: x is on both sides of its own, symmetric kernel.
        value, d_norms, d_products = self._pairs.sum_squares(self._weights, own=n_frames)
        return 1 + value, self._backward_norms(d_norms), d_products  # 1: mean k_ss^2, relative to itself

    def _backward_norms(self, d_norms: list[Tensor]) -> Tensor:
        """Propagate gradients by the norms, (T,) per layer, to the factors of the frames of x, (T,)."""
        total = torch.zeros_like(d_norms[-1])
        for d in reversed(d_norms):
            total = _sum_over_taps(total + d, self._taps)
        return 2 * total

    def _content_term(self, x: Tensor, norms: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the content term, and its gradient's factors of x and of the content, (T,) each."""
        c_norms = self._content_norms
        scale = c_norms[-1].sum()
        products = _sum_over_taps(self._dots(x, self._content), self._taps)
        for layer, kernel, a, b in zip(self._diagonal, self._kernels, norms, c_norms, strict=True):
            layer.forward(products, a, b, out=kernel)
            products = _sum_over_taps(kernel, self._taps)
        value = (norms[-1] + c_norms[-1] - 2 * self._kernels[-1]).sum() / scale
        d_norms = [torch.zeros_like(a) for a in norms]
        d_norms[-1] += 1 / scale
        d_kernel = (-2 / scale).repeat(len(norms[-1]))
        for n in reversed(range(self._layers)):
            d_products = torch.empty_like(d_kernel)
            d_norms[n] += self._diagonal[n].backward(d_kernel, out=d_products)
            d_kernel = _sum_over_taps(d_products, self._taps)
        return value, self._backward_norms(d_norms), d_kernel


def _norms(power: Tensor, layers: int, taps: int) -> list[Tensor]:
    """Compute the squared norms of the patches around each frame, one (T,) tensor per layer.

    Args:
        power: Squared norms of the frames, (T,).
        layers: Number of layers.
        taps: Frames K of a patch, odd.
    """
    norms = [_sum_over_taps(power, taps)]
    for _ in range(layers - 1):
        norms.append(_sum_over_taps(norms[-1], taps))
    return norms


def _sum_over_taps(values: Tensor, taps: int) -> Tensor:
    return functional.pad(values, (taps // 2, taps // 2)).unfold(0, taps, 1).sum(dim=1)


class _Evaluate(torch.autograd.Function):
    """Function of autograd from the spectrogram to both terms."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, terms: KernelTerms) -> tuple[Tensor, Tensor]:
        content, style, ctx.gradient = terms.evaluate(x.detach().contiguous())
        return content, style

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return ctx.gradient(*grads), None


SPEC = NetworkSpec(
    summary="the network shallow with infinitely many filters, in closed form: the default",
    front_end=FRONT_END,
    layers=LAYERS,
    needs="nothing",
    build=lambda settings, n_bins: Kernel(settings.layers, settings.taps),
    settings=("layers", "taps"),
)
