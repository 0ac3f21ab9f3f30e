"""What a network is to the rest of retimbre, and which there are.

A network gives its layers by name, each (C', T') for C' features at T' places. It also says which of its
layers hold content and which hold style, each with a weight. Packages add networks of their own through
the entry-point group ``retimbre.networks``, where each name leads to a :class:`Kind`.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from retimbre.errors import InputError
from retimbre.settings import Settings

Features = dict[str, Tensor]


class Network(Protocol):
    """What the objective asks of a network."""

    @property
    def content_layers(self) -> Mapping[str, float]:
        """Weight of each content layer, by name."""

    @property
    def style_layers(self) -> Mapping[str, float]:
        """Weight of each style layer, by name."""

    def __call__(self, x: Tensor) -> Features:
        """Map what is heard to every layer named above.

        That is a compressed spectrogram (F, T); or, where the network's kind has a ``sample_rate``, samples
        (C, N) at that rate, each channel by itself.
        """


@dataclass(frozen=True)
class Kind:
    """A network that can be asked for by name.

    Attributes:
        summary: What it is, in a line.
        front_end: What it hears.
        layers: Names of its layers.
        needs: What has to be there.
        build: Makes it, from the settings and the number of frequency bins of the spectrogram, which are
            ``REFERENCE_RATE / settings.n_fft`` Hz apart; ``None`` for the closed form, which has no features.
        sample_rate: Rate in Hz of the samples that it hears; ``None`` for the spectrogram.
        patches: Whether the setting ``patches`` means anything to it.
        layers_of: Names of its layers where they depend on the settings.
    """

    summary: str
    front_end: str
    layers: tuple[str, ...]
    needs: str
    build: Callable[[Settings, int], nn.Module] | None
    sample_rate: int | None = None
    patches: bool = False
    layers_of: Callable[[Settings], tuple[str, ...]] | None = None

    def make(self, settings: Settings, n_bins: int) -> nn.Module:
        """Build the network, and give it the layers that the settings choose.

        Raises:
            InputError: the settings choose layers that it does not have.
        """
        assert self.build is not None, "the closed form has no features"
        network: Any = self.build(settings, n_bins)
        layers = self.layers_of(settings) if self.layers_of else self.layers
        network.content_layers = chosen(settings.content_layers, "content", network.content_layers, layers)
        network.style_layers = chosen(settings.style_layers, "style", network.style_layers, layers)
        made: nn.Module = network
        return made


def kinds() -> dict[str, Kind]:
    """Every network that is installed, by name."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group="retimbre.networks"))}


def kind(name: str) -> Kind:
    """Find one by its name."""
    for entry in entry_points(group="retimbre.networks", name=name):
        found: Kind = entry.load()
        return found
    names = ", ".join(sorted(entry_points(group="retimbre.networks").names))
    raise InputError(f"network is {name}: expected one of {names}")


def kind_of(settings: Settings) -> Kind:
    """Find the one that settings ask for.

    Raises:
        InputError: there is none, or they ask for what it does not do.
    """
    found = kind(settings.network)
    if settings.patches and not found.patches:
        names = ", ".join(name for name, other in kinds().items() if other.patches)
        raise InputError(f"patches is True: expected a network that hears patches, {names}")
    if found.sample_rate is not None:
        for name, allowed in (("align", ("auto", "off")), ("match", ("none",))):
            if (value := getattr(settings, name)) not in allowed:
                raise InputError(
                    f"{name} is {value}: expected {' or '.join(allowed)}, as the network {settings.network} "
                    "hears samples and no spectrogram"
                )
    return found


def build(settings: Settings, n_bins: int, device: torch.device) -> Network:
    """Make the network of the settings, for spectrograms of ``n_bins`` bins if it hears those."""
    network = kind_of(settings).make(settings, n_bins).to(device).requires_grad_(False)
    return network  # type: ignore[return-value]


def chosen(
    text: str | None, role: str, default: Mapping[str, float], layers: Iterable[str]
) -> Mapping[str, float]:
    """Read ``NAME,NAME:WEIGHT`` from a setting; the network's own choice where there is none.

    >>> chosen("conv1,conv2:0.5", "style", {}, ["conv1", "conv2"])
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
