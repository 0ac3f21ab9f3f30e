"""What a file says of its sound, in terms that all formats share: tags, pictures, marks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Marks = tuple[tuple[int, str], ...]
"""Sample and name of each mark, in order."""

OF_ENCODERS = {"encoder", "encodersettings", "encoding", "length", "ISFT"}
"""Tags that speak of the file that was read."""

_CHAPTER = re.compile(r"chapter(\d{3})(name)?")


@dataclass(frozen=True)
class Picture:
    """A picture, such as a cover.

    Attributes:
        mime: Type of its data, such as ``"image/png"``.
        kind: Its role, by the numbers of ID3; 3 is the front cover.
        text: Its description.
        data: Its file.
    """

    mime: str
    kind: int
    text: str
    data: bytes


@dataclass(frozen=True)
class Metadata:
    """What a file says of its sound.

    Attributes:
        kind: Format that it comes from: ``"wav"``, ``"flac"``, ``"ogg"`` or ``"mp3"``; empty for another.
        sample_rate: Rate in Hz that marks are counted at.
        tags: Texts by their names in Vorbis comments, in small letters.
        pictures: Pictures.
        marks: Sample and name of each mark, in order.
        own: What only a file of the same kind can hold: chunks of a WAV, frames of an MP3, blocks of a FLAC.
        left_out: Names of what nothing can hold, or what was not read.
    """

    kind: str
    sample_rate: int
    tags: Mapping[str, list[str]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    marks: Marks = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tags or self.pictures or self.marks or self.own or self.left_out)

    def titled(self, style: str) -> "Metadata":
        """Add a style to the title, if there is one.

        >>> Metadata("wav", 8000, {"title": ["Aria"]}).titled("violin").tags
        {'title': ['Aria as violin']}
        """
        if not style or "title" not in self.tags:
            return self
        titles = [f"{title} as {style}" for title in self.tags["title"]]
        return replace(self, tags={**self.tags, "title": titles})


def with_chapters(tags: Mapping[str, list[str]], marks: Marks, rate: int) -> dict[str, list[str]]:
    """Add marks to tags as Vorbis comments have them.

    >>> with_chapters({}, ((44100, "verse"),), 44100)
    {'chapter000': ['00:00:01.000'], 'chapter000name': ['verse']}
    """
    found = {name: list(texts) for name, texts in tags.items()}
    for number, (place, name) in enumerate(marks):
        ms = round(1000 * place / rate)
        clock = f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
        found[f"chapter{number:03}"] = [clock]
        if name:
            found[f"chapter{number:03}name"] = [name]
    return found


def without_chapters(tags: Mapping[str, list[str]], rate: int) -> tuple[dict[str, list[str]], Marks]:
    """Tell the marks from the other tags of Vorbis comments."""
    rest: dict[str, list[str]] = {}
    places: dict[str, int] = {}
    names: dict[str, str] = {}
    for name, texts in tags.items():
        found = _CHAPTER.fullmatch(name)
        clock = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", texts[0]) if texts else None
        if found and found[2]:
            names[found[1]] = texts[0]
        elif found and clock:
            seconds = int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
            places[found[1]] = round(seconds * rate)
        else:
            rest[name] = list(texts)
    return rest, tuple(sorted((place, names.get(number, "")) for number, place in places.items()))


def own_names(metadata: Metadata, *, keeps: str = "frames") -> list[str]:
    """Name what a file of another kind cannot hold."""
    names: list[str] = []
    for key, value in metadata.own.items():
        if key == keeps:
            continue
        if key == "chunks":
            names += [n.decode("ascii").strip() for n, _ in value if n not in (b"cue ", b"LIST")]
        elif key == "info":
            names += list(value)
        elif key == "frames":
            names += sorted({frame.FrameID for frame in value})
        else:
            names.append(key)
    return names
