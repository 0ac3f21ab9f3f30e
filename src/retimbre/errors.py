"""Errors, in one tree.

::

    RetimbreError
    ├── InputError (also a ValueError)   an argument or a clip that cannot be used
    ├── AudioReadError                   a file that is missing, damaged or not audio
    ├── WeightsError                     trained weights that are missing or not what they claim
    ├── DependencyError                  an optional package is not installed; names the extra
    └── DivergedError                    the loss was no number from the start: there is no result

Every message is one line: the value, the expected values and the remedy. The command line prints it
and exits with code 2.
"""

from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches

_LONGEST = 80


def shown(value: object) -> str:
    """Give a value as a message shows it: in one line, an array by its shape, and cut where it is long.

    A text that reads as a number is in quotes, or the message would say that the number is wrong.

    >>> shown("0,5"), shown(""), shown("0.5"), shown([1.0] * 1000)
    ('0,5', "''", "'0.5'", '[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1...')
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"an array of shape {tuple(shape)}"
    text = " ".join(str(value).split()) or repr(value)
    if isinstance(value, str):
        with suppress(ValueError):
            float(text)
            text = repr(text)
    text = printable(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def meant(name: object, names: Iterable[str]) -> str:
    """Give the end of a message about a wrong name: the nearest right one, if any is near.

    >>> meant("strenght", ["strength", "seed"]), meant("x", ["strength", "seed"])
    ('; did you mean strength?', '')
    """
    found = get_close_matches(name.lower(), list(names), n=1) if isinstance(name, str) else []
    return f"; did you mean {found[0]}?" if found else ""


def printable(text: str) -> str:
    r"""Write what does not print as escapes, such as line ends and control characters in the name of a file.

    >>> printable("new\nline.wav") == r"new\nline.wav"
    True
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class RetimbreError(Exception):
    """Base of every error that retimbre raises on purpose."""

    def __str__(self) -> str:
        return printable(super().__str__())


class InputError(RetimbreError, ValueError):
    """Argument, setting or clip that cannot be used."""


class AudioReadError(RetimbreError):
    """File that cannot be read as sound."""


class WeightsError(RetimbreError):
    """Trained weights that are missing, damaged or of the wrong shape."""


class Terminated(KeyboardInterrupt):
    """Interrupt after which an output keeps what it held; the best result so far goes beside it."""


class DependencyError(RetimbreError):
    """Optional package that is not installed.

    Args:
        package: Name of the package that could not be imported.
        extra: Extra of retimbre that installs it.
        then: Second command, where the extra alone does not install it.

    >>> print(DependencyError("av", extra="av"))
    this needs the package 'av', which is not installed: pip install 'retimbre[av]'
    """

    def __init__(self, package: str, *, extra: str, then: str | None = None) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"this needs the package {package!r}, which is not installed: pip install 'retimbre[{extra}]'"
            + (f" && {then}" if then else "")
        )


class DivergedError(RetimbreError):
    """Loss that was NaN or infinite at the first evaluation, so that there is no result.

    A run that diverges later returns the best point before that.
    """
