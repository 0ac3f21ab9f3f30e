"""Requests for transfers: what a body asks for, checked."""

import json
from typing import Any

from retimbre.apps.sessions.limits import Limits
from retimbre.apps.sessions.records import SessionClip, SessionTransfer
from retimbre.errors import InputError, meant, shown
from retimbre.settings import OF_FILES, TEXTURE_SECONDS, Settings, plain

NOT_OFFERED = ("jobs", "device", *OF_FILES)
"""Settings of the machine and of files, which are the server's own."""

_MOST_STRENGTHS = 8


def read_settings(given: object) -> Settings:
    """Make settings of an object.

    Raises:
        InputError: no object, an unknown name, one that is the server's own, or a value that cannot be used.
    """
    if not isinstance(given, dict):
        raise InputError(f"settings is {shown(given)}: expected an object")
    known = set(Settings.__dataclass_fields__) - set(NOT_OFFERED)
    unknown = [name for name in given if name not in known]
    if unknown:
        names, near = ", ".join(sorted(known)), meant(unknown[0], known)
        raise InputError(f"settings has {shown(unknown[0])}: expected one of {names}{near}")
    return Settings(**given)


def read_strength(given: object) -> float:
    """Read a strength.

    Raises:
        InputError: no number from 0 to 1.
    """
    number = plain(given)
    if number is None or not 0 <= number <= 1:
        raise InputError(f"strength is {shown(given)}: expected a number from 0 to 1")
    return float(number)


def read_strengths(given: object) -> list[float]:
    """Read the strengths to make in the background.

    Raises:
        InputError: no list of at most 8 of them.
    """
    if not isinstance(given, list) or len(given) > _MOST_STRENGTHS:
        raise InputError(f"strengths is {shown(given)}: expected a list of at most {_MOST_STRENGTHS} numbers")
    return [read_strength(each) for each in given]


def read_transfer(body: dict[str, Any], clips: dict[str, SessionClip], limits: Limits) -> SessionTransfer:
    """Make the record of a transfer or a texture that a body asks for.

    Raises:
        InputError: clips that are not there, or what cannot be used.
    """
    kind = body.get("kind", "transfer")
    if kind not in ("transfer", "texture"):
        raise InputError(f"kind is {shown(kind)}: expected transfer or texture")
    given = body.get("styles")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise InputError('no style is given: expected "styles", a list of {"clip": ID, "weight": NUMBER}')
    styles = []
    for each in given[: limits.clips]:
        weight = plain(each.get("weight", 1))
        if weight is None:
            raise InputError(f"a weight is {shown(each.get('weight'))}: expected a number")
        styles.append((_clip(each.get("clip"), clips), float(weight)))
    settings = read_settings(body.get("settings", {}))
    if kind == "transfer":
        content = _clip(body.get("content"), clips)
        return SessionTransfer("transfer", content, styles, settings, body.get("settings", {}))
    seconds = plain(body.get("seconds", TEXTURE_SECONDS))
    if seconds is None or not 0 < seconds <= limits.seconds or len(styles) > 1:
        raise InputError(
            f"the texture is to last {shown(body.get('seconds'))} s, of {len(styles)} styles: expected one "
            f"style and a number of seconds up to {limits.seconds:g}"
        )
    loop = body.get("loop", False) is True
    return SessionTransfer("texture", None, styles, settings, body.get("settings", {}), float(seconds), loop)


def _clip(given: object, clips: dict[str, SessionClip]) -> SessionClip:
    if not isinstance(given, str) or given not in clips:
        raise InputError(f"the clip {shown(given)} is not there: expected the id of one of this session")
    return clips[given]


def read_field(text: str) -> object:
    """Read a field of a form or an address: JSON, a number such as ``.5``, or text that is neither."""
    for read in (json.loads, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
