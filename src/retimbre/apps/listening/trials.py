"""Trials of a listening test: the sounds of a folder, by pair and method."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retimbre.errors import InputError

REFERENCE = "target"
"""Name of the sound that a perfect transfer would give, in the folder of a pair."""

MOST_CONDITIONS = 9
"""Methods in a trial at most: with the hidden reference and two anchors they are the 12 of BS.1534-3."""

_SOUNDS = (".flac", ".wav", ".ogg", ".opus", ".mp3")


@dataclass(frozen=True)
class Trial:
    """What is heard on one page.

    Attributes:
        name: Name of the pair.
        reference: The target.
        conditions: Outputs of methods, by their names, and the content and the style copied.
    """

    name: str
    reference: Path
    conditions: dict[str, Path]


@dataclass(frozen=True)
class Description:
    """What a test is made of.

    Attributes:
        name: Its name, with which the names of its configurations begin.
        trials: By trial, the names of the sounds that are rated.
    """

    name: str
    trials: Mapping[str, Sequence[str]]


def find(folder: Path, methods: Collection[str] | None, n_trials: int, seed: int) -> list[Trial]:
    """Choose trials from a folder as the benchmark writes it: ``PAIR/METHOD.flac``, also under ``cache/``.

    Args:
        folder: The folder.
        methods: Names of methods; all without a strength in their name if ``None``.
        n_trials: Trials at most; which ones follows from the seed.
        seed: The seed.

    Raises:
        InputError: no pair with a target and a method, or more methods than a listener can compare.
    """
    root = folder / "cache" if (folder / "cache").is_dir() else folder
    if not root.is_dir():
        raise InputError(f"{folder} is not a folder: expected that of python -m study -o FOLDER")
    found, names = [], set()
    for pair in sorted(path for path in root.iterdir() if path.is_dir()):
        sounds = {path.stem: path for path in sorted(pair.iterdir()) if path.suffix.lower() in _SOUNDS}
        reference = sounds.pop(REFERENCE, None)
        names |= set(sounds)
        chosen = {name: path for name, path in sounds.items() if _is_wanted(name, methods)}
        if reference is not None and chosen:
            found.append(Trial(pair.name, reference, chosen))
    missing = sorted(set(methods or ()) - names)
    if missing and names:
        raise InputError(f"there is no {missing[0]} in {root}: expected some of {', '.join(sorted(names))}")
    if not found:
        raise InputError(f"{root} has no PAIR/{REFERENCE}.flac beside PAIR/METHOD.flac: expected both")
    most = max(found, key=lambda trial: len(trial.conditions))
    if len(most.conditions) > MOST_CONDITIONS:
        raise InputError(
            f"{most.name} has {len(most.conditions)} methods: expected {MOST_CONDITIONS} at most; choose by "
            f"--methods from {', '.join(most.conditions)}"
        )
    kept = np.sort(np.random.default_rng(seed).permutation(len(found))[:n_trials])
    return [found[number] for number in kept]


def _is_wanted(name: str, methods: Collection[str] | None) -> bool:
    if methods is not None:
        return name in methods
    last = name.rpartition("-")[2]
    return not last.replace(".", "", 1).isdecimal()
