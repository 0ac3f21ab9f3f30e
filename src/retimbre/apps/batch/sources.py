"""Sources of rows: the product of contents and styles, from files, folders and patterns."""

import glob
import os
from collections.abc import Iterator, Sequence
from typing import Protocol

from retimbre.apps.batch.names import OutputNames
from retimbre.apps.batch.rows import BadRow, Mix, Row
from retimbre.errors import InputError
from retimbre.settings import Settings

_SUFFIXES = "wav wave flac ogg oga opus mp3 m4a mp4 aac aif aiff au caf w64 rf64 webm wma"
SOUNDS = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""Suffixes of the files that are taken from a folder; a file that is named may have any."""


class Source(Protocol):
    """Rows that can be read again and again, one after the other.

    Attributes:
        is_stream: Whether its rows come one by one, so that nothing can be checked before they do.
        has_more: Whether the next row, or the end, is there.
    """

    @property
    def is_stream(self) -> bool:
        """Whether its rows come one by one."""

    @property
    def has_more(self) -> bool:
        """Whether the next row, or the end, is there."""

    def __iter__(self) -> Iterator[Row | BadRow]: ...

    def outputs(self) -> Iterator[tuple[int, str]]:
        """Give the number and the output of every row that is not bad, as fast as can be."""

    def end(self) -> None:
        """Take the rows that have come for all of them."""


class Product:
    """Every content with the styles, or with each of them.

    Args:
        contents: Files, folders and patterns such as ``drums/**/*.wav``.
        styles: Absolute paths and weights of the styles.
        settings: Settings of every row.
        names: Names of the outputs.
        each_style: Whether each style makes rows of its own, instead of a mixture.

    Raises:
        InputError: nothing is found, or the outputs would go among the contents.
    """

    is_stream = False
    has_more = True

    def __init__(
        self,
        contents: Sequence[str],
        styles: Mix,
        settings: Settings,
        names: OutputNames,
        *,
        each_style: bool = False,
    ) -> None:
        self._settings, self._names = settings, names
        self._mixes: list[Mix] = [((path, 1.0),) for path, _ in styles] if each_style else [styles]
        self._contents: list[tuple[str, str]] = []
        for given in contents:
            self._contents += find_sounds(given, names.out)

    def __len__(self) -> int:
        return len(self._mixes) * len(self._contents)

    def __iter__(self) -> Iterator[Row | BadRow]:
        number = 0
        for styles in self._mixes:
            for content, folder in self._contents:
                number += 1
                try:
                    output = self._names.filled(number, content, folder, styles, self._settings)
                except InputError as error:
                    yield BadRow(number, {"content": content}, str(error))
                    continue
                yield Row(number, content, styles, output, self._settings)

    def outputs(self) -> Iterator[tuple[int, str]]:
        """Give the number and the output of every row that is not bad."""
        return ((row.number, row.output) for row in self if isinstance(row, Row))

    def end(self) -> None:
        """Do nothing: all rows are there."""


def find_sounds(given: str, out: str = "") -> list[tuple[str, str]]:
    """Find the files that an argument means; give each with its folder below what was named.

    Args:
        given: A file, a folder or a pattern.
        out: Absolute path of a folder whose files are left out, as the outputs go there.

    Raises:
        InputError: there is none, or the outputs would go among the contents.
    """
    if not given:
        raise InputError("a content is '': expected a file, a folder or a pattern")
    if os.path.isdir(given):
        root = os.path.abspath(given)
        if out and os.path.realpath(root) == os.path.realpath(out):
            raise InputError(f"{given} holds the contents: expected another folder for the output")
        found = list(_walk(root, out))
    elif glob.has_magic(given) and not os.path.lexists(given):
        root = os.path.abspath(_before_magic(given))
        paths = sorted(os.path.abspath(path) for path in glob.iglob(given, recursive=True))
        files = [path for path in paths if not os.path.isdir(path) and not (out and _is_below(path, out))]
        found = [(path, _folder(path, root)) for path in files]
    else:
        return [(os.path.abspath(given), "")]
    if not found:
        raise InputError(f"{given} holds no file of sound: expected some, such as .wav")
    return found


def _walk(root: str, out: str) -> Iterator[tuple[str, str]]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and os.path.join(folder, name) != out
        )
        shape = "" if folder == root else os.path.relpath(folder, root).replace(os.sep, "/")
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in SOUNDS and not name.startswith("."):
                yield os.path.join(folder, name), shape


def _before_magic(pattern: str) -> str:
    parts = pattern.replace(os.sep, "/").split("/")
    plain = next(n for n, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:plain]) or ("/" if pattern.startswith("/") else ".")


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _folder(path: str, root: str) -> str:
    shape = os.path.dirname(os.path.relpath(path, root)).replace(os.sep, "/")
    return "" if shape.startswith("..") else shape
