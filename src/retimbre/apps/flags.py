"""Flags of the command line from the fields of :class:`Settings`, where name, default and range stand."""

import dataclasses
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Collection
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from retimbre.apps.help import GROUPS
from retimbre.errors import InputError, shown
from retimbre.settings import Settings

_FORMER_MATCH = inspect.Parameter(
    "match",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[Optional[str], typer.Option("--match", hidden=True)],  # noqa: UP045
)
_CONTEXT = inspect.Parameter("context_", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
_FILE = inspect.Parameter(
    "settings_file",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Optional[Path],  # noqa: UP045 - typer asks for this form
        typer.Option(
            "--settings",
            help="settings of a run, as --json printed them; options beside it have precedence",
            metavar="FILE",
            show_default=False,
            rich_help_panel=GROUPS["run"],
        ),
    ],
)
_EXCLUSIVE = ("strength", "content_weight")

Command = Callable[..., None]


def with_settings(*, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Replace a command's parameter ``settings`` by one flag for each field of :class:`Settings`.

    Args:
        without: Names of the settings that mean nothing for the command.
    """
    fields = [field for field in dataclasses.fields(Settings) if field.name not in without]

    def decorated(command: Command) -> Command:
        signature = inspect.signature(command)
        kept = [p for name, p in signature.parameters.items() if name != "settings"]
        flags = [*map(_flag, fields), _FILE, _FORMER_MATCH, _CONTEXT]

        @functools.wraps(command)
        def wrapper(**arguments: Any) -> None:
            if (match := arguments.pop("match")) is not None:
                raise InputError(f"--match {match} is no longer there: write --align {match}")
            context, path = arguments.pop("context_"), arguments.pop("settings_file")
            chosen = {field.name: arguments.pop(field.name) for field in fields}
            if path is not None:
                given = {name for name in chosen if context.get_parameter_source(name).name == "COMMANDLINE"}
                chosen = _from_file(path) | {name: chosen[name] for name in given}
                if given & set(_EXCLUSIVE):
                    chosen |= dict.fromkeys(set(_EXCLUSIVE) - given)
            command(settings=Settings(**chosen), **arguments)

        wrapper.__signature__ = signature.replace(parameters=[*kept, *flags])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in (*kept, *flags)}
        return wrapper

    return decorated


def _from_file(path: Path) -> dict[str, Any]:
    from retimbre.apps.settings_file import read_settings

    return read_settings(path)


def _flag(field: "dataclasses.Field[Any]") -> inspect.Parameter:
    hint = typing.get_type_hints(Settings)[field.name]
    choices: tuple[str, ...] = ()
    if typing.get_origin(hint) is typing.Literal:
        choices, hint = typing.get_args(hint), str
    kind = hint
    if isinstance(hint, types.UnionType):
        kind = typing.get_args(hint)[0]
        hint = Optional[kind]  # noqa: UP045 - typer asks for this form
    reader: dict[str, Any] = {}
    if kind in (int, float):
        reader = {"parser": functools.partial(_number, kind), "metavar": f"<{kind.__name__}>"}
    elif kind is str:
        reader = {"metavar": "<name>", "autocompletion": _completion(field.name, choices)}
    option = typer.Option(
        f"--{field.name.replace('_', '-')}",
        help=field.metadata["help"] + _about(field, kind, choices),
        rich_help_panel=GROUPS[field.metadata["group"]],
        show_default=False,
        **reader,
    )
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=field.default,
        annotation=Annotated[hint, option],
    )


def _about(field: "dataclasses.Field[Any]", kind: Any, choices: tuple[str, ...]) -> str:
    """Say the range or the choices of a setting, its unit and its default, in brackets."""
    allowed = ", ".join(choices)
    if kind in (int, float):
        low, high = field.metadata["low"], field.metadata["high"]
        allowed = f"{low:g} to {high:.10g}" if high < 1e9 else f"{low:g} and up"
        allowed += f" {field.metadata['unit']}" if field.metadata["unit"] else ""
    default = field.default
    told = (
        ""
        if default is None or kind is bool
        else f"default {default:g}"
        if kind is float
        else f"default {default}"
    )
    about = "; ".join(filter(None, (allowed, told)))
    return f" [{about}]" if about else ""


def _completion(name: str, choices: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Make what completes the value of a setting: with one of its choices, or with what is installed."""

    def complete(incomplete: str) -> list[str]:
        names = choices
        if name == "network":
            names = tuple(sorted(entry_points(group="retimbre.networks").names))
        elif name == "align":
            names = ("auto", "none", *sorted(entry_points(group="retimbre.alignments").names))
        return [each for each in names if each.startswith(incomplete)]

    return complete


def _number(kind: type[int] | type[float], text: str) -> int | float:
    """Read a number; one that is none is shown."""
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        point = f", with a point: {text.replace(',', '.')}" if re.fullmatch(r"-?\d*,\d+", text) else ""
        raise typer.BadParameter(f"{shown(text)} is none: expected {noun}{point}") from None
