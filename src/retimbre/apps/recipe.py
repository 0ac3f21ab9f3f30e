"""Recipe of a run: the command and the Python that make the same samples from files of the same names."""

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retimbre.settings import Settings


@dataclass(frozen=True)
class Recipe:
    """Names and settings of a transfer, or of a texture.

    Attributes:
        content: Name of the content's file; ``None`` for a texture.
        styles: Name of each style's file, and its weight.
        settings: Settings.
        seconds: Length of a texture.
        loop: Whether its end joins its start.

    >>> print(Recipe("a.wav", [("b.wav", 1.0)], Settings(strength=0.5)).command)
    retimbre transfer a.wav b.wav -o out.wav --strength 0.5
    """

    content: str | None
    styles: Sequence[tuple[str, float]]
    settings: Settings
    seconds: float = 0.0
    loop: bool = False

    @property
    def command(self) -> str:
        """The command line."""
        words = ["retimbre", "texture" if self.content is None else "transfer"]
        words += [] if self.content is None else [_as_argument(self.content)]
        if len(self.styles) == 1:
            words.append(_as_argument(self.styles[0][0]))
        else:
            for name, weight in self.styles:
                words += ["--style", f"{_as_argument(name)}:{weight!r}"]
        words += ["-o", "out.wav"]
        if self.content is None:
            words += ["--seconds", repr(self.seconds), *(["--loop"] if self.loop else [])]
        for name, value in self._chosen.items():
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return shlex.join(words)

    @property
    def python(self) -> str:
        """The Python."""
        style = repr(self.styles[0][0] if len(self.styles) == 1 else list(self.styles))
        chosen = ", ".join(f"{name}={value!r}" for name, value in self._chosen.items())
        arguments = [style] if self.content is None else [repr(self.content), style]
        arguments += [repr(self.seconds)] if self.content is None else []
        arguments += [f"retimbre.Settings({chosen})"] if chosen else []
        arguments += ["loop=True"] if self.loop else []
        call = "texture" if self.content is None else "transfer"
        return f'import retimbre\n\nretimbre.{call}({", ".join(arguments)}).save("out.wav")\n'

    @property
    def _chosen(self) -> dict[str, Any]:
        values = dataclasses.asdict(self.settings)
        return {f.name: values[f.name] for f in dataclasses.fields(Settings) if values[f.name] != f.default}


def _as_argument(name: str) -> str:
    """Keep a name that begins with a dash from being taken for an option."""
    return f"./{name}" if name.startswith("-") else name
