"""Trained weights: how they get here, and where they lie.

Every set lies in one folder as a safetensors file, made from the file that its authors published. Nothing
in that file is ever run: it is read with torch's loader for plain tensors, with a reader of TensorFlow's
checkpoints that knows nothing but tensors, or not at all.
"""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from retimbre._output import atomic
from retimbre.errors import RetimbreError, WeightsError
from retimbre.networks.download import OnProgress, download
from retimbre.networks.published import REGISTRY, Weights, by_hand, cache_folder, how_to_get, path, registered
from retimbre.networks.state_dict import matched, read, read_safetensors

__all__ = [
    "REGISTRY",
    "OnProgress",
    "Weights",
    "cache_folder",
    "fetch",
    "import_file",
    "load",
    "path",
    "verify",
]


def load(name: str) -> dict[str, Tensor]:
    """Read a set of weights.

    Args:
        name: A name in :data:`~retimbre.networks.published.REGISTRY`.

    Returns:
        The tensors by name, float32, on the CPU.

    Raises:
        InputError: no set has this name.
        WeightsError: the set is not here yet, or its file is damaged.
    """
    tensors, _ = _cached(name)
    return matched(registered(name), tensors, path(name))


def verify(name: str) -> bool:
    """Read a set of weights through and compare it with what was stored.

    Returns:
        Whether it was made from a published file, by its sum, and not from another one like it.

    Raises:
        InputError: no set has this name.
        WeightsError: the set is not here yet, or its file is damaged.
    """
    weights, file = registered(name), path(name)
    tensors, notes = _cached(name)
    tensors = matched(weights, tensors, file)
    if notes.get("tensors") != _digest(tensors):
        raise WeightsError(f"{file} is damaged: {how_to_get(weights)}")
    return notes.get("source", "").startswith((weights.checksum, *weights.also))


def import_file(name: str, file: str | os.PathLike[str]) -> Path:
    """Make the file of a set of weights from one that lies here.

    Args:
        name: A name in :data:`~retimbre.networks.published.REGISTRY`.
        file: The published file, or any state dict with the same names and shapes: saved by torch, under
            ``model`` or ``state_dict`` or bare, or in safetensors; or, of VGGish, TensorFlow's
            checkpoint in format V1, as its authors published it.

    Returns:
        The file in the cache. It is there whole, or as it was before.

    Raises:
        InputError: no set has this name.
        WeightsError: the file is missing, damaged, holds anything but tensors, or other tensors.
        RetimbreError: the cache cannot be written to.
    """
    weights, file = registered(name), Path(file)
    source = _source(weights, file)
    state = matched(weights, read(weights, file), file)
    # Copies: safetensors refuses tensors that share memory.
    tensors = {
        key: state.pop(key).detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for key in weights.shapes
    }
    for key, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise WeightsError(f"{file} holds NaN or infinite numbers in {key}: {how_to_get(weights)}")
    notes = {"source": source, "licence": weights.licence, "citation": weights.citation}
    _make_cache_folder()
    with atomic(path(name)) as temporary:
        try:
            save_file(tensors, temporary, notes | {"tensors": _digest(tensors)})
        except SafetensorError as error:
            raise RetimbreError(f"{path(name)} cannot be written: {error}") from error
        temporary.chmod(0o644)  # safetensors makes files that their owner alone can read
    return path(name)


def fetch(name: str, *, on_progress: OnProgress | None = None, url: str | None = None) -> Path:
    """Download a set of weights, unless it is here, and import it.

    A download that was cut off goes on where it ended, by itself and in the next call.

    Args:
        name: A name in :data:`~retimbre.networks.published.REGISTRY`.
        on_progress: Called while the bytes come in.
        url: Another place with the same file.

    Returns:
        The file in the cache. It is there whole, or as it was before.

    Raises:
        InputError: no set has this name.
        WeightsError: the download failed, or is not the published file.
        RetimbreError: the cache cannot be written to.
    """
    weights = registered(name)
    with contextlib.suppress(WeightsError):
        if verify(name):
            return path(name)
    _make_cache_folder()
    part = cache_folder() / f"{weights.file}.part"
    # What an earlier call left may be of another file: only then is a wrong sum no reason to give up.
    for attempts_left in (1, 0) if part.exists() else (0,):
        download(weights, url or weights.url, part, on_progress)
        sum_here = _checksum(weights, part, weights.checksum)
        if sum_here.startswith(weights.checksum):
            break
        size = part.stat().st_size
        part.unlink()
        if not attempts_left:
            raise WeightsError(
                f"{url or weights.url} gave another file ({size} bytes, {sum_here}): expected "
                f"{weights.checksum}; {by_hand(weights)}"
            )
    done = import_file(name, part)
    part.unlink(missing_ok=True)
    return done


def _cached(name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    weights, file = registered(name), path(name)
    if not file.is_file():
        raise WeightsError(f"the weights {name} are not here ({file}): {how_to_get(weights)}")
    return read_safetensors(weights, file)


def _source(weights: Weights, file: Path) -> str:
    """Sum a file as the published one that it is; as the first of them if it is none."""
    sums = {known: _checksum(weights, file, known) for known in (weights.checksum, *weights.also)}
    return next((here for known, here in sums.items() if here.startswith(known)), sums[weights.checksum])


def _checksum(weights: Weights, file: Path, like: str) -> str:
    algorithm = like.partition(":")[0]
    try:
        with file.open("rb") as opened:
            return f"{algorithm}:{hashlib.file_digest(opened, algorithm).hexdigest()}"
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror}): {by_hand(weights)}") from error


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().data)
    return f"sha256:{digest.hexdigest()}"


def _make_cache_folder() -> None:
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RetimbreError(
            f"{cache_folder()} cannot be made ({error.strerror}): set RETIMBRE_CACHE to another folder"
        ) from error
