"""Flags of the command line from the fields of :class:`Settings`, where name, default and range stand."""

import dataclasses
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from retimbre.errors import InputError, shown
from retimbre.settings import Settings

_FORMER_MATCH = inspect.Parameter(
    "match",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[typing.Optional[str], typer.Option("--match", hidden=True)],  # noqa: UP045
)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter ``settings`` by one flag for each field of :class:`Settings`."""
    names = [field.name for field in dataclasses.fields(Settings)]
    signature = inspect.signature(command)
    kept = [p for name, p in signature.parameters.items() if name != "settings"]
    flags = [*(_flag(field) for field in dataclasses.fields(Settings)), _FORMER_MATCH]

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        if (match := arguments.pop("match")) is not None:
            raise InputError(f"--match {match} is no longer there: write --align {match}")
        chosen = {name: arguments.pop(name) for name in names}
        command(settings=Settings(**chosen), **arguments)

    wrapper.__signature__ = signature.replace(parameters=[*kept, *flags])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (*kept, *flags)}
    return wrapper


def _flag(field: "dataclasses.Field[Any]") -> inspect.Parameter:
    hint = typing.get_type_hints(Settings)[field.name]
    if typing.get_origin(hint) is typing.Literal:
        allowed, hint = ", ".join(typing.get_args(hint)), str
    elif hint in (bool, str, str | None):
        allowed = ""
    else:
        low, high = field.metadata["low"], field.metadata["high"]
        allowed = f"{low:g} to {high:.10g}" if high < 1e9 else f"{low:g} and up"
    kind = hint
    if isinstance(hint, types.UnionType):
        kind = typing.get_args(hint)[0]
        hint = typing.Optional[kind]  # noqa: UP045 - typer asks for this form
    unit = f" {field.metadata['unit']}" if field.metadata["unit"] else ""
    about = f" ({allowed}{unit})" if allowed else ""
    name = f"--{field.name.replace('_', '-')}"
    reader: dict[str, Any] = {}
    if kind in (int, float):
        reader = {"parser": functools.partial(_number, kind), "metavar": f"<{kind.__name__}>"}
    option = typer.Option(name, help=field.metadata["help"] + about, **reader)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=field.default,
        annotation=Annotated[hint, option],
    )


def _number(kind: type[int] | type[float], text: str) -> int | float:
    """Read a number; one that is none is shown."""
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        point = f", with a point: {text.replace(',', '.')}" if re.fullmatch(r"-?\d*,\d+", text) else ""
        raise typer.BadParameter(f"{shown(text)} is none: expected {noun}{point}") from None
