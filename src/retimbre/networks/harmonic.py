"""The harmonic network: random convolutions over harmonics, the same at every pitch."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from retimbre.networks.registry import CHOSEN_LAYERS, Layers, NetworkSpec
from retimbre.settings import REFERENCE_RATE, Settings

LOWEST, PER_OCTAVE, POSITIONS = 80.0, 12, 56
"""Positions: the lowest fundamental in Hz (an octave and a fifth below middle C), one a semitone, up to
1920 Hz. Neighbours of the lowest are half a bin apart under the default window."""

HARMONICS = 24
"""Harmonics of a position, the fundamental among them."""

FILTERS, TAPS = 128, 5
"""Filters of the convolution, and its length in frames (116 ms by default): long enough for an attack. On the
eight melodic pairs for tuning (strength .95 from the quantile match) the timbre's distance from the target is
.56 of the content's, .54 with another seed; with one tap .50 and .52, with 11 taps .53, with 64 filters .57.
The settings ``layers``, ``filters`` and ``taps`` are those of the shallow network and are not read here."""


class Harmonic(nn.Module):
    """A random 1-D convolution over time, whose channels are the harmonics of a pitch; never trained.

    At every position p the spectrogram x (F, T) is read at the multiples of a fundamental, by linear
    interpolation between bins, as zero above the highest bin (the harmonic CQT of Bittner et al. 2017, from
    an ordinary transform):

        s(h, p, t) = x(h f_p, t),    f_p = 80 Hz 2^(p / 12),    h = 1 ... 24

    The 24 harmonics are the input channels of ``relu(conv1d(s))`` with K taps and zero padding to the same
    length. Weights are Gaussian with variance ``2 / (24 K)`` (He et al. 2015) and the same at every position:
    a tone and its transposition have the same features a few positions apart. Layers are laid out as
    (channels, positions x frames), so that a Gram matrix averages over pitch as it averages over time: a
    style brings its harmonics and attacks, not its notes.

    ``conv1`` is the style layer and the content layer: the content term compares position by position and
    keeps the notes. ``harmonics`` is s itself.

    Args:
        n_bins: Frequency bins, F.
        bin_width: Distance of neighbouring bins in Hz.
        filters: Filters of the convolution.
        taps: Length K of a filter in frames, odd.
        generator: Source of the weights. The same state gives the same network.

    >>> net = Harmonic(1025, 22050 / 2048, filters=16, generator=torch.Generator())
    >>> {name: tuple(layer.shape) for name, layer in net(torch.rand(1025, 30)).items()}
    {'harmonics': (24, 1680), 'conv1': (16, 1680)}
    """

    low: Tensor
    share: Tensor
    conv1: Tensor

    def __init__(
        self,
        n_bins: int,
        bin_width: float,
        *,
        filters: int = FILTERS,
        taps: int = TAPS,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.taps = taps
        low, share = _bin_positions(n_bins, bin_width)
        self.register_buffer("low", low)
        self.register_buffer("share", share)
        weight = torch.randn(filters, taps * HARMONICS, generator=generator)
        self.register_buffer("conv1", weight.mul_((2 / (taps * HARMONICS)) ** 0.5))
        self.content_layers: Mapping[str, float] = {"conv1": 1.0}
        self.style_layers: Mapping[str, float] = {"conv1": 1.0}

    def forward(self, spectrogram: Tensor) -> Layers:
        """Map (F, T) to the layers ``harmonics`` (24, 56 T) and ``conv1`` (filters, 56 T)."""
        sampled = self.sample(spectrogram)
        half = self.taps // 2
        padded = functional.pad(sampled, (half, half))
        # One product with all taps side by side, (filters, K 24) times (K 24, 56 T): a convolution of so few
        # channels is otherwise far from the rate of the matrix product.
        n_frames = spectrogram.shape[1]
        taps = [padded[..., k : k + n_frames].flatten(1) for k in range(self.taps)]
        features = (self.conv1 @ torch.cat(taps)).relu()
        return {"harmonics": sampled.flatten(1), "conv1": features}

    def sample(self, spectrogram: Tensor) -> Tensor:
        """Interpolate a spectrogram (F, T) at the harmonics of all positions: (24, 56, T)."""
        share = self.share[:, None]
        silence = functional.pad(spectrogram, (0, 0, 0, 2))  # zero above the highest bin
        sampled = silence[self.low] * (1 - share) + silence[self.low + 1] * share
        return sampled.view(HARMONICS, POSITIONS, -1)


def _bin_positions(n_bins: int, bin_width: float) -> tuple[Tensor, Tensor]:
    """Find the bin below each multiple of each position, and the share of the bin above, both (24 x 56)."""
    fundamentals = LOWEST * 2 ** (torch.arange(POSITIONS, dtype=torch.float64) / PER_OCTAVE)
    multiples = torch.arange(1, HARMONICS + 1, dtype=torch.float64)
    bins = (multiples[:, None] * fundamentals / bin_width).flatten()
    bins = torch.where(bins > n_bins - 1, n_bins, bins)
    low = bins.floor()
    return low.long(), (bins - low).float()


def _build(settings: Settings, n_bins: int) -> Harmonic:
    generator = torch.Generator().manual_seed(settings.seed)  # the CPU's: the same network on every device
    return Harmonic(n_bins, REFERENCE_RATE / settings.n_fft, generator=generator)


SPEC = NetworkSpec(
    summary="a random 1-D convolution over the overtones of each pitch: a style without its notes",
    front_end="log1p of the amplitude spectrogram, any rate; 24 harmonics of 56 pitches from 80 Hz",
    layers=("harmonics", "conv1"),
    needs="nothing; best with --align off --match quantile",
    build=_build,
    settings=CHOSEN_LAYERS,
)
