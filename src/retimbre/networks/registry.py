"""Registry of feature networks: their protocol, and finding one by name.

A network maps its input to layers by name, each (C', T') for C' features at T' places. It also says which of
its layers hold content and which hold style, each with a weight. Packages add networks of their own through
the entry-point group ``retimbre.networks``, where each name leads to a :class:`NetworkSpec`.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from retimbre.errors import InputError, meant
from retimbre.settings import Settings, ignored_settings

GROUP = "retimbre.networks"

Layers = dict[str, Tensor]
"""Features (C', T') of each layer, by name."""


CHOSEN_LAYERS = ("content_layers", "style_layers")
"""Settings that every network with features reads."""


class Network(Protocol):
    """A feature network, as the objective uses it.

    An object that has ``sample_rate`` in Hz as well takes samples (C, N) at that rate, each channel by
    itself; any other takes a compressed spectrogram (F, T).
    """

    @property
    def content_layers(self) -> Mapping[str, float]:
        """Weight of each content layer, by name."""

    @property
    def style_layers(self) -> Mapping[str, float]:
        """Weight of each style layer, by name."""

    def __call__(self, x: Tensor) -> Layers:
        """Map an input to every layer named above."""


@dataclass(frozen=True)
class NetworkSpec:
    """A network with a name.

    Attributes:
        summary: Description in a line.
        front_end: Description of its input.
        layers: Names of its layers.
        needs: Description of its requirements.
        build: Makes it, from the settings and the number of frequency bins of the spectrogram, which are
            ``REFERENCE_RATE / settings.n_fft`` Hz apart. The closed form is no module but has statistics.
        sample_rate: Rate in Hz of the samples that it takes; ``None`` for the spectrogram.
        settings: Names of the settings of the network that it reads.
        layers_of: Names of its layers where they depend on the settings.
        trained: Makes the whole network of the published weights; one without layers where none are.
    """

    summary: str
    front_end: str
    layers: tuple[str, ...]
    needs: str
    build: Callable[[Settings, int], Any]
    sample_rate: int | None = None
    settings: tuple[str, ...] = ()
    layers_of: Callable[[Settings], tuple[str, ...]] | None = None
    trained: Callable[[], nn.Module] = nn.Identity

    def make(self, settings: Settings, n_bins: int, device: torch.device) -> Any:
        """Build the network on a device, with the layers that the settings choose.

        Raises:
            InputError: the settings choose layers that it does not have.
        """
        network = self.build(settings, n_bins)
        if not isinstance(network, nn.Module):
            return network
        made: Any = network.to(device).requires_grad_(False)
        layers = self.layers_of(settings) if self.layers_of else self.layers
        made.content_layers = parse_layers(settings.content_layers, "content", made.content_layers, layers)
        made.style_layers = parse_layers(settings.style_layers, "style", made.style_layers, layers)
        return made

    def ignored(self, settings: Settings) -> tuple[str, ...]:
        """Name the settings that differ from their defaults and mean nothing to this network."""
        return ignored_settings(settings, read=self.settings, takes_samples=self.sample_rate is not None)


def network_specs() -> dict[str, NetworkSpec]:
    """Load every network that is installed, by name."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group=GROUP))}


def network_spec(name: str) -> NetworkSpec:
    """Find a network by its name.

    Raises:
        InputError: there is none.
    """
    for entry in entry_points(group=GROUP, name=name):
        found: NetworkSpec = entry.load()
        return found
    names = sorted(entry_points(group=GROUP).names)
    raise InputError(f"network is {name}: expected one of {', '.join(names)}{meant(name, names)}")


def make_network(settings: Settings, n_bins: int, device: torch.device) -> Any:
    """Make the network of the settings, for spectrograms of ``n_bins`` bins if it takes those.

    Raises:
        InputError: there is none of this name, or it does not have the layers that are chosen.
    """
    return network_spec(settings.network).make(settings, n_bins, device)


def parse_layers(
    text: str | None, role: str, default: Mapping[str, float], layers: Iterable[str]
) -> Mapping[str, float]:
    """Read ``NAME,NAME:WEIGHT`` from a setting; the network's own choice where there is none.

    >>> parse_layers("conv1,conv2:0.5", "style", {}, ["conv1", "conv2"])
    {'conv1': 1.0, 'conv2': 0.5}
    """
    if text is None:
        return default
    layers, found = list(layers), dict[str, float]()
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        try:
            found[name] = float(weight or 1)
        except ValueError:
            found[name] = math.nan
        if name not in layers or not 0 < found[name] < math.inf:
            raise InputError(
                f"{role}_layers is {text}: expected NAME or NAME:WEIGHT, several with commas, of the layers "
                f"{', '.join(layers)}"
            )
    return found
