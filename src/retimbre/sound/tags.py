"""Tags, pictures and marks of files of any format, read and written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from retimbre.errors import DependencyError
from retimbre.sound.chunks import (
    Chunk,
    append_chunks,
    cue_chunks,
    info_chunk,
    read_chunks,
    read_cues,
    read_info,
)
from retimbre.sound.metadata import OF_ENCODERS, Metadata, own_names

INFO = {
    "title": "INAM", "artist": "IART", "album": "IPRD", "comment": "ICMT", "date": "ICRD", "genre": "IGNR",
    "tracknumber": "ITRK", "copyright": "ICOP", "engineer": "IENG", "encodedby": "ITCH", "language": "ILNG",
}  # fmt: skip
"""Tags that WAV has by itself, under their common names."""


def read_metadata(path: Path, sample_rate: int) -> Metadata:
    """Read what a file says of its sound.

    Args:
        path: The file.
        sample_rate: Its rate in Hz.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"RIFF":
        return _of_wav(path, sample_rate)
    try:
        from retimbre.sound import tag_files
    except DependencyError as error:
        return (
            Metadata("", sample_rate, left_out=(f"tags ({error})",)) if _has_tags(path) else Metadata("", 0)
        )
    return tag_files.read(path, sample_rate)


def write_metadata(path: Path, format: str, metadata: Metadata) -> tuple[str, ...]:
    """Write metadata into a file of sound; name what it cannot hold.

    Args:
        path: The file, just encoded.
        format: Its format, such as ``"wav"``.
        metadata: What is written.

    Raises:
        OSError: the file cannot be written.
    """
    left_out = list(metadata.left_out)
    if format == "wav":
        return (*left_out, *_into_wav(path, metadata))
    if not (metadata.tags or metadata.pictures or metadata.marks or metadata.own):
        return tuple(left_out)
    try:
        from retimbre.sound import tag_files
    except DependencyError as error:
        return (*left_out, f"tags ({error})")
    return (*left_out, *tag_files.write(path, format, metadata))


def _of_wav(path: Path, sample_rate: int) -> Metadata:
    chunks, others = read_chunks(path)
    info: dict[str, str] = {}
    for name, data in chunks:
        if name == b"LIST" and data[:4] == b"INFO":
            info |= read_info(data)
    names = {short: long for long, short in INFO.items()}
    tags = {names[short]: [text] for short, text in info.items() if short in names}
    found = Metadata("wav", sample_rate, tags, marks=tuple(read_cues(chunks)), left_out=tuple(others))
    own: dict[str, Any] = {"chunks": [c for c in chunks if not _is_rewritten(c)]}
    own["info"] = {k: v for k, v in info.items() if k not in names and k not in OF_ENCODERS}
    for name, data in chunks:
        if name.lower() == b"id3 ":
            try:
                from retimbre.sound import tag_files
            except DependencyError as error:
                return replace(found, own=own, left_out=(*others, f"chunk id3 ({error})"))
            more = tag_files.of_id3(data, sample_rate)
            own |= more.own
            found = replace(
                found,
                tags={**more.tags, **found.tags},
                pictures=more.pictures,
                marks=found.marks or more.marks,
                left_out=(*found.left_out, *more.left_out),
            )
    return replace(found, own={key: value for key, value in own.items() if value})


def _is_rewritten(chunk: Chunk) -> bool:
    return chunk[0].lower() == b"id3 " or (chunk[0] == b"LIST" and chunk[1][:4] == b"INFO")


def _into_wav(path: Path, metadata: Metadata) -> list[str]:
    chunks: list[Chunk] = list(metadata.own.get("chunks", ()))
    if metadata.marks and not any(name == b"cue " for name, _ in chunks):
        chunks += cue_chunks(metadata.marks)
    info = {INFO[name]: "; ".join(texts) for name, texts in metadata.tags.items() if name in INFO}
    info |= metadata.own.get("info", {})
    chunks += [info_chunk(info)] if info else []
    left_out: list[str] = [] if metadata.kind == "wav" else own_names(metadata)
    rest = {name: texts for name, texts in metadata.tags.items() if name not in INFO}
    if rest or metadata.pictures or "frames" in metadata.own:
        try:
            from retimbre.sound import tag_files
        except DependencyError as error:
            left_out.append(f"{', '.join(rest) or 'pictures'} ({error})")
        else:
            chunks.append((b"id3 ", tag_files.as_id3(metadata)))
    return left_out if append_chunks(path, chunks) else [*left_out, "all tags (the file is too large)"]


def _has_tags(path: Path) -> bool:
    """Tell whether a file says something of its sound, as far as can be seen without mutagen."""
    import soundfile

    names = ("title", "artist", "album", "comment", "date", "genre", "copyright", "tracknumber")
    with path.open("rb") as file:
        head = file.read(1 << 16).upper()
        file.seek(0)
        if any(word in head for word in (b"IMAGE/", b"_PICTURE=", b"CHAPTER0", b"CHAP\0")):
            return True
        try:
            with soundfile.SoundFile(file.fileno(), closefd=False) as opened:
                return any(getattr(opened, name, "") for name in names)
        except (soundfile.LibsndfileError, RuntimeError):
            return True  # a format of PyAV, whose files have some nearly always
