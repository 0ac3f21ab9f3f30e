"""Tensors out of TensorFlow's checkpoints of format V1, without TensorFlow.

Such a checkpoint is one table (:mod:`~retimbre.networks.tables`). Every value is a protocol buffer of
TensorFlow's ``saved_tensor_slice.proto``, where the numbers of the fields are

    SavedTensorSlices  1: SavedTensorSliceMeta, in the first value; 2: SavedSlice, in the others
    SavedTensorSliceMeta  1: SavedSliceMeta, several
    SavedSliceMeta  1: name; 2: TensorShapeProto
    TensorShapeProto  2: size of an axis, several: 1: a number
    SavedSlice  1: name; 2: TensorSliceProto; 3: TensorProto
    TensorSliceProto  1: extent along an axis, several; empty for the whole axis
    TensorProto  5: numbers in float32

The values say all that the keys say, so the keys are not read. The file is mapped into memory; what is not
wanted is not copied.
"""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from retimbre.errors import WeightsError
from retimbre.networks.published import Weights, how_to_get
from retimbre.networks.tables import UnreadError, part, values, varint

_INTEGER, _BYTES, _FIXED = 0, 2, {1: 8, 5: 4}  # kinds of fields; the bytes of those of a fixed size
_MAX_RANK = 8


def read(weights: Weights, file: Path) -> dict[str, Tensor]:
    """Read the tensors of a set that are in a checkpoint, laid out for torch.

    Kernels (height, width, in, out) become (out, in, height, width), matrices (in, out) become (out, in).

    Args:
        weights: The set. Its ``checkpoint`` has TensorFlow's names.
        file: The checkpoint.

    Raises:
        WeightsError: it is damaged, or of a form that is not read; or none is known of this set.
    """
    if not weights.checkpoint:
        raise not_read(weights, file, "is a checkpoint of TensorFlow", f"another file for {weights.name}")
    try:
        shapes, numbers = _found(np.memmap(file, np.uint8, "r").data, set(weights.checkpoint.values()))
        return {
            ours: _tensor(theirs, numbers[theirs], shapes[theirs])
            for ours, theirs in weights.checkpoint.items()
            if theirs in shapes and theirs in numbers
        }
    except UnreadError as error:
        raise not_read(weights, file, str(error)) from error
    except (ValueError, OverflowError) as error:
        raise WeightsError(f"{file} is damaged ({error}): {how_to_get(weights)}") from error


def not_read(
    weights: Weights,
    file: Path,
    what: str,
    expected: str = "a checkpoint of format V1, one file, not compressed",
) -> WeightsError:
    """Make the error for a checkpoint that is not read."""
    return WeightsError(f"{file} {what}: expected {expected}; {how_to_get(weights)}")


def _found(data: memoryview, names: set[str]) -> tuple[dict[str, tuple[int, ...]], dict[str, memoryview]]:
    """Give shapes and numbers of the tensors of these names, as the checkpoint has them."""
    shapes, numbers = dict[str, tuple[int, ...]](), dict[str, memoryview]()
    for value in values(data):
        if _integer(value, 1):  # how the index of format V2 starts, which is a table too
            raise UnreadError("is a checkpoint of TensorFlow's format V2")
        for meta in _messages(value, 1):
            for tensor in _messages(meta, 1):
                if (name := _name(tensor)) in names:
                    sizes = (_integer(size, 1) for size in _messages(_message(tensor, 2), 2))
                    shapes[name] = tuple(islice(sizes, _MAX_RANK + 1))
        for piece in _messages(value, 2):
            if (name := _name(piece)) in names:
                if any(len(extent) for extent in _messages(_message(piece, 2), 1)):
                    raise UnreadError(f"is a checkpoint of TensorFlow with {name} in pieces")
                numbers[name] = _message(_message(piece, 3), 5)
    return shapes, numbers


def _tensor(name: str, numbers: memoryview, shape: tuple[int, ...]) -> Tensor:
    if len(shape) > _MAX_RANK or len(numbers) != 4 * math.prod(shape):
        raise ValueError(f"{name} has {len(numbers)} bytes of float32 and the shape {shape}")
    array = np.frombuffer(numbers, "<f4").reshape(shape)
    axes = (3, 2, 0, 1) if array.ndim == 4 else range(array.ndim)[::-1]
    return torch.from_numpy(array.transpose(axes).astype(np.float32, order="C"))


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give the fields of a protocol buffer by number: an integer, or the bytes of anything else."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _INTEGER:
            integer, at = varint(message, at)
            yield number, integer
        else:
            if kind == _BYTES:
                size, at = varint(message, at)
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                raise ValueError(f"a field of kind {kind}")
            yield number, part(message, at, size)
            at += size


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """Give the bytes of all fields of a number: messages, texts or packed numbers."""
    return (value for n, value in _fields(message) if n == number and isinstance(value, memoryview))


def _message(message: memoryview, number: int) -> memoryview:
    """Give the last of them, the one that counts; nothing where there is none."""
    last = memoryview(b"")
    for value in _messages(message, number):
        last = value
    return last


def _integer(message: memoryview, number: int) -> int:
    last = 0
    for n, value in _fields(message):
        if n == number and isinstance(value, int):
            last = value
    return last


def _name(message: memoryview) -> str:
    return bytes(_message(message, 1)).decode()
