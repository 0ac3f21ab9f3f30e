"""Manifests: rows in CSV or JSON Lines, from a file or as they come through a pipe."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retimbre.apps.batch.names import OutputNames
from retimbre.apps.batch.rows import SETTINGS, BadRow, Mix, Row, weighted, with_values
from retimbre.apps.batch.streams import Stream
from retimbre.errors import InputError, meant, shown
from retimbre.settings import Settings

_FIXED = ("content", "style", "output")
_IGNORED = ("row", "error")  # of a failed.csv
_KEPT = 4096  # settings that were read before


class Manifest:
    """Rows of a file, or of standard input for ``-``, which are copied to a temporary file as they come.

    Args:
        path: ``.csv``, with a header; or ``.jsonl``, an object a line. Columns: ``content``; ``style``
            (``FILE``, ``FILE:WEIGHT``, or a JSON list of those), ``output``, and any setting.
        styles: Styles of the rows that name none.
        settings: Settings that the rows do not name.
        names: Names of the outputs; a row's own is relative to its folder.

    Raises:
        InputError: no such file, or columns that mean nothing.
    """

    def __init__(self, path: str, styles: Mix, settings: Settings, names: OutputNames) -> None:
        self._path, self._names = path, names
        self.is_stream = path == "-"
        self._base = os.getcwd() if self.is_stream else os.path.dirname(os.path.abspath(path))
        self._default, self._settings = styles, settings
        self._made: dict[tuple[Any, ...], Settings | str] = {}
        self._mixes: dict[str, Mix] = {}
        self._stream = Stream() if self.is_stream else None
        first = next(self._lines(), "")
        if not first.strip():
            raise InputError(f"{self._shown} is empty: expected rows")
        self._is_json = first.lstrip().startswith("{")
        self._columns = [] if self._is_json else self._checked(next(csv.reader([first])))

    @property
    def _shown(self) -> str:
        return "the manifest on stdin" if self.is_stream else self._path

    def _checked(self, header: Sequence[str]) -> list[str]:
        columns = [name.strip().lower().replace("-", "_") for name in header]
        known = (*_FIXED, *_IGNORED, *SETTINGS)
        wrong = [name for name in columns if name not in known]
        if "content" not in columns:
            raise InputError(
                f"{self._shown} has no column 'content' in its first line: expected content, style, output "
                "and settings, with commas between them"
            )
        if wrong or len(set(columns)) < len(columns):
            twice = next((name for name in columns if columns.count(name) > 1), None)
            what = f"the column {shown(wrong[0])!r}" if wrong else f"the column {twice!r} twice"
            raise InputError(
                f"{self._shown} has {what}: expected {', '.join(_FIXED)} and the names of settings, such as "
                f"strength, each once{meant(wrong[0], known) if wrong else ''}"
            )
        if "style" not in columns and not self._default:
            raise InputError(f"{self._shown} has no column 'style': expected one, or --style")
        return columns

    # --- lines ---

    def _lines(self) -> Iterator[str]:
        """Give the lines; those of standard input are kept for the next time."""
        if not self.is_stream:
            try:
                with open(self._path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                    yield from file
            except OSError as error:
                raise InputError(
                    f"{self._path} cannot be read ({error.strerror}): expected a file"
                ) from error
            return
        assert self._stream is not None
        for number, line in enumerate(self._stream):
            yield line.decode("utf-8" if number else "utf-8-sig", "surrogateescape")

    @property
    def has_more(self) -> bool:
        """Whether the next line, or the end, is there."""
        return self._stream is None or self._stream.has_more

    def _records(self) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
        """Give the number of every row and what it says, or what is wrong with it."""
        if self._is_json:
            number = 0
            for line in self._lines():
                if line.strip():
                    number += 1
                    yield number, self._object(line)
            return
        reader = csv.reader(self._lines())
        next(reader, None)
        number = 0
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                number += 1
                yield number, f"it is no CSV: {error}"
                continue
            if cells is None:
                return
            if not cells:
                continue
            number += 1
            if len(cells) > len(self._columns):
                yield (
                    number,
                    f"it has {len(cells)} cells: expected {len(self._columns)}, as the first line has",
                )
            else:
                yield number, dict(zip(self._columns, cells, strict=False))

    def _object(self, line: str) -> Mapping[str, Any] | str:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            return f"it is no JSON: {error}"
        if not isinstance(found, dict):
            return "it is no object of JSON"
        return {name.replace("-", "_"): value for name, value in found.items()}

    # --- rows ---

    def __iter__(self) -> Iterator[Row | BadRow]:
        for number, given in self._records():
            if isinstance(given, str):
                yield BadRow(number, {}, given)
                continue
            output = ""
            try:
                settings = self._settings_of(given)
                content, styles = self._content(given), self._mix(given.get("style"))
                output = self._output(number, given, content, styles, settings)
                path = os.path.join(self._names.out, output)
                if path == content or any(path == style for style, _ in styles):
                    raise InputError(f"the output {output} is one of the inputs: expected another name")
            except InputError as error:
                yield BadRow(number, self._absolute(given), str(error))
                continue
            yield Row(number, content, styles, output, settings)

    def outputs(self) -> Iterator[tuple[int, str]]:
        """Give the number and the output of every row that has one."""
        for number, given in self._records():
            try:
                if isinstance(given, str):
                    continue
                if output := given.get("output"):
                    yield number, self._names.inside(output)
                else:
                    content, styles = self._content(given), self._mix(given.get("style"))
                    yield number, self._output(number, given, content, styles, self._settings_of(given))
            except (InputError, TypeError):
                continue  # which is said when its turn comes

    def _settings_of(self, given: Mapping[str, Any]) -> Settings:
        values = {name: value for name, value in given.items() if name not in (*_FIXED, *_IGNORED)}
        if not values:
            return self._settings
        key = tuple(
            (name, value if isinstance(value, str) else repr(value)) for name, value in values.items()
        )
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            try:
                if wrong := [name for name in values if name not in SETTINGS]:
                    raise InputError(
                        f"it has {shown(wrong[0])!r}: expected {', '.join(_FIXED)} and names of settings"
                    )
                made = with_values(self._settings, values)
            except InputError as error:
                made = str(error)
            self._made[key] = made
        if isinstance(made, str):
            raise InputError(made)
        return made

    def _content(self, given: Mapping[str, Any]) -> str:
        content = given.get("content")
        if not isinstance(content, str) or not content or "\0" in content:
            raise InputError(f"the content is {shown(content)!r}: expected a file")
        return os.path.join(self._base, content)

    def _mix(self, given: Any) -> Mix:
        if not given:
            if not self._default:
                raise InputError("no style is given: expected one in the row, or --style")
            return self._default
        key = given if isinstance(given, str) else repr(given)
        if key not in self._mixes:
            if len(self._mixes) >= _KEPT:
                self._mixes.clear()
            if isinstance(given, str) and given.lstrip().startswith("["):
                try:
                    given = json.loads(given)
                except ValueError as error:
                    raise InputError(f"the style is {shown(given)}: {error}") from error
            texts = given if isinstance(given, list) else [given]
            if not all(isinstance(text, str) for text in texts):
                raise InputError(
                    f"the style is {shown(given)}: expected FILE, FILE:WEIGHT or a list of those"
                )
            pairs = [weighted(text) for text in texts]
            if not sum(weight for _, weight in pairs):
                raise InputError(f"the style is {shown(given)}: expected a weight that is not 0")
            self._mixes[key] = tuple((os.path.join(self._base, path), weight) for path, weight in pairs)
        return self._mixes[key]

    def _output(
        self, number: int, given: Mapping[str, Any], content: str, styles: Mix, settings: Settings
    ) -> str:
        output = given.get("output")
        if output:
            if not isinstance(output, str):
                raise InputError(f"the output is {shown(output)}: expected a name")
            return self._names.inside(output)
        folder = os.path.dirname(os.path.relpath(content, self._base)).replace(os.sep, "/")
        return self._names.filled(
            number, content, "" if folder.startswith("..") else folder, styles, settings
        )

    def _absolute(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give what a row says, with its files in any folder."""
        found = dict(given)
        for name in ("content", "style"):
            text = given.get(name)
            if isinstance(text, str) and text and not text.startswith("["):
                found[name] = os.path.join(self._base, text)
        return found

    def end(self) -> None:
        """Take what has come through the pipe for everything."""
        if self._stream is not None:
            self._stream.end()
