"""Tables of ratings: one row for each sound that a listener rated, from the two services of webMUSHRA.

webMUSHRA's own appends to ``mushra.csv``. pymushra's puts one record for each page of each listener into a
TinyDB, which is a JSON file, and makes numbers of all texts that read as one.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retimbre.apps.listening.trials import Description
from retimbre.errors import InputError

_EXPECTED = "webMUSHRA's mushra.csv or pymushra's database"
_TEST = "session_test_id"
_RATED = (_TEST, "trial_id", "rating_stimulus", "rating_score")
_APART = (*_RATED, "session_uuid", "rating_time", "rating_comment")


@dataclass(frozen=True)
class RatingRow:
    """A rating.

    Attributes:
        at: Where it stands, as a message says it.
        listener: Name of the configuration and the answers of who gave it.
        trial: Name of the trial.
        name: Name of the sound.
        score: The rating as it stands there.
    """

    at: str
    listener: str
    trial: str
    name: str
    score: str


def rows(path: Path, test: Description) -> Iterator[RatingRow]:
    """Read the rows of a test.

    Args:
        path: ``mushra.csv``, or a file that ends with ``.json`` for pymushra's database.
        test: The test; rows of others are passed over.

    Raises:
        InputError: no such file.
    """
    try:
        if path.suffix == ".json":
            yield from _of_database(path, json.loads(path.read_text(encoding="utf-8")), test)
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from _of_table(path, csv.DictReader(file), test)
    except InputError:
        raise
    except (OSError, ValueError, csv.Error, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read: expected {_EXPECTED}") from error


def _of_table(path: Path, table: Iterator[dict[str, str | Any]], test: Description) -> Iterator[RatingRow]:
    for number, row in enumerate(table, start=2):
        at = f"{path}, row {number}"
        if row.get(_TEST) is not None and not _is_of(test, row[_TEST]):
            continue
        if any(row.get(name) is None for name in _RATED):
            raise InputError(f"{at} has no {', '.join(_RATED)}: expected {_EXPECTED}")
        answers = [str(value) for key, value in row.items() if key not in _APART]
        yield RatingRow(at, ", ".join([row[_TEST], *answers]), *(row[name] for name in _RATED[1:]))


def _of_database(path: Path, database: Mapping[str, Any], test: Description) -> Iterator[RatingRow]:
    trials = {_number(trial): trial for trial in test.trials}
    for identity, records in database.items():
        if not _is_of(test, identity):
            continue
        for number, record in records.items():
            trial = trials.get(str(record["id"]), str(record["id"]))
            names = {_number(name): name for name in test.trials.get(trial, ())}
            answers = [str(value) for key, value in record["questionaire"].items() if key != "uuid"]
            listener = ", ".join([identity, *answers])
            for rating in record["responses"]:
                name = str(rating["stimulus"])
                score = str(rating["score"])
                yield RatingRow(
                    f"{path}, record {number} of {identity}", listener, trial, names.get(name, name), score
                )


def _is_of(test: Description, identity: str) -> bool:
    return identity.startswith(f"{test.name}-listener-")


def _number(text: str) -> str:
    """Give a text as pymushra keeps it: a truth value, a whole number or another number where it reads so."""
    if text.lower() in ("true", "false"):
        return text.title()
    for kind in (int, float):
        try:
            return str(kind(text))
        except ValueError:
            pass
    return text
