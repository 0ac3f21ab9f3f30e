"""Tensors by name out of files of strangers: nothing in a file is ever run."""

import pickle
import re
import warnings
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from retimbre.errors import WeightsError
from retimbre.networks import checkpoint
from retimbre.networks.published import Weights, how_to_get
from retimbre.networks.tables import MAGIC


class _Ignored:
    """Stands for a numpy array, which is not made."""

    def __init__(self, *arguments: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


def _stand_in(name: str) -> type[_Ignored]:
    module, _, name = name.rpartition(".")
    return type(name, (_Ignored,), {"__module__": module})


# Published files hold some arrays of the training beside the tensors. Their makers have two names: numpy's
# before version 2 and since.
_STAND_INS: list[Any] = [
    _stand_in(name)
    for core in ("core", "_core")
    for name in (f"numpy.{core}.multiarray._reconstruct", f"numpy.{core}.multiarray.scalar")
] + [_stand_in("numpy.ndarray"), _stand_in("numpy.dtype")]
# Where the numbers of a checkpoint of format V2 lie. Nothing in such a file says what it is.
_SHARD = re.compile(r"\.data-\d{5}-of-\d{5}$")


def read(weights: Weights, file: Path) -> Mapping[str, Any]:
    """Read tensors by name from a file of safetensors, of torch or of TensorFlow, which its content tells.

    Args:
        weights: What the file should hold, for errors.
        file: The file; a state dict in it may lie under ``model`` or ``state_dict``.

    Raises:
        WeightsError: it is damaged, holds more than plain tensors, or is a checkpoint that is not read.
    """
    with file.open("rb") as opened:
        head = opened.read(9)
        opened.seek(max(0, file.stat().st_size - len(MAGIC)))
        end = opened.read()
    if end == MAGIC:
        return checkpoint.read(weights, file)
    if _SHARD.search(file.name):
        raise checkpoint.not_read(weights, file, "is a part of a checkpoint of TensorFlow's format V2")
    if head[8:] == b"{":
        return read_safetensors(weights, file)[0]
    try:
        # Warnings are about formats that the next lines judge anyway.
        with (
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals(_STAND_INS),
        ):
            state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"asks to run {wanted[1]}" if wanted else "is damaged, or holds more than tensors"
        raise WeightsError(f"{file} {what}; nothing in it was run: {how_to_get(weights)}") from error
    except Exception as error:  # whatever a damaged file makes of the loader
        raise WeightsError(f"{file} is damaged, or not saved by torch: {how_to_get(weights)}") from error
    for key in ("model", "state_dict"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise WeightsError(f"{file} holds no tensors by name: {how_to_get(weights)}")
    return state


def read_safetensors(weights: Weights, file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a safetensors file and the notes beside them.

    Raises:
        WeightsError: it is damaged.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            return {key: opened.get_tensor(key) for key in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is damaged ({error}): {how_to_get(weights)}") from error


def matched(weights: Weights, state: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    """Give the tensors of a set, without what may lie beside them.

    Raises:
        WeightsError: some are missing, unknown, or of another shape or kind.
    """
    found = {
        str(key): value
        for key, value in state.items()
        if not any(fnmatch(str(key), pattern) for pattern in weights.ignored)
    }
    wrong = []
    for key, shape in weights.shapes.items():
        value = found.get(key)
        if not isinstance(value, Tensor):
            wrong.append(f"{key} is missing")
        elif tuple(value.shape) != shape:
            wrong.append(f"{key} has the shape {tuple(value.shape)} and not {shape}")
        elif not value.is_floating_point() or value.layout != torch.strided or value.is_meta:
            wrong.append(f"{key} is not an array of real numbers")
    wrong += [f"{key} is unknown" for key in found if key not in weights.shapes]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        names = ", ".join(wrong[:3]) + more
        raise WeightsError(
            f"{file} does not hold the weights {weights.name} ({names}): {how_to_get(weights)}"
        )
    return found
