"""Gram matrices in a held-out network: a second shallow network that no method optimises.

A transfer lowers the distance of Gram matrices in its own network, so that they are no evidence. Here all
that can differ does: another seed, 512 filters of 7 taps for 2048 of 11, a window of 50 ms every 20 ms at
16 kHz for 93 ms every 23 ms at the clip's own rate.
"""

from functools import cache

import torch
from torch import Tensor

from retimbre.losses.gram import gram
from retimbre.networks.shallow import Shallow
from retimbre.sound.audio import Audio
from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import Window, log_magnitude

RATE = 16_000
"""Sample rate of the network's input in Hz."""

_WINDOW = Window(800, 320)
_FILTERS, _TAPS = 512, 7
_SEED = 1_614_402_017  # far from what anyone would choose
_LEVEL = 0.1  # root mean square, as music has it; log1p depends on levels, and measures must not


def grams(clip: Audio) -> list[Tensor]:
    """Compute the Gram matrices of the two layers, (512, 512) each; zero for silence."""
    samples = torch.from_numpy(clip.resampled(RATE).samples)
    level = samples.square().mean().sqrt()
    if level > 0:
        samples = samples * (_LEVEL / level)
    with torch.no_grad():
        layers = _network()(log_magnitude(joint_magnitude(_WINDOW.stft(samples))))
    return [gram(layer) for layer in layers.values()]


@cache
def _network() -> Shallow:
    generator = torch.Generator().manual_seed(_SEED)
    return Shallow(_WINDOW.n_bins, layers=2, filters=_FILTERS, taps=_TAPS, generator=generator)
