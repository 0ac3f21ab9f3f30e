"""The shallow network: two random 1-D convolutions over the spectrogram's frames."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from retimbre.networks.registry import CHOSEN_LAYERS, Layers, NetworkSpec
from retimbre.settings import Settings


class Shallow(nn.Module):
    """Random 1-D convolutions over time, never trained (after Ulyanov and Lebedev 2016).

    The F frequency bins are the input channels. Each layer is ``relu(conv1d(x))`` with K taps, zero
    padding to the same length, no bias and no pooling. Weights are Gaussian with variance
    ``2 / (C K)`` for C input channels (He et al. 2015). They are buffers of shape (filters, K C), tap
    by tap: they take no gradient.

    Every layer is a style layer; the last one is the content layer.

    Args:
        n_bins: Frequency bins, F.
        layers: Number of convolutions.
        filters: Filters of each convolution.
        taps: Length K of a filter in frames, odd.
        generator: Source of the weights. The same state gives the same network.

    >>> net = Shallow(1025, layers=2, filters=64, taps=11, generator=torch.Generator())
    >>> {name: tuple(layer.shape) for name, layer in net(torch.rand(1025, 30)).items()}
    {'conv1': (64, 30), 'conv2': (64, 30)}
    """

    def __init__(
        self, n_bins: int, *, layers: int, filters: int, taps: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.taps = taps
        channels = n_bins
        self.content_layers: Mapping[str, float]
        self.style_layers: Mapping[str, float]
        names = _layers(layers)
        for name in names:
            weight = torch.randn(filters, taps * channels, generator=generator)
            self.register_buffer(name, weight.mul_((2 / (taps * channels)) ** 0.5))
            channels = filters
        self.content_layers = {names[-1]: 1.0}
        self.style_layers = dict.fromkeys(names, 1.0 / layers)

    def forward(self, spectrogram: Tensor) -> Layers:
        """Map a spectrogram (F, T) to layers ``conv1``, ``conv2``, ... of shape (filters, T)."""
        layers: Layers = {}
        x = spectrogram.T
        for name, weight in self.named_buffers():
            x = (_frame_patches(x, self.taps) @ weight.T).relu()
            layers[name] = x.T
        return layers


def _frame_patches(frames: Tensor, taps: int) -> Tensor:
    """Concatenate each frame with its neighbours: (T, C) to (T, K C), zeros beyond the ends.

    A convolution is then one product with weights (filters, K C). With frames as rows it runs at
    the full rate of the matrix product, forward and backward, about 5 % faster than ``torch.conv1d``,
    which lays out the weights anew in every call (two cores, 2 x 2048 filters, 431 frames).
    """
    padded = functional.pad(frames, (0, 0, taps // 2, taps // 2))
    return torch.cat([padded[k : k + len(frames)] for k in range(taps)], dim=1)


def _build(settings: Settings, n_bins: int) -> Shallow:
    # The weights come from the CPU's generator, so that every device sees the same network.
    return Shallow(
        n_bins,
        layers=settings.layers,
        filters=settings.filters,
        taps=settings.taps,
        generator=torch.Generator().manual_seed(settings.seed),
    )


def _layers(n: int) -> tuple[str, ...]:
    return tuple(f"conv{i + 1}" for i in range(n))


FRONT_END = "log1p of the amplitude spectrogram, any rate; frequency bins are channels"
LAYERS = ("conv1", "conv2", "...")

SPEC = NetworkSpec(
    summary="random 1-D convolutions over the spectrogram's frames (Ulyanov and Lebedev 2016)",
    front_end=FRONT_END,
    layers=LAYERS,
    needs="nothing",
    build=_build,
    layers_of=lambda settings: _layers(settings.layers),
    settings=("layers", "filters", "taps", *CHOSEN_LAYERS),
)
