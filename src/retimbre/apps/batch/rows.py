"""Rows of a batch: one content, its styles, its settings and its output."""

import math
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from retimbre.errors import InputError, shown
from retimbre.settings import Settings

Mix = tuple[tuple[str, float], ...]
"""Absolute paths of the styles of a row, each with its weight."""


@dataclass(frozen=True, slots=True)
class Row:
    """One transfer.

    Attributes:
        number: Number in the manifest, from 1.
        content: Absolute path of the content.
        styles: The styles.
        output: Name of the output in the folder of the batch, with ``/`` between folders.
        settings: The settings.
        why: Why it is to be done, in a word or two.
    """

    number: int
    content: str
    styles: Mix
    output: str
    settings: Settings
    why: str = ""

    @property
    def given(self) -> dict[str, Any]:
        """What a manifest says about it."""
        styles = [path if weight == 1 else f"{path}:{weight!r}" for path, weight in self.styles]
        style = styles[0] if len(styles) == 1 else styles
        return {"content": self.content, "style": style, "output": self.output} | changed(self.settings)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be a transfer.

    Attributes:
        number: Number in the manifest, from 1.
        given: What the manifest says about it.
        reason: What is wrong with it.
    """

    number: int
    given: Mapping[str, Any]
    reason: str


def changed(settings: Settings) -> dict[str, Any]:
    """Give the settings that differ from their defaults.

    >>> changed(Settings(strength=0.5))
    {'strength': 0.5}
    """
    default = asdict(Settings())
    return {name: value for name, value in asdict(settings).items() if value != default[name]}


def weighted(text: str) -> tuple[str, float]:
    """Read ``FILE`` or ``FILE:WEIGHT``; the weight is 1 where none is given.

    >>> weighted("a.wav:0.7"), weighted("a.wav"), weighted("C:/a.wav")
    (('a.wav', 0.7), ('a.wav', 1.0), ('C:/a.wav', 1.0))

    Raises:
        InputError: a weight that cannot be used, or no file.
    """
    path, _, weight = text.rpartition(":")
    try:
        number = float(weight) if path else 1.0
    except ValueError:  # the colon belongs to the name
        number = 1.0
    else:
        text = path or text
    if not 0 <= number < math.inf:
        raise InputError(f"the weight of {text} is {number:g}: expected a number of at least 0")
    if not text or "\0" in text:
        raise InputError(f"the style is {shown(text)!r}: expected FILE or FILE:WEIGHT")
    return text, number


_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
SETTINGS = {field.name: typing.get_type_hints(Settings)[field.name] for field in fields(Settings)}
"""Settings that a manifest may have columns for, and the type of each."""


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Change settings by the values of a row, which may be text; an empty one changes nothing.

    >>> with_values(Settings(seed=3), {"strength": "0.5", "seed": ""}).strength
    0.5

    Raises:
        InputError: a value that cannot be used.
    """
    read = {name: _value(value, SETTINGS[name]) for name, value in values.items() if value not in ("", None)}
    return replace(settings, **read) if read else settings


def _value(value: Any, hint: Any) -> Any:
    """Read a value from text as its setting's type asks for it; :class:`Settings` then judges it."""
    if not isinstance(value, str):
        return value
    kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind in (bool, int, float)]
    text = value.strip()
    for kind in kinds:
        if kind is bool:
            return text.lower() in _TRUE if text.lower() in (*_TRUE, *_FALSE) else value
        try:
            return kind(text)
        except ValueError:
            return value
    return text
