"""Tags of FLAC, Ogg and MP3, and of ID3 inside WAV, through mutagen: the extra ``tags``.

mutagen is under the GPL, so it is an extra, and nothing else imports it.
"""

import base64
import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retimbre.errors import DependencyError, shown
from retimbre.sound.metadata import (
    OF_ENCODERS,
    Marks,
    Metadata,
    Picture,
    own_names,
    with_chapters,
    without_chapters,
)

try:
    import mutagen
    from mutagen import aiff, easyid3, flac, id3, mp3, oggflac, oggopus, oggvorbis
except ImportError as error:
    raise DependencyError("mutagen", extra="tags") from error

_COVER = "metadata_block_picture"
_REWRITTEN = ("TIT2", "TSSE", "TLEN", "TENC", "CHAP", "CTOC", "APIC")
"""Frames that are made anew, or speak of the file that was read."""


def read(path: Path, sample_rate: int) -> Metadata:
    """Read the tags of a file; of tags that are damaged, or of another format, that there are some."""
    try:
        with path.open("rb") as file:
            return _of_file(mutagen.File(file), sample_rate)
    except Exception as fault:  # of any kind: the sound is fine, whatever is beside it
        return Metadata("", sample_rate, left_out=(f"damaged tags ({shown(fault)})",))


def _of_file(opened: Any, sample_rate: int) -> Metadata:
    if isinstance(opened, (mp3.MP3, aiff.AIFF)):
        return Metadata("", 0) if opened.tags is None else _of_frames(opened.tags, sample_rate, "mp3")
    if isinstance(opened, flac.FLAC):
        tags, marks = _of_comments(opened.tags, sample_rate)
        sheet: Any = opened.cuesheet
        own = {"cuesheet": sheet} if sheet else {}
        if sheet and not marks:
            marks = tuple((t.start_offset, "") for t in sheet.tracks if t.track_number < 100)
        return Metadata("flac", sample_rate, tags, tuple(map(_picture, opened.pictures)), marks, own)
    if isinstance(opened, (oggvorbis.OggVorbis, oggopus.OggOpus, oggflac.OggFLAC)):
        tags, marks = _of_comments(opened.tags, sample_rate)
        pictures = [flac.Picture(base64.b64decode(text)) for text in tags.pop(_COVER, ())]
        return Metadata("ogg", sample_rate, tags, tuple(map(_picture, pictures)), marks)
    has_some = opened is not None and bool(opened.tags)
    return Metadata("", sample_rate, left_out=("tags of this format",) if has_some else ())


def write(path: Path, format: str, metadata: Metadata) -> list[str]:
    """Write tags into a file; name what it cannot hold.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        if format == "mp3":
            _frames(metadata).save(str(path), v2_version=4)
            return own_names(metadata)
        kind: Any = {"flac": flac.FLAC, "ogg": oggvorbis.OggVorbis, "opus": oggopus.OggOpus}[format]
        _add_comments(kind(str(path)), metadata)
        return own_names(metadata, keeps="cuesheet" if format == "flac" else "")
    except (mutagen.MutagenError, ValueError) as fault:
        for each in (fault.__cause__, fault.__context__, *fault.args):
            if isinstance(each, OSError):
                raise each from fault
        return [f"all tags ({shown(fault)})"]  # such as a picture that is too large for the format


def _add_comments(opened: Any, metadata: Metadata) -> None:
    """Write comments, pictures and a cue sheet into a file of FLAC or Ogg."""
    if opened.tags is None:
        opened.add_tags()
    for name, texts in with_chapters(metadata.tags, metadata.marks, metadata.sample_rate).items():
        opened.tags[name] = texts
    pictures = [_flac_picture(picture) for picture in metadata.pictures]
    if isinstance(opened, flac.FLAC):
        sheet: Any = metadata.own.get("cuesheet")
        for picture in pictures:
            opened.add_picture(picture)
        if sheet is not None:
            opened.metadata_blocks.append(sheet)
            opened.cuesheet = sheet
    elif pictures:
        opened.tags[_COVER] = [base64.b64encode(picture.write()).decode("ascii") for picture in pictures]
    opened.save()


def of_id3(data: bytes, sample_rate: int) -> Metadata:
    """Read a tag of ID3 by itself."""
    try:
        return _of_frames(id3.ID3(io.BytesIO(data)), sample_rate, "wav")
    except Exception as fault:  # as in read
        return Metadata("wav", sample_rate, left_out=(f"damaged tags ({shown(fault)})",))


def as_id3(metadata: Metadata) -> bytes:
    """Make a tag of ID3 by itself."""
    file = io.BytesIO()
    _frames(metadata).save(file, v2_version=4)
    return file.getvalue()


def _of_comments(comments: Any, sample_rate: int) -> tuple[dict[str, list[str]], Marks]:
    found = {name.lower(): list(comments[name]) for name in (comments.keys() if comments else ())}
    return without_chapters({k: v for k, v in found.items() if k not in OF_ENCODERS}, sample_rate)


def _of_frames(tags: Any, sample_rate: int, kind: str) -> Metadata:
    """Read frames of ID3: what has a common name by that; all of them for a file of the same kind."""
    found: dict[str, list[str]] = {}
    own: list[Any] = []
    pictures: list[Picture] = []
    marks: list[tuple[int, str]] = []
    for name in _FRAMES:
        with contextlib.suppress(KeyError):
            found[name] = list(map(str, easyid3.EasyID3.Get[name](tags, name)))
    known = {frame for name in found for frame in _FRAMES[name]}
    for frame in tags.values():
        if frame.FrameID == "APIC":
            pictures.append(Picture(frame.mime, int(frame.type), frame.desc, frame.data))
        elif frame.FrameID == "CHAP":
            titles = frame.sub_frames.getall("TIT2")
            marks.append((round(frame.start_time * sample_rate / 1000), str(titles[0]) if titles else ""))
        elif frame.FrameID == "COMM":
            found.setdefault("comment", []).extend(map(str, frame.text))
        elif frame.FrameID == "USLT":
            found.setdefault("lyrics", []).append(frame.text)
        elif frame.HashKey in known:
            continue
        elif frame.FrameID == "TXXX":
            found.setdefault(frame.desc.lower(), []).extend(map(str, frame.text))
        elif frame.FrameID not in _REWRITTEN:
            own.append(frame)
    return Metadata(
        kind, sample_rate, found, tuple(pictures), tuple(sorted(marks)), {"frames": own} if own else {}
    )


def _frames(metadata: Metadata) -> Any:
    """Make frames of ID3."""
    tags = id3.ID3()
    for frame in metadata.own.get("frames", ()):
        tags.add(frame)
    for name, texts in metadata.tags.items():
        if name == "comment":
            tags.add(id3.COMM(encoding=3, lang="XXX", desc="", text=texts))
        elif name == "lyrics":
            tags.add(id3.USLT(encoding=3, lang="XXX", desc="", text="\n".join(texts)))
        elif name in _FRAMES:
            easyid3.EasyID3.Set[name](tags, name, texts)
        else:
            tags.add(id3.TXXX(encoding=3, desc=name, text=texts))
    for picture in metadata.pictures:
        tags.add(id3.APIC(3, picture.mime, picture.kind, picture.text, picture.data))
    ids = []
    ends = [place for place, _ in metadata.marks[1:]]
    for number, (place, name) in enumerate(metadata.marks):
        start = round(1000 * place / metadata.sample_rate)
        end = round(1000 * ends[number] / metadata.sample_rate) if number < len(ends) else start
        ids.append(f"chapter{number}")
        titles = [id3.TIT2(encoding=3, text=[name])] if name else []
        tags.add(id3.CHAP(ids[-1], start, end, 0xFFFF_FFFF, 0xFFFF_FFFF, sub_frames=titles))
    if ids:
        flags = id3.CTOCFlags.TOP_LEVEL | id3.CTOCFlags.ORDERED
        tags.add(id3.CTOC("toc", flags, ids, sub_frames=[]))
    return tags


def _picture(picture: Any) -> Picture:
    return Picture(picture.mime, int(picture.type), picture.desc, picture.data)


def _flac_picture(picture: Picture) -> Any:
    made = flac.Picture()
    made.mime, made.type, made.desc, made.data = picture.mime, picture.kind, picture.text, picture.data
    return made


def _frames_by_name() -> Mapping[str, tuple[str, ...]]:
    """List the names that ID3 has a frame for, and the frame of each, as mutagen maps them."""
    found = {}
    for name, put in easyid3.EasyID3.Set.items():
        if "*" not in name and name not in OF_ENCODERS:
            probe = id3.ID3()
            put(probe, name, ["1"])
            found[name] = tuple(probe.keys())
    return found


_FRAMES = _frames_by_name()
