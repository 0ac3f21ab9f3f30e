"""Trained against random weights in one architecture: the VGG of docs/tutorial.md and its twins.

    RETIMBRE_MTT_VGG=FILE python experiments/training.py [--seeds 3] [--seconds 4]
                                                         [-o docs/images/training.png]

A twin without training is not one thing, so there are three: weights drawn anew (He et al. 2015) with batch
norms that do nothing; the same with batch norms fitted to the clips, as training would have done; and the
trained weights in random order within each layer, again with fitted batch norms.

VGGish and CNN14 are compared with their random twins too where their weights have been imported.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from common import RATE, Make, clips, run, tutorial
from torch import nn

from retimbre.errors import RetimbreError
from retimbre.networks.registry import network_spec
from retimbre.settings import Settings
from retimbre.sound.resampling import resample

TRAINED, DRAWN, FITTED, SHUFFLED = "trained", "random", "random, norms fitted", "shuffled, norms fitted"
OTHERS = ("vggish", "cnn14")
DIFFERENCES = [
    *((TRAINED, other) for other in (DRAWN, FITTED, SHUFFLED)),
    *((f"{name}, trained", f"{name}, random") for name in OTHERS),
]
FITTED_ON = 4.0  # seconds of every content and style


def variants(n_seeds: int) -> Mapping[str, tuple[Make, int]]:
    """The trained network, of which there is one, and its twins."""
    build = tutorial().build

    def trained(seed: int) -> nn.Module:
        network: nn.Module = build(Settings(), 0)
        return network

    def drawn(seed: int) -> nn.Module:
        network: nn.Module = build(Settings(random_weights=True, seed=seed), 0)
        return network

    def shuffled(seed: int) -> nn.Module:
        network, generator = trained(seed), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d):
                    order = torch.randperm(layer.weight.numel(), generator=generator)
                    layer.weight.copy_(layer.weight.flatten()[order].view_as(layer.weight))
        return network

    found: dict[str, tuple[Make, int]] = {
        TRAINED: (lambda seed: _hearing(trained(seed)), 1),
        DRAWN: (lambda seed: _hearing(drawn(seed)), n_seeds),
        FITTED: (lambda seed: _fitted(_hearing(drawn(seed))), n_seeds),
        SHUFFLED: (lambda seed: _fitted(_hearing(shuffled(seed))), n_seeds),
    }
    for name in OTHERS:
        try:
            _other(name, False, 0)
        except RetimbreError as error:
            print(f"({name} is left out: {error})")
            continue
        found[f"{name}, trained"] = partial(_other, name, False), 1
        found[f"{name}, random"] = partial(_other, name, True), n_seeds
    return found


def _other(name: str, random: bool, seed: int) -> nn.Module:
    network: nn.Module = network_spec(name).build(Settings(network=name, random_weights=random, seed=seed), 0)
    return network


def _hearing(network: Any) -> nn.Module:
    """Give the network its rate, which otherwise only its spec has."""
    network.sample_rate = tutorial().RATE
    module: nn.Module = network
    return module


@torch.no_grad()
def _fitted(network: nn.Module) -> nn.Module:
    """Give the batch norms the statistics of the experiment's clips."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all clips
    network.requires_grad_(False).train()
    for _, *pair in clips(FITTED_ON):
        for clip in pair:
            network(resample(torch.from_numpy(clip.samples), RATE, tutorial().RATE))
    return network.eval()


if __name__ == "__main__":
    run(__doc__ or "", "training", variants, DIFFERENCES)
