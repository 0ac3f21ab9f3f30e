"""Recipes: the command is read back by the command line, and the Python by Python, to the same settings."""

import ast
import shlex
import signal
from typing import Any

import pytest

from retimbre.apps import cli
from retimbre.apps.interrupts import InterruptError
from retimbre.apps.recipe import Recipe
from retimbre.settings import Settings

SETTINGS = [
    Settings(),
    Settings(strength=0.1 + 0.2, seed=7, random_weights=True, network="vggish", patches=True),
    Settings(content_weight=1e-7, align="none", init="noise", content_layers="a:1,b:2", tolerance=0),
]
STYLES = [[("b.wav", 1.0)], [("-b c.wav", 0.1), ("it's:3.wav", 2.0)]]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("styles", STYLES)
def test_the_command_is_read_back(
    settings: Settings, styles: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []

    class Transfer:
        def __init__(self, mix: object, settings: Settings) -> None:
            read.extend([mix, settings])

        def __call__(self, content: object, **others: object) -> None:
            read.append(str(content))
            raise KeyboardInterrupt

    monkeypatch.setattr("retimbre._transfer.Transfer", Transfer)
    monkeypatch.setattr(signal, "signal", lambda *of: None)  # whose handlers the command would change
    words = shlex.split(Recipe("-a;x.wav", styles, settings).command)
    with pytest.raises((InterruptError, KeyboardInterrupt)):
        cli.app(words[1:], standalone_mode=False)
    mix, found, content = read
    assert content == "-a;x.wav"
    assert [(str(path), weight) for path, weight in mix] == styles
    assert found == settings


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("styles", STYLES)
def test_the_python_is_read_back(settings: Settings, styles: list[tuple[str, float]]) -> None:
    tree = ast.parse(Recipe('a"\n.wav', styles, settings).python)
    save = tree.body[1].value  # type: ignore[attr-defined]
    call = save.func.value
    assert ast.unparse(call.func) == "retimbre.transfer"
    assert ast.literal_eval(call.args[0]) == 'a"\n.wav'
    style = ast.literal_eval(call.args[1])
    assert ([(style, 1.0)] if isinstance(style, str) else style) == styles
    given = {
        word.arg: ast.literal_eval(word.value) for word in (call.args[2].keywords if call.args[2:] else ())
    }
    assert Settings(**given) == settings


def test_a_texture() -> None:
    recipe = Recipe(None, [("b.wav", 1.0)], Settings(seed=1), 2.5, True)
    assert recipe.command == "retimbre texture b.wav -o out.wav --seconds 2.5 --loop --seed 1"
    assert "retimbre.texture('b.wav', 2.5, retimbre.Settings(seed=1), loop=True)" in recipe.python
