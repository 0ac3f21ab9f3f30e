"""Trained weights: fetched or imported once, whole or not at all, and cached in a folder as safetensors."""

import contextlib
import hashlib
import os
import re
import socket
import sys
import tempfile
import warnings
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import HTTPError, Request

from retimbre._output import atomic, check_writable, make_folder
from retimbre.errors import InputError, WeightsError, meant

if TYPE_CHECKING:
    from torch import nn

# Tables made from settings, the whitening of an embedding, and counters: the networks have no use for them.
_EXTRA = ("pproc.*", "spectrogram_extractor.*", "logmel_extractor.*", "*.num_batches_tracked")
# Stand-in for numpy's arrays, which the published CNN14 file has under numpy 1's names; none is made.
_SKIPPED = type("_Skipped", (), dict.fromkeys(("__init__", "__setstate__"), lambda *_: None))
_NUMPY = [f"{core}.multiarray.{f}" for core in ("core", "_core") for f in ("_reconstruct", "scalar")]
_STAND_INS: list[Any] = [(_SKIPPED, f"numpy.{name}") for name in (*_NUMPY, "ndarray", "dtype")]


class Weights(NamedTuple):
    """A published set of weights: its address, its SHA-256, its licence (SPDX) and the paper to cite."""

    url: str
    sha256: str  # as many of the first digits as are published
    licence: str
    citation: str


REGISTRY = {
    "vggish": Weights(
        "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
        "10086976",  # from the file's name
        "Apache-2.0",
        "Hershey et al. 2017, CNN architectures for large-scale audio classification, ICASSP",
    ),
    "cnn14": Weights(
        "https://zenodo.org/records/3987831/files/Cnn14_mAP%3D0.431.pth?download=1",
        "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        "CC-BY-4.0",
        "Kong et al. 2020, PANNs: large-scale pretrained audio neural networks, IEEE/ACM TASLP 28",
    ),
}


def cache_folder() -> Path:
    """Find the folder of the weights: ``RETIMBRE_CACHE``, or ``retimbre`` in the user's cache folder."""
    if folder := os.environ.get("RETIMBRE_CACHE"):
        return Path(folder).expanduser()
    places = {"win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "darwin": "~/Library/Caches"}
    place = places.get(sys.platform) or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(place).expanduser() / "retimbre"


def published(name: str) -> Weights:
    """Give the address and the origin of a set; raise an InputError for an unknown name."""
    if name not in REGISTRY:
        names = ", ".join(REGISTRY)
        raise InputError(f"no weights are called {name}: expected one of {names}{meant(name, REGISTRY)}")
    return REGISTRY[name]


def path(name: str) -> Path:
    """Give the path of a set in the cache, also if it is missing; raise an InputError for an unknown name."""
    published(name)
    return cache_folder() / f"{name}.safetensors"


def load(name: str, network: "nn.Module") -> None:
    """Load a set from the cache into its network or into fewer layers; raise a WeightsError for a bad set."""
    tensors, names = _cached(name)[0], network.state_dict()
    _fill(network, {key: tensors[key] for key in tensors if key in names}, path(name), name)


def verify(name: str) -> bool:
    """Tell whether a set in the cache is from the published file; raise a WeightsError for a bad set."""
    return _cached(name)[1].startswith(f"sha256:{REGISTRY[name].sha256}")


def fetch(name: str, *, progress: bool = False, url: str | None = None) -> Path:
    """Download a set, from ``url`` if given, unless it is cached, or raise a WeightsError; can show a bar."""
    with contextlib.suppress(WeightsError):
        if verify(name):
            return path(name)
    import torch.hub

    url, before = url or REGISTRY[name].url, socket.getdefaulttimeout()
    with tempfile.TemporaryDirectory(prefix=".", dir=_writable(path(name)).parent) as folder:
        file = Path(folder, "published")
        socket.setdefaulttimeout(before or 30.0)  # torch.hub would wait forever
        try:
            Request(url)  # where this fails, torch.hub would leave a file open
            torch.hub.download_url_to_file(url, str(file), REGISTRY[name].sha256, progress)
        except Exception as error:  # of the network, of the disk, of the address
            if isinstance(error, HTTPError):
                error.close()
            raise _refused(name, url, f"cannot be fetched ({error})") from error
        finally:
            socket.setdefaulttimeout(before)
        return import_file(name, file)


def import_file(name: str, file: str | os.PathLike[str]) -> Path:
    """Import a set, torch's file (bare, ``model``, ``state_dict``) or safetensors, or raise WeightsError."""
    target, data = path(name), _converted(name, Path(file))
    with atomic(_writable(target)) as temporary:
        temporary.write_bytes(data)
    return target


def _writable(file: Path) -> Path:
    make_folder(file.parent, "set RETIMBRE_CACHE to another folder")
    check_writable(file)
    return file


def _refused(name: str, file: object, fault: str) -> WeightsError:
    by_hand = f"download {REGISTRY[name].url} by hand and run 'retimbre weights import {name} FILE'"
    fault = shorten(fault, 300, placeholder=" ...)")
    return WeightsError(f"{file} {fault}: run 'retimbre weights fetch {name}', or, if offline, {by_hand}")


def _converted(name: str, file: Path) -> bytes:
    """Convert a file of a set to safetensors, after every check."""
    import torch
    from safetensors.torch import save

    from retimbre.networks.registry import network_spec

    state, source = _read(name, file)
    with torch.device("meta"):  # names and shapes alone
        _fill(network_spec(name).trained(), state, file, name)
    for key, value in state.items():
        plain = value.is_floating_point() and value.layout == torch.strided and not value.is_meta
        if not plain or not value.isfinite().all():
            raise _refused(name, file, f"holds {'NaN or infinite' if plain else 'no real'} numbers in {key}")
        # A copy: safetensors refuses tensors that share memory.
        state[key] = value.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    return save(state, REGISTRY[name]._asdict() | {"source": source, "tensors": _digest(state)})


def _read(name: str, file: Path) -> tuple[dict[str, Any], str]:
    """Read a state dict without the extra names, running no code in it; and the digest of the file."""
    import torch
    from safetensors.torch import load

    try:
        data = file.read_bytes()
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_STAND_INS):
            state = load(data) if data[8:9] == b"{" else torch.load(BytesIO(data), "cpu", weights_only=True)
    except OSError as error:
        raise _refused(name, file, f"cannot be read ({error.strerror})") from error
    except Exception as error:  # whatever a damaged file makes of the loader
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        fault = f"asks to run {wanted[1]}" if wanted else "is damaged, or holds more than tensors"
        if data.endswith(bytes.fromhex("57fb808b247547db")) or ".data-" in file.name:
            fault = "is a checkpoint of TensorFlow and not the published .pth"
        raise _refused(name, file, f"{fault}; nothing in it was run") from error
    for key in ("model", "state_dict"):
        state = state[key] if isinstance(state, dict) and isinstance(state.get(key), dict) else state
    if not isinstance(state, dict):
        raise _refused(name, file, "holds no tensors by name")
    state = {str(k): v for k, v in state.items() if not any(fnmatch(str(k), p) for p in _EXTRA)}
    return state, f"sha256:{hashlib.sha256(data).hexdigest()}"


def _cached(name: str) -> tuple[dict[str, Any], str]:
    """Read the tensors of a set in the cache, and the digest of the file that they are from."""
    from safetensors import safe_open

    file = path(name)
    try:
        with safe_open(file, framework="pt") as opened:
            tensors, notes = {key: opened.get_tensor(key) for key in opened.keys()}, opened.metadata()  # noqa: SIM118
        if notes["tensors"] != _digest(tensors):
            raise ValueError("other numbers than were stored")
        return tensors, notes["source"]
    except Exception as error:
        raise _refused(name, file, f"is damaged ({error})" if file.is_file() else "is missing") from error


def _fill(network: "nn.Module", state: dict[str, Any], file: Path, name: str) -> None:
    """Load a state dict strictly; torch itself counts the batches of batch norms from 0 where it is bare."""
    try:
        network.load_state_dict(state, strict=True, assign=next(network.parameters()).is_meta)
    except RuntimeError as error:
        found = str(error).partition(":")[2].strip()
        raise _refused(name, file, f"does not hold the weights {name} ({found})") from error


def _digest(tensors: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"
