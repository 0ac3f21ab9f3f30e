"""Kinds of files by their first bytes: of sound, and of what is saved under a name of sound by mistake."""

import re

_OTHERS = (
    (rb"%PDF-", "a PDF document"),
    (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive"),
    (rb"\x1f\x8b", "a file packed by gzip"),
    (rb"7z\xbc\xaf|Rar!", "an archive"),
    (rb"BZh\d|\xfd7zXZ|\x28\xb5\x2f\xfd", "a packed file"),
    (rb"\x89PNG|\xff\xd8\xff[\xc0-\xfe]|GIF8|BM.{4}\0{4}|RIFF.{4}WEBP", "a picture"),
    (rb"MThd", "MIDI: notes without a sound"),
    (rb"\x7fELF|MZ.{2}", "a program"),
    (rb"version https://git-lfs", "a pointer of Git LFS to a file that was not downloaded"),
    (rb"#EXTM3U|\[playlist\]", "a playlist: addresses without a sound"),
)
"""What a file is that is no sound, by a pattern at its start."""

_FILMS = (
    rb".{4}ftyp",  # MPEG-4
    rb"\x1a\x45\xdf\xa3",  # Matroska, WebM
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF: WMA
    rb"\xff[\xf0\xf1\xf8\xf9].{5}",  # AAC by itself (ADTS)
    rb"\xff[\xf4\xf5\xfc\xfd].{5}",  # MPEG, layer 2
    rb"FLV\x01|#!AMR|wvpk|MAC |TTA1|\x0b\x77|RIFF.{4}AVI |\x00\x00\x01\xba|DSD |OMA|ajkg|MPCK|TBAK",
)
"""Starts of files that FFmpeg reads and libsndfile does not."""

_TEXT_CONTROLS = set(range(32)) - {9, 10, 12, 13, 27}


def needs_av(head: bytes) -> bool:
    """Tell whether a file with these first bytes is sound that PyAV reads and libsndfile does not."""
    return any(re.match(pattern, head, re.DOTALL) for pattern in _FILMS)


def other_kind(head: bytes) -> str:
    """Name what a file is that is no sound, by its first bytes; empty where they say nothing.

    >>> other_kind(b"  <!DOCTYPE html><html>"), other_kind(b"Not Found"), other_kind(bytes(9))
    ('a web page', 'text', 'nothing but zeros')
    """
    for pattern, name in _OTHERS:
        if re.match(pattern, head, re.DOTALL):
            return name
    if not head.strip(b"\0"):
        return "nothing but zeros"
    text = _text(head)
    start = text.lstrip("\ufeff \t\r\n")[:500].lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body")) or "<html" in start:
        return "a web page"
    if start.startswith("<"):
        return "XML"
    return "text" if text else ""


def _text(head: bytes) -> str:
    """Decode the start of a text; empty where it is none."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        text = head[: len(head) & ~1].decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character that the end of the head cuts is none the less one
            return ""
        text = head[: error.start].decode(encoding)
    return "" if any(ord(character) in _TEXT_CONTROLS for character in text) else text
