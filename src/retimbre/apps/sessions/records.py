"""Records of a session: its clips and transfers, as the routes show them, and how to make one again."""

import dataclasses
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from retimbre.apps.recipe import Recipe
from retimbre.errors import RetimbreError
from retimbre.report.outline import Outline
from retimbre.settings import Settings

State = Literal["queued", "running", "done", "stopped", "failed"]


@dataclass(frozen=True, eq=False)
class SessionClip:
    """Clip of a session: its file, and its name, which is shown and never a path."""

    name: str
    path: Path
    outline: Outline
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    def shown(self) -> dict[str, Any]:
        """Give what the routes show."""
        return {"id": self.id, "name": self.name, **dataclasses.asdict(self.outline)}


@dataclass(eq=False)
class StrengthRecord:
    """Sound of one strength."""

    state: State = "queued"
    path: Path | None = None
    outline: Outline | None = None
    job: str = ""
    used: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class SessionTransfer:
    """Transfer or texture of a session.

    Attributes:
        kind: Which of them.
        content: The content; ``None`` for a texture.
        styles: Styles with their weights.
        settings: Settings.
        seconds: Length of a texture.
        loop: Whether the end of a texture joins its start.
        strengths: Sound of each strength, by its number in text.
    """

    kind: Literal["transfer", "texture"]
    content: SessionClip | None
    styles: list[tuple[SessionClip, float]]
    settings: Settings
    asked: dict[str, Any]
    seconds: float = 0.0
    loop: bool = False
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    made: float = field(default_factory=time.time)
    state: State = "queued"
    words: str = "waiting"
    done: float = 0.0
    steps: list[tuple[float, float]] = field(default_factory=list)
    preview: int = 0
    preview_start: float = 0.0
    error: str | None = None
    took: float | None = None
    strength: float | None = None
    first: StrengthRecord = field(default_factory=StrengthRecord)
    strengths: dict[str, StrengthRecord] = field(default_factory=dict)
    explanation: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    figures: list[dict[str, str]] = field(default_factory=list)

    def fail(self, error: Exception) -> None:
        """Take in an error as one line, with the names of the clips for their files."""
        line = f"this went wrong inside retimbre: {type(error).__name__}: {error}"
        if isinstance(error, RetimbreError | OSError):
            line = str(error)
        for clip in (*([] if self.content is None else [self.content]), *(clip for clip, _ in self.styles)):
            line = line.replace(str(clip.path), clip.name)
        self.error = " ".join(line.split())
        if self.state in ("queued", "running"):
            self.state = self.first.state = "failed"
            self.words = self.error

    @property
    def is_busy(self) -> bool:
        """Whether something of it waits or runs."""
        records = (self.first, *self.strengths.values())
        return any(record.state in ("queued", "running") for record in records)

    @property
    def title(self) -> str:
        """Name for its files: content and style."""
        clips = [*([] if self.content is None else [self.content]), *(clip for clip, _ in self.styles)]
        return "-in-".join(clip.name.rpartition(".")[0] or clip.name for clip in clips[:2])

    def uses(self, clip: SessionClip) -> bool:
        """Tell whether a clip is its content or a style."""
        return clip is self.content or any(clip is style for style, _ in self.styles)

    def sound(self, strength: str | None) -> StrengthRecord | None:
        """Find the sound of a strength, or the one asked for first."""
        found = self.first if strength is None else self.strengths.get(strength)
        return found if found is not None and found.path is not None else None

    def shown(self) -> dict[str, Any]:
        """Give what the routes show."""
        outline, recipe = self.first.outline, self.recipe(self.settings.strength)
        plain = ("id", "kind", "made", "state", "words", "done", "preview", "preview_start", "error")
        lists = ("steps", "explanation", "notices", "figures")
        return {
            **{name: getattr(self, name) for name in plain},
            **{name: list(getattr(self, name)) for name in lists},
            "content": None if self.content is None else self.content.id,
            "styles": [{"clip": clip.id, "weight": weight} for clip, weight in self.styles],
            "settings": self.asked,
            "has_preview": self.preview > 0,
            "seconds": self.took,
            "strength": self.strength,
            "strengths": {key: self._strength_shown(key) for key in list(self.strengths)},
            "command": recipe.command if self.state == "done" else None,
            "python": recipe.python if self.state == "done" else None,
            **({} if outline is None else {"sound": dataclasses.asdict(outline)}),
        }

    def _strength_shown(self, key: str) -> dict[str, Any]:
        record, recipe = self.strengths[key], self.recipe(float(key))
        loudness = None if record.outline is None else record.outline.loudness
        return {
            "state": record.state,
            "loudness": loudness,
            "command": recipe.command,
            "python": recipe.python,
        }

    def recipe(self, strength: float | None) -> Recipe:
        """Give the recipe of the sound of a strength."""
        settings = dataclasses.replace(self.settings, strength=strength)
        styles = [(clip.name, weight) for clip, weight in self.styles]
        content = None if self.content is None else self.content.name
        return Recipe(content, styles, settings, self.seconds, self.loop)
