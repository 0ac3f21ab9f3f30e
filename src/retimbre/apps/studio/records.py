"""Records of a session: its clips and transfers, as the routes show them, and how to make one again."""

import dataclasses
import secrets
import shlex
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from retimbre.settings import Settings

State = Literal["queued", "running", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Outline:
    """Outline of a clip.

    Attributes:
        seconds: Duration.
        sample_rate: Rate in Hz.
        n_channels: Number of channels.
        loudness: Integrated loudness in LUFS.
        peaks: Of each of up to 800 stretches the lowest and the highest sample, and the root mean square of
            its loudest channel.
    """

    seconds: float
    sample_rate: int
    n_channels: int
    loudness: float
    peaks: list[tuple[float, ...]]


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
    asked_last: str = ""
    explanation: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    figures: list[dict[str, str]] = field(default_factory=list)

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
        outline = self.first.outline
        plain = ("id", "kind", "made", "state", "words", "done", "preview", "preview_start", "error", "strength")
        lists = ("steps", "explanation", "notices", "figures")
        return {
            **{name: getattr(self, name) for name in plain},
            **{name: list(getattr(self, name)) for name in lists},
            "content": None if self.content is None else self.content.id,
            "styles": [{"clip": clip.id, "weight": weight} for clip, weight in self.styles],
            "settings": self.asked,
            "has_preview": self.preview > 0,
            "seconds": self.took,
            "strengths": {key: self._strength_shown(key) for key in list(self.strengths)},
            "command": None if self.state != "done" else self.command(self.settings.strength),
            "python": None if self.state != "done" else self.python(self.settings.strength),
            **({} if outline is None else {"sound": dataclasses.asdict(outline)}),
        }

    def _strength_shown(self, key: str) -> dict[str, Any]:
        record = self.strengths[key]
        outline = {} if record.outline is None else dataclasses.asdict(record.outline)
        number = float(key)
        return {"state": record.state, "command": self.command(number), "python": self.python(number), **outline}

    def command(self, strength: float | None) -> str:
        """Write the command that makes the same samples from files of these names."""
        words = [] if self.content is None else [_as_argument(self.content.name)]
        if len(self.styles) == 1:
            words.append(_as_argument(self.styles[0][0].name))
        else:
            for clip, weight in self.styles:
                words += ["--style", f"{_as_argument(clip.name)}:{weight!r}"]
        words += ["-o", "out.wav"]
        if self.kind == "texture":
            words += ["--seconds", repr(self.seconds), *(["--loop"] if self.loop else [])]
        for name, value in self._chosen(strength).items():
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return shlex.join(["retimbre", self.kind, *words])

    def python(self, strength: float | None) -> str:
        """Write the Python that does the same."""
        mix = [(clip.name, weight) for clip, weight in self.styles]
        style = repr(mix[0][0] if len(mix) == 1 else mix)
        chosen = ", ".join(f"{name}={value!r}" for name, value in self._chosen(strength).items())
        settings = f"retimbre.Settings({chosen})"
        if self.content is not None:
            call = f"retimbre.transfer({self.content.name!r}, {style}, {settings})"
        else:
            call = f"retimbre.texture({style}, {self.seconds!r}, {settings}, loop={self.loop})"
        return f'import retimbre\n\n{call}.save("out.wav")\n'

    def _chosen(self, strength: float | None) -> dict[str, Any]:
        values = dataclasses.asdict(dataclasses.replace(self.settings, strength=strength))
        return {f.name: values[f.name] for f in dataclasses.fields(Settings) if values[f.name] != f.default}


def _as_argument(name: str) -> str:
    """Keep a name that begins with a dash from being taken for an option."""
    return f"./{name}" if name.startswith("-") else name
