"""Words about a run, from its records alone."""

from pathlib import Path

import pytest

from retimbre.alignment.target import Choice
from retimbre.apps import explanation
from retimbre.result import Block, Result
from retimbre.settings import Settings


def _result(*choices: Choice) -> Result:
    blocks = tuple(Block(None, None, 0.0, 1.0, 0.0, "tolerance", choice) for choice in choices)
    return Result(Path("out.wav"), Settings(), (), blocks, "tolerance", 1.0)


def _choice(how: str, tonality: float, style: float, reliability: float | None = None) -> Choice:
    return Choice(how, 0.5, tonality, (style,), reliability, 30, 24, (12,), (11,))


def test_notes_and_strokes_are_counted_where_they_are_played() -> None:
    notes, strokes = _choice("notes", 0.9, 0.9, 0.9), _choice("strokes", 0.1, 0.1)
    assert explanation.found(_result(notes)) == [
        "notes found in both: the content's 24 notes play the style's 11"
    ]
    assert explanation.found(_result(strokes, strokes)) == [
        "strokes found in both: the content's about 60 strokes play the style's 12"
    ]
    assert explanation.found(_result(_choice("equalised", 0.1, 0.1))) == []
    assert explanation.found(_result()) == []


@pytest.mark.parametrize(
    ("choice", "seconds", "said"),
    [
        (_choice("notes", 0.9, 0.9, 0.9), 9.0, []),
        (_choice("notes", 0.9, 0.9, 0.9), 1.2, ["lasts 1.2 s"]),
        (_choice("notes", 0.9, 0.9, 0.4), 9.0, ["unsure"]),
        (_choice("parts", 0.7, 0.6), 9.0, ["one instrument alone as the style"]),
        (_choice("equalised", 0.2, 0.3), 9.0, ["voice conversion"]),
        (_choice("strokes", 0.2, 0.3), 9.0, []),
    ],
)
def test_advice_where_the_documentation_has_some(choice: Choice, seconds: float, said: list[str]) -> None:
    lines = explanation.advice(_result(choice), seconds)
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))
