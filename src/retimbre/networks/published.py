"""The published sets of trained weights: where they come from, what is in them, and where they go."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retimbre.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A published set of weights.

    Args:
        name: Its name here.
        file: Name of the published file.
        url: Where it is published.
        checksum: Sum of the published file, ``sha256:...`` or ``md5:...`` with as many first digits as are
            known.
        size: Size of the published file in bytes, if known.
        licence: SPDX identifier.
        citation: The paper to cite.
        shapes: Shape of each tensor, by name.
        ignored: Patterns of names that the file may hold beside these: tables made from settings and counts.
        also: Sums of other files that were published with the same tensors.
        checkpoint: TensorFlow's name of each tensor, where a checkpoint was published.
    """

    name: str
    file: str
    url: str
    checksum: str
    size: int | None
    licence: str
    citation: str
    shapes: Mapping[str, tuple[int, ...]]
    ignored: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    checkpoint: Mapping[str, str] = field(default_factory=dict)


def _vggish_shapes() -> dict[str, tuple[int, ...]]:
    channels = {0: (64, 1), 3: (128, 64), 6: (256, 128), 8: (256, 256), 11: (512, 256), 13: (512, 512)}
    units = {0: (4096, 12288), 2: (4096, 4096), 4: (128, 4096)}
    layers: dict[str, tuple[int, ...]] = {f"features.{i}": (*pair, 3, 3) for i, pair in channels.items()}
    layers |= {f"embeddings.{i}": pair for i, pair in units.items()}
    weights = {f"{layer}.weight": shape for layer, shape in layers.items()}
    return weights | {f"{layer}.bias": shape[:1] for layer, shape in layers.items()}


def _vggish_checkpoint() -> dict[str, str]:
    layers = {f"features.{i}": f"conv{n}" for i, n in ((0, "1"), (3, "2"))}
    layers |= {
        f"features.{i}": f"conv{n[0]}/conv{n}" for i, n in ((6, "3_1"), (8, "3_2"), (11, "4_1"), (13, "4_2"))
    }
    layers |= {"embeddings.0": "fc1/fc1_1", "embeddings.2": "fc1/fc1_2", "embeddings.4": "fc2"}
    parts = {"weight": "weights", "bias": "biases"}
    return {f"{ours}.{p}": f"vggish/{theirs}/{parts[p]}" for p in parts for ours, theirs in layers.items()}


def _cnn14_shapes() -> dict[str, tuple[int, ...]]:
    channels = (1, 64, 128, 256, 512, 1024, 2048)
    shapes: dict[str, tuple[int, ...]] = {}
    norms = {"bn0": 64}
    for i in range(1, 7):
        shapes[f"conv_block{i}.conv1.weight"] = (channels[i], channels[i - 1], 3, 3)
        shapes[f"conv_block{i}.conv2.weight"] = (channels[i], channels[i], 3, 3)
        norms |= {f"conv_block{i}.bn1": channels[i], f"conv_block{i}.bn2": channels[i]}
    for norm, size in norms.items():
        shapes |= {f"{norm}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")}
    for layer, size in (("fc1", 2048), ("fc_audioset", 527)):
        shapes |= {f"{layer}.weight": (size, 2048), f"{layer}.bias": (size,)}
    return shapes


REGISTRY = {
    "vggish": Weights(
        name="vggish",
        file="vggish-10086976.pth",
        url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
        checksum="sha256:10086976",  # the digits in the file's name, the only ones published
        size=None,
        licence="Apache-2.0",
        citation="Hershey et al. 2017, CNN architectures for large-scale audio classification, ICASSP",
        shapes=_vggish_shapes(),
        ignored=("pproc.*",),
        also=("md5:d1c7011e6366aa34176bb05c705e31a8",),  # vggish_model.ckpt, of the network's authors
        checkpoint=_vggish_checkpoint(),
    ),
    "cnn14": Weights(
        name="cnn14",
        file="Cnn14_mAP=0.431.pth",
        url="https://zenodo.org/records/3987831/files/Cnn14_mAP%3D0.431.pth?download=1",
        checksum="sha256:0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        size=327_428_481,
        licence="CC-BY-4.0",
        citation="Kong et al. 2020, PANNs: large-scale pretrained audio neural networks, IEEE/ACM TASLP 28",
        shapes=_cnn14_shapes(),
        ignored=("spectrogram_extractor.*", "logmel_extractor.*", "*.num_batches_tracked"),
    ),
}


def registered(name: str) -> Weights:
    """Give the set of this name.

    Raises:
        InputError: there is none.

    >>> registered("cnn14").licence
    'CC-BY-4.0'
    """
    if name not in REGISTRY:
        raise InputError(f"no weights are called {name}: expected one of {', '.join(REGISTRY)}")
    return REGISTRY[name]


def cache_folder() -> Path:
    """Give the folder of the weights: ``RETIMBRE_CACHE``, or the system's folder for caches."""
    if folder := os.environ.get("RETIMBRE_CACHE"):
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("retimbre"))


def path(name: str) -> Path:
    """Give the file that holds a set of weights, or would.

    Raises:
        InputError: no set has this name.
    """
    return cache_folder() / f"{registered(name).name}.safetensors"


def by_hand(weights: Weights) -> str:
    """Say what to do where no program reaches the internet, for the end of an error."""
    return f"download {weights.url} by hand and run 'retimbre weights import {weights.name} FILE'"


def how_to_get(weights: Weights) -> str:
    """Say what to do to have the weights, for the end of an error."""
    return f"run 'retimbre weights fetch {weights.name}', or, if offline, {by_hand(weights)}"
