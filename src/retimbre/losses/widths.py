"""Style terms without content, at several widths of kernel.

Antognini et al. 2019 ("Audio texture synthesis with random neural networks: improving diversity and quality")
hear a texture with filters of many lengths: short ones for what sounds together, long ones for rhythm.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from retimbre.losses.kernel import KernelTerms
from retimbre.losses.terms import NetworkTerms, Style, Terms
from retimbre.networks.registry import build
from retimbre.settings import Settings


def style_terms(
    frames: Tensor, n_frames: int, settings: Settings, *, widths: Sequence[float]
) -> Callable[[Tensor], Terms]:
    """Give the terms of spectrograms (F, ``n_frames``): the mean of the style terms; content 0.

    The style is cut into clips of just that length, or repeated up to it (:meth:`Style.fitted`).

    Args:
        frames: Compressed spectrogram of the style, (F, T), any T.
        n_frames: Frames of what the terms are of.
        settings: ``network`` and its options.
        widths: Lengths of the kernels in units of the setting ``taps``. The network ``shallow`` has the one
            that is set.

    >>> terms = style_terms(torch.rand(65, 30), 40, Settings(), widths=(1, 3))
    >>> content, style = terms(torch.rand(65, 40))
    >>> float(content), float(style) > 0
    (0.0, True)
    """
    style = Style([(frames, 1.0)]).fitted(n_frames)
    like = style.clips[0][0]  # stands for a content: gives the shape, has no weight
    parts: list[Callable[[Tensor], Terms]]
    if settings.network != "kernel":
        parts = [NetworkTerms(build(settings, len(like), like.device), like, style)]
    else:
        taps = sorted({round(settings.taps * width) // 2 * 2 + 1 for width in widths})
        parts = [KernelTerms(like, style, layers=settings.layers, taps=k) for k in taps]

    def terms(spectrogram: Tensor) -> Terms:
        mean = torch.stack([part(spectrogram).style for part in parts]).mean()
        return Terms(torch.zeros_like(mean), mean)

    return terms
