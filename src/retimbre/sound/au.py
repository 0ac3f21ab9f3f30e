"""AU files whose header announces fewer samples than there are.

A decoder stops at the announced end, though the samples are the last that is in such a file. It is given them
behind a header with their true length.
"""

from collections.abc import Iterator
from pathlib import Path

from retimbre.sound.sections import Section

_ORDERS = {b".snd": "big", b"dns.": "little"}
STARTS = tuple(_ORDERS)
"""First bytes of an AU file."""

_HEADER, _UNKNOWN = 24, 0xFFFF_FFFF


def sections(path: Path) -> Iterator[Section]:
    """Give what a decoder reads of an AU file."""
    with path.open("rb") as file:
        head = file.read(12)
    order = _ORDERS[head[:4]]
    offset, length = (int.from_bytes(head[at : at + 4], order) for at in (4, 8))  # type: ignore[arg-type]
    size = path.stat().st_size
    if offset < _HEADER:
        yield Section(path, damage=f"its samples begin in its header, at byte {offset}")
        return
    if length >= size - offset:
        yield Section(path)
        return
    true = min(size - offset, _UNKNOWN)
    yield Section(path, len(head), size, head[:8] + true.to_bytes(4, order))  # type: ignore[arg-type]
