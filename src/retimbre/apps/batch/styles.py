"""Prepared styles of one process: the least recently used are given up where they need too much memory."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from retimbre._transfer import Transfer
from retimbre.settings import Settings


class PreparedStyles:
    """Prepared styles, found by the bytes of their clips and the settings but for the strength.

    Args:
        memory: Bytes that they may need together; the one in use is kept in any case.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._kept: OrderedDict[Any, Transfer] = OrderedDict()
        self._sizes: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, paths: Sequence[tuple[str, float]], digests: Sequence[str], settings: Settings) -> Transfer:
        """Give a prepared style; the strength of its settings is left open.

        Args:
            paths: Files of the style and their weights.
            digests: Hashes of their bytes.
            settings: Settings of the row.
        """
        settings = replace(settings, strength=None)
        key = (tuple(digests), tuple(weight for _, weight in paths), settings)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        self._make_room()
        made = Transfer(list(paths), settings)
        self._kept[key] = made
        return made

    def clear(self) -> None:
        """Give up all of them."""
        self._kept.clear()
        self._sizes.clear()

    def trim(self) -> None:
        """Give up the one that was used last where it alone has grown over the memory."""
        if self._kept:
            key, last = next(reversed(self._kept.items()))
            if size_of(last) > self._memory:
                del self._kept[key]
                self._sizes.pop(key, None)

    def _make_room(self) -> None:
        for key, made in self._kept.items():
            if key not in self._sizes or key == next(reversed(self._kept)):
                self._sizes[key] = size_of(made)
        while self._kept and sum(self._sizes.values()) > self._memory // 2:
            key, _ = self._kept.popitem(last=False)
            del self._sizes[key]


def size_of(thing: object) -> int:
    """Count the bytes of the arrays and tensors that an object leads to, each once.

    >>> size_of({"a": [np.zeros(10), torch.zeros(3)]})
    92
    """
    seen: set[int] = set()
    total = 0
    waiting = [thing]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (str, bytes, int, float, type, type(None))):
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            base = each.base if isinstance(each.base, np.ndarray) else each
            if id(base) not in seen or base is each:
                total += base.nbytes
            seen.add(id(base))
        elif isinstance(each, torch.Tensor):
            storage = each.untyped_storage()
            if storage.data_ptr() not in seen:
                total += storage.nbytes()
            seen.add(storage.data_ptr())
        else:
            waiting.extend(_inside(each))
    return total


def _inside(thing: Any) -> Iterator[object]:
    """Give what an object holds."""
    if isinstance(thing, Mapping):
        yield from list(thing.values())
    elif isinstance(thing, (list, tuple, set, frozenset)):
        yield from list(thing)
    elif hasattr(thing, "__dict__") and type(thing).__module__.startswith("retimbre"):
        yield from list(vars(thing).values())
    elif hasattr(thing, "data") and hasattr(thing, "valuerefs"):  # a dictionary with weak keys
        yield from list(thing.values())
