"""Settings from a file: what ``--json`` has printed, or an object of settings by itself."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from retimbre.apps.console import say
from retimbre.errors import InputError, meant, printable, shown
from retimbre.settings import ALGORITHM, Settings

_KNOWN = tuple(Settings.__dataclass_fields__)


def read_settings(path: Path) -> dict[str, Any]:
    """Read the settings of a run, and say if it was made by what gives other samples.

    A file of several runs, one object a line, must have the same settings in all of them.

    Raises:
        InputError: no such file, or none of settings.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "it is no text")
        raise InputError(f"{path} cannot be read ({why}): {_WANTED}") from error
    runs = _objects(path, text)
    found = [run.get("settings", run) for run in runs]
    if any(each != found[0] for each in found):
        raise InputError(f"{path} has runs of other settings each: expected one, or several of the same")
    settings = found[0]
    if not isinstance(settings, dict):
        raise InputError(f"{path} has the settings {shown(settings)}: {_WANTED}")
    for name in settings:
        if name not in _KNOWN:
            near = meant(name, _KNOWN)
            raise InputError(f"{path} has the setting {shown(name)}: expected one of a transfer's{near}")
    try:
        Settings(**settings)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if others := _others(runs[0].get("versions")):
        say(f"{path} was made with {others}: samples may differ")
    return settings


_WANTED = "expected what --json prints, or an object of settings"


def _objects(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        try:
            found = [json.loads(text)]
        except ValueError:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}): {_WANTED}") from error
    if not found or not all(isinstance(each, dict) for each in found):
        raise InputError(f"{path} holds {shown(found[0]) if found else 'nothing'}: {_WANTED}")
    return found


def _others(made: object) -> str:
    """Name the versions that decide the samples, where they are not those of here.

    The label of a build (``+cu130``) decides none. It stands in ``torch.__version__``, and not always in what
    the package says of itself.
    """
    if not isinstance(made, dict):
        return ""
    here: dict[str, object] = {"algorithm": ALGORITHM}
    for package in ("torch", "numpy"):
        try:
            here[package] = version(package)
        except PackageNotFoundError:
            continue
    return ", ".join(
        f"{name} {printable(str(made[name]))[:40]} (here {value})"
        for name, value in here.items()
        if name in made and _release(made[name]) != _release(value)
    )


def _release(version: object) -> str:
    return str(version).partition("+")[0]
