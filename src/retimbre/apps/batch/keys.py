"""Keys of rows: hashes of everything that decides the samples of an output."""

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from retimbre.settings import ALGORITHM, Settings

Signature = tuple[int, int, int]
"""Size in bytes, time of the last change of the content, and of its entry, in ns."""

_KEPT = 4096  # hashes of files in memory


def signature(path: str) -> Signature:
    """Give what tells a changed file without reading it; the times are those of its disk."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


class FileHashes:
    """Hashes of files, each read once as long as its signature stays."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[Signature, str]] = OrderedDict()

    def of(self, path: str, known: tuple[Signature, str] | None = None) -> tuple[Signature, str]:
        """Give the signature and the SHA-256 of a file.

        Args:
            path: The file.
            known: What was found out about it before, such as in an earlier run.

        Raises:
            OSError: it cannot be read.
        """
        now = signature(path)
        for found in (self._found.get(path), known):
            if found is not None and tuple(found[0]) == now:
                return now, found[1]
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._found[path] = now, digest  # the signature from before: a change meanwhile is found later
        self._found.move_to_end(path)
        if len(self._found) > _KEPT:
            self._found.popitem(last=False)
        return now, digest


_CHANGING = tuple(field.name for field in fields(Settings) if field.metadata["changes_samples"])


def decisive(settings: Settings) -> dict[str, Any]:
    """Give the settings that change samples."""
    return {name: getattr(settings, name) for name in _CHANGING}


def key_parts(
    content: str,
    styles: Sequence[tuple[str, float]],
    settings: Settings,
    output: str,
    weights: str | None = None,
) -> dict[str, Any]:
    """List what decides the samples of an output.

    Args:
        content: Hash of the content's bytes.
        styles: Hash of the bytes of each style, and its weight.
        settings: The settings.
        output: Name of the output, whose suffix is its format.
        weights: Hash of the trained weights of the network, where it has some.
    """
    total = sum(weight for _, weight in styles)
    return {
        "content": content,
        "style": [[digest, weight / total] for digest, weight in styles],
        "settings": decisive(settings),
        "format": output.rpartition(".")[2].lower(),
        "algorithm": ALGORITHM,
        "weights": weights,
    }


def weights_file(settings: Settings) -> str | None:
    """Give the file of the trained weights that a network reads; ``None`` where there is none."""
    if settings.random_weights or settings.network == Settings().network:
        return None
    from retimbre.networks import weights

    if settings.network not in weights.REGISTRY:
        return None
    path = weights.path(settings.network)
    return str(path) if path.is_file() else None


def row_key(parts: Mapping[str, Any]) -> str:
    """Give the key of a row from its parts.

    >>> parts = key_parts("ab", [("cd", 2.0)], Settings(), "x/out.wav")
    >>> row_key(parts) == row_key(key_parts("ab", [("cd", 1.0)], Settings(jobs=2), "out.WAV"))
    True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def differences(parts: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Name the parts that differ; of settings each by its name.

    >>> one = key_parts("a", [("b", 1.0)], Settings(), "o.wav")
    >>> differences(one, key_parts("c", [("b", 1.0)], Settings(strength=0.5), "o.wav"))
    ['content', 'strength']
    """
    names = [name for name, value in parts.items() if name != "settings" and before.get(name) != value]
    ours, theirs = parts["settings"], before.get("settings") or {}
    return names + [name for name, value in ours.items() if name not in theirs or theirs[name] != value]
