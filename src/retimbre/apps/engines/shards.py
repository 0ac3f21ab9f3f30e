"""Shards: a batch in N parts, for arrays of jobs that know nothing of each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from retimbre.errors import InputError, shown

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of ``count``, from 1.

    >>> shard = Shard.parse("2/3")
    >>> shard.of(list(range(10))), str(shard)
    ([3, 4, 5], '2/3')
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``I/N``.

        Raises:
            InputError: something else.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"--shard is {shown(text)}: expected I/N with I from 1 to N, such as 3/8")
        return cls(int(found[1]), int(found[2]))

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Give this shard's part of items, which are together those of all shards."""
        low, high = (n * len(items) // self.count for n in (self.number - 1, self.number))
        return items[low:high]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
