"""The command line as Markdown, from the application itself: its pages cannot be older than it."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
import typer.main

from retimbre.apps.cli import app

PLACE = "<!-- commands -->"
"""Comment that the commands take the place of."""

# Code; and options that stand in a sentence, with - for a value.
_CODE = re.compile(r"`([^`]+)`|(?<![\w-])(--?[a-z][\w-]*(?: -(?=\s))?)")
_MARKUP = re.compile(r"([\\*_<>\[\]|#~$])")


def markdown() -> str:
    """Describe every command, those of groups after their group."""
    top = typer.main.get_command(app)
    return "\n\n".join(part for name, command in commands(top) for part in _described(name, command)) + "\n"


def commands(group: Any, name: str = "retimbre") -> Iterator[tuple[str, Any]]:
    """Give the commands of a group with their full names, in the order in which they are shown."""
    for own, command in group.commands.items():
        if getattr(command, "hidden", False):
            continue
        yield f"{name} {own}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {own}")


class Recorder:
    """What a command writes its options to for ``--help``; it keeps them by their headings.

    Attributes:
        width: Columns, which a list of commands is cut to.
        groups: Forms and help of arguments and options, by heading, in the order of the help.
    """

    def __init__(self) -> None:
        self.width = 1000
        self.groups: dict[str, list[tuple[str, str]]] = {}
        self._title = ""

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """Begin a section."""
        self._title = title
        yield

    def write_dl(self, rows: Iterable[tuple[str, str]], **layout: int) -> None:
        """Take rows of the section."""
        self.groups.setdefault(self._title, []).extend(rows)


def _described(name: str, command: Any) -> Iterator[str]:
    yield f"## {name}"
    for paragraph in (command.help or "").split("\n\n"):
        yield escaped(" ".join(paragraph.split()))
    context = typer.Context(command, info_name=name)
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```\n{name} {pieces}\n```"
    recorder = Recorder()
    command.format_options(context, recorder)
    recorder.groups.pop("Commands", None)  # they have sections of their own
    for group, found in recorder.groups.items():
        yield f"**{group}**"
        for form, about in found:
            yield f"`{' '.join(form.split())}`\n: {escaped(' '.join(about.split()))}"


def escaped(text: str) -> str:
    r"""Escape what Markdown would take for markup, but not code; options become code.

    >>> print(escaped("write *.wav <here>, see `retimbre measure_it` and --json"))
    write \*.wav \<here\>, see `retimbre measure_it` and `--json`
    """
    parts = []
    end = 0
    for found in _CODE.finditer(text):
        parts += [_MARKUP.sub(r"\\\1", text[end : found.start()]), f"`{found[1] or found[2]}`"]
        end = found.end()
    return "".join([*parts, _MARKUP.sub(r"\\\1", text[end:])])
