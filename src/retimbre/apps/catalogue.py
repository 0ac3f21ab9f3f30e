"""Catalogue of what can be chosen: options as the settings describe them, networks, limits, examples."""

import dataclasses
import math
import types
import typing
from importlib.metadata import entry_points
from typing import Any

from retimbre import __version__
from retimbre.apps import examples
from retimbre.apps.sessions.limits import Limits
from retimbre.apps.sessions.requests import NOT_OFFERED
from retimbre.settings import Settings


def catalogue(limits: Limits) -> dict[str, Any]:
    """List everything that can be chosen."""
    from retimbre.networks.registry import network_specs
    from retimbre.networks.weights import REGISTRY, path

    networks = [
        {"name": name, "help": spec.summary, "available": name not in REGISTRY or path(name).is_file()}
        for name, spec in network_specs().items()
    ]
    choices = {
        "align": ["auto", "none", *(point.name for point in entry_points(group="retimbre.alignments"))],
        "network": [network["name"] for network in networks],
    }
    is_missing = bool(examples.missing())
    return {
        "settings": [
            _option(field) | ({"choices": choices[field.name]} if field.name in choices else {})
            for field in dataclasses.fields(Settings)
            if field.name not in NOT_OFFERED
        ],
        "networks": networks,
        "limits": dataclasses.asdict(limits),
        "version": __version__,
        "examples": []
        if is_missing
        else [{"name": n, "title": e.title} for n, e in examples.EXAMPLES.items()],
        "examples_missing": examples.missing(),
    }


def _option(field: "dataclasses.Field[Any]") -> dict[str, Any]:
    hint = typing.get_type_hints(Settings)[field.name]
    if isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    low, high = field.metadata["low"], field.metadata["high"]
    return {
        "name": field.name,
        "group": field.metadata["group"],
        "default": field.default,
        "unit": field.metadata["unit"],
        "least": low if math.isfinite(low) else None,
        "most": high if math.isfinite(high) else None,
        "choices": list(typing.get_args(hint)) if typing.get_origin(hint) is typing.Literal else [],
        "help": field.metadata["help"],
    }
