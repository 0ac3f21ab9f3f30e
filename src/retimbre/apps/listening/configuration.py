"""Configurations of webMUSHRA: one for each listener, with an order of trials of its own.

https://github.com/audiolabs/webMUSHRA (Schoeffler et al. 2018) reads YAML from its folder ``configs``, and
pymushra serves the same pages. In a trial webMUSHRA itself adds the hidden reference and shuffles what is
heard, for every listener anew.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retimbre._output import atomic, make_folder
from retimbre.apps.listening import sounds
from retimbre.apps.listening.trials import Description, Trial
from retimbre.errors import InputError, shown

DESCRIPTION = "test.json"
"""File that says what the test is made of."""

_INTRODUCTION = (
    "<p>Each page has a reference and some sounds to compare with it, in random order. One of them is the "
    "reference itself. Rate each from 0 (bad) to 100 (excellent) by how near it comes to the reference: the "
    "same notes by the same instrument, without faults.</p><p>Use headphones. Listen as often as you like, "
    "and rate the sound that is nearest to the reference with 100. A slider moves while its sound plays.</p>"
)

_UNFIT = re.compile(r"[&+%#?'\\\x00-\x1f]")
"""Signs that names cannot have: webMUSHRA puts names into addresses, forms and HTML as they are."""


def make(folder: Path, trials: Sequence[Trial], *, n_listeners: int, seed: int) -> float:
    """Write the sounds of a test, a configuration for each listener, and a description.

    Args:
        folder: A folder that is empty or not there.
        trials: The trials.
        n_listeners: Number of listeners.
        seed: Seed of the orders.

    Returns:
        The loudness of all sounds in LUFS.

    Raises:
        InputError: a folder with something in it, a name that webMUSHRA cannot take, a silent sound.
        AudioReadError: a sound that cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there and not empty: expected a new folder")
    for name in (
        folder.absolute().name,
        *(each for trial in trials for each in (trial.name, *trial.conditions)),
    ):
        _check(name)
    make_folder(folder.absolute().parent)
    partial = Path(tempfile.mkdtemp(prefix=".retimbre-", dir=folder.absolute().parent))
    try:
        level = min(sounds.common_loudness(sounds.of_trial(trial).values()) for trial in trials)
        for trial in trials:
            make_folder(partial / "sounds" / trial.name)
            sounds.save(partial / "sounds" / trial.name, sounds.of_trial(trial), level)
        for number in range(n_listeners):
            order = np.random.default_rng((seed, number)).permutation(len(trials))
            ordered = [trials[place] for place in order]
            name = f"listener-{number + 1:02}"
            _save(partial / f"{name}.yaml", _block(configuration(folder.absolute().name, name, ordered)))
        about = {
            "standard": "ITU-R BS.1534-3",
            "name": folder.absolute().name,
            "seed": seed,
            "listeners": n_listeners,
            "loudness": round(level, 2),
            "trials": {
                trial.name: [*trial.conditions, *sounds.ANCHORS, sounds.REFERENCE] for trial in trials
            },
        }
        _save(partial / DESCRIPTION, [json.dumps(about, indent=1, ensure_ascii=False)])
        partial.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        shutil.move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return level


def configuration(name: str, listener: str, trials: Sequence[Trial]) -> dict[str, Any]:
    """Give the configuration of a listener.

    Args:
        name: Name of the test's folder, which lies in webMUSHRA's ``configs``.
        listener: Name of the listener, which the results have.
        trials: The trials in their order.
    """
    at = f"configs/{name}/sounds"
    pages: list[dict[str, Any]] = [
        {"type": "generic", "id": "introduction", "name": "Listening test", "content": _INTRODUCTION},
        {
            "type": "volume",
            "id": "volume",
            "name": "Volume",
            "content": "Set a volume that is comfortable, and leave it there.",
            "stimulus": f"{at}/{trials[0].name}/{sounds.REFERENCE}.wav",
            "defaultVolume": 0.5,
        },
    ]
    for number, trial in enumerate(trials, start=1):
        heard = [*trial.conditions, *sounds.ANCHORS]
        pages.append(
            {
                "type": "mushra",
                "id": trial.name,
                "name": f"{number} of {len(trials)}",
                "content": "How near does each come to the reference?",
                "showWaveform": False,
                "enableLooping": True,
                "strict": False,  # it would refuse clips over a length of its own: 12 s, later 300 s
                "reference": f"{at}/{trial.name}/{sounds.REFERENCE}.wav",
                "createAnchor35": False,
                "createAnchor70": False,
                "randomize": True,
                "showConditionNames": False,
                "stimuli": {each: f"{at}/{trial.name}/{each}.wav" for each in heard},
            }
        )
    pages.append(
        {
            "type": "finish",
            "name": "Thank you",
            "content": "Press the button to send your ratings.",
            "popupContent": "That was all: you can close this page.",
            "showResults": False,
            "writeResults": True,
            "questionnaire": [
                {
                    "type": "text",
                    "label": "A word for yourself of letters alone, not your name",
                    "name": "listener",
                }
            ],
        }
    )
    return {
        "testname": "Listening test",
        "testId": f"{name}-{listener}",
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": True,
        "remoteService": "service/write.php",
        "pages": pages,
    }


def described(folder: Path) -> Description:
    """Read the name of a test, its trials, and the names of what is rated in each.

    Raises:
        InputError: no folder of a test.
    """
    try:
        about = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        trials = {str(trial): [str(name) for name in names] for trial, names in about["trials"].items()}
        return Description(str(about["name"]), trials)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder} is no folder of a test: expected what 'retimbre listening-test make' wrote"
        ) from error


def _check(name: str) -> None:
    unfit = _UNFIT.search(name)
    if unfit:
        raise InputError(
            f"{shown(name)} has {shown(unfit[0])} in it: expected a name that webMUSHRA can take"
        )
    if name in (sounds.REFERENCE, *sounds.ANCHORS):
        raise InputError(f"{name} is a name that the test gives itself: expected another, rename the file")


def _block(value: dict[str, Any] | list[dict[str, Any]], indent: int = 0) -> list[str]:
    """Give lines of YAML in block form, one scalar in each, strings in double quotes.

    webMUSHRA's parser (yaml.js) takes no braces or brackets that go over several lines, as JSON's do.
    """
    lines = []
    if isinstance(value, list):
        for each in value:
            first, *others = _block(each, indent + 2)
            lines += [f"{' ' * indent}- {first[indent + 2 :]}", *others]
        return lines
    for name, each in value.items():
        lead = f"{' ' * indent}{json.dumps(name, ensure_ascii=False)}:"
        if isinstance(each, dict | list):
            lines += [lead, *_block(each, indent + 2)]
        else:
            lines.append(f"{lead} {json.dumps(each, ensure_ascii=False)}")
    return lines


def _save(path: Path, lines: Iterable[str]) -> None:
    with atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
