"""Gram matrices, the statistics of a style, and distances between them.

The Gram matrix of features h (C, T) is ``G = h h^T / T``: correlations of features, averaged over time,
whatever the order of the frames. Its distance to another can be had in two ways. With
``<h, g> = h^T g``, a T x T' matrix of products between frames,

    ||G_h - G_g||^2 = ||h^T h||^2 / T^2 - 2 ||h^T g||^2 / (T T') + ||g^T g||^2 / T'^2

(the trace is cyclic). The left side costs ``C^2 T`` multiplications, the right side
``C T (T + T')``: cheaper when there are fewer frames than features, as in a clip of seconds
seen by a network of thousands of filters.
"""

from torch import Tensor


def gram(features: Tensor) -> Tensor:
    """Compute the Gram matrix ``h h^T / T`` of features (C, T): (C, C), symmetric, positive semidefinite.

    >>> import torch
    >>> gram(torch.tensor([[3.0, 4.0]]))
    tensor([[12.5000]])
    """
    return features @ features.T / features.shape[1]


def gram_product(a: Tensor, b: Tensor) -> Tensor:
    """Compute the inner product ``<G_a, G_b>`` of the Gram matrices of (C, T) and (C, T'), the cheaper way.

    >>> import torch
    >>> h, g = torch.rand(5, 8), torch.rand(5, 9)
    >>> torch.allclose(gram_product(h, g), (gram(h) * gram(g)).sum())
    True
    """
    if len(a) < a.shape[1] + b.shape[1]:
        return (gram(a) * gram(b)).sum()
    return (a.T @ b).square().sum() / (a.shape[1] * b.shape[1])
