"""Names of outputs: a template filled in, always inside the folder of the batch, no two the same."""

import os
import string
import sys
from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from retimbre.apps.batch.rows import SETTINGS, Mix
from retimbre.errors import InputError, shown
from retimbre.settings import Settings
from retimbre.sound.encoding import FORMATS

if TYPE_CHECKING:
    from retimbre.apps.batch.sources import Source

STATE = ".retimbre"
"""Folder in that of a batch for what it remembers."""

TEMPLATE = "{content}_as_{style}.wav"
"""Name of an output where none is given."""

_FOLDS = sys.platform in ("win32", "darwin")  # names there are the same in capitals
_SUFFIXES = ", ".join(f".{suffix}" for suffix in FORMATS)


class OutputNames:
    """Names in the folder of a batch.

    Args:
        out: Absolute path of the folder.
        template: Name with the fields ``content``, ``style`` (without folder and suffix), ``suffix`` (of the
            content), ``row`` (the number of the row) and every setting.

    Raises:
        InputError: a template that cannot be filled in.

    >>> names = OutputNames("/out", "{content}_{strength}.wav")
    >>> names.filled(1, "/a/piano.flac", "deep", (("/b/drums.wav", 1.0),), Settings(strength=0.5))
    'deep/piano_0.5.wav'
    """

    def __init__(self, out: str, template: str = TEMPLATE) -> None:
        self.out, self._template = out, template
        known = {"content", "style", "suffix", "row", *SETTINGS}
        try:
            used = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        except ValueError as error:
            raise InputError(f"--name is {shown(template)}: {error}") from error
        if wrong := sorted(used - known):
            raise InputError(
                f"--name has the field {{{wrong[0]}}}: expected {{content}}, {{style}}, {{suffix}}, {{row}} "
                "or a setting, such as {strength}"
            )
        self._settings = sorted(used & set(SETTINGS))

    def filled(self, row: int, content: str, folder: str, styles: Mix, settings: Settings) -> str:
        """Fill the template in, in the folder that keeps the shape of the contents' folders."""
        stem, suffix = os.path.splitext(os.path.basename(content))
        values: dict[str, Any] = {
            "content": stem,
            "suffix": suffix[1:],
            "row": row,
            "style": "+".join(os.path.splitext(os.path.basename(path))[0] for path, _ in styles),
        }
        for name in self._settings:
            value = getattr(settings, name)
            values[name] = "auto" if value is None else value
        try:
            name = self._template.format_map(values)
        except (ValueError, KeyError, IndexError) as error:
            raise InputError(f"--name is {shown(self._template)}: {error}") from error
        return self.inside(f"{folder}/{name}" if folder else name)

    def inside(self, text: str) -> str:
        """Give the name of an output from what a manifest says: inside the folder, with ``/``.

        Raises:
            InputError: it leads outside, or is no name of sound.
        """
        if not text or text[0] in "/." or "/." in text or "//" in text or "\\" in text or os.name == "nt":
            text = self._relative(text)
        if text.rpartition(".")[2].lower() not in FORMATS:
            raise InputError(f"the output is {shown(text)!r}: expected a name that ends with {_SUFFIXES}")
        if "\0" in text:
            raise InputError(f"the output is {shown(text)!r}: expected no zero byte")
        return text

    def _relative(self, text: str) -> str:
        path = os.path.normpath(os.path.join(self.out, text))
        name = os.path.relpath(path, self.out) if path.startswith(self.out) else os.pardir
        first = name.split(os.sep)[0]
        if not text or first in (os.pardir, os.curdir, STATE):
            raise InputError(f"the output is {shown(text)!r}: expected a name inside {self.out}")
        return name.replace(os.sep, "/")


def folded(output: str) -> str:
    """Give what two names share that are one file, on the systems that do not tell capitals."""
    return output.casefold() if _FOLDS else output


def output_id(output: str) -> int:
    """Give a number of 64 bits for an output, the same on every machine."""
    return int.from_bytes(blake2b(os.fsencode(folded(output)), digest_size=8).digest())


def duplicates(source: "Source") -> tuple[int, list[str]]:
    """Count the rows, and find those that share an output; the source is read again where there are any.

    Eight bytes a row are kept: Python's hash of a name, and the names only where two of them are the same.
    """
    hashes = array("q", (hash(folded(output)) for _, output in source.outputs()))
    ordered = np.sort(np.frombuffer(hashes, np.int64))
    twice = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    return len(hashes), _named(source.outputs(), twice) if twice else []


def _named(outputs: Iterable[tuple[int, str]], hashes: set[int]) -> list[str]:
    rows: dict[str, list[int]] = {}
    shown_as: dict[str, str] = {}
    for number, output in outputs:
        name = folded(output)
        if hash(name) in hashes:
            rows.setdefault(name, []).append(number)
            shown_as.setdefault(name, output)
    return [
        f"rows {_listed(numbers)} have one output, {shown_as[name]}"
        for name, numbers in rows.items()
        if len(numbers) > 1
    ]


def _listed(numbers: list[int]) -> str:
    first = ", ".join(map(str, numbers[:-1][:4]))
    return f"{first} and {numbers[-1]}" if len(numbers) < 6 else f"{first} and {len(numbers) - 4} more"
