"""Tags, pictures and marks: written by mutagen and read back by it, from every format to every other."""

import base64
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen import flac, id3
from mutagen.wave import WAVE

import retimbre
from retimbre.apps.explanation import notices
from retimbre.sound.audio import Audio
from retimbre.sound.chunks import read_chunks, read_cues, read_info
from retimbre.sound.files import read, write
from retimbre.sound.tags import read_metadata

RATE = 44_100
STYLE = np.random.default_rng(1).standard_normal((1, RATE // 2)) * 0.1
COVER = bytes.fromhex("89504e470d0a1a0a") + bytes(range(256))
MARKS = [(0, "verse"), (11_025, "chorus")]
TAGS = {"title": "Aria", "artist": "J. S. Bach", "album": "Goldberg", "date": "1741", "mood": "calm"}


def content(folder: Path, suffix: str) -> Path:
    """Make a file with tags, a cover and two marks, by other means than those under test."""
    path = folder / f"content.{suffix}"
    write(path, Audio(0.1 * np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32), RATE))
    if suffix == "wav":
        _append(
            path,
            b"LIST",
            b"INFO" + b"".join(_text(n, t) for n, t in ((b"INAM", "Aria"), (b"IART", "J. S. Bach"))),
        )
        cues = b"".join(struct.pack("<II4sIII", n, at, b"data", 0, 0, at) for n, (at, _) in enumerate(MARKS))
        _append(path, b"cue ", struct.pack("<I", 2) + cues)
        names = (_text(b"labl", name, struct.pack("<I", n)) for n, (_, name) in enumerate(MARKS))
        _append(path, b"LIST", b"adtl" + b"".join(names))
        wave = WAVE(path)
        wave.add_tags()
        _add_frames(wave.tags)
        wave.save()
    elif suffix == "mp3":
        tags = id3.ID3()
        _add_frames(tags)
        for number, (at, name) in enumerate(MARKS):
            title = id3.TIT2(encoding=3, text=[name])
            ms = round(1000 * at / RATE)
            tags.add(id3.CHAP(f"c{number}", ms, ms + 250, sub_frames=[title]))
        tags.add(id3.PRIV(owner="somebody", data=b"secret"))
        tags.save(path)
    else:
        opened = mutagen.File(path)
        for name, text in TAGS.items():
            opened[name] = text
        for number, (at, name) in enumerate(MARKS):
            opened[f"CHAPTER00{number}"] = f"00:00:00.{round(1000 * at / RATE):03}"
            opened[f"CHAPTER00{number}NAME"] = name
        picture = flac.Picture()
        picture.mime, picture.type, picture.data = "image/png", 3, COVER
        if suffix == "flac":
            opened.add_picture(picture)
        else:
            opened["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
        opened.save()
    return path


def _add_frames(tags: Any) -> None:
    tags.add(id3.TIT2(encoding=3, text=["Aria"]))
    tags.add(id3.TPE1(encoding=3, text=["J. S. Bach"]))
    tags.add(id3.TALB(encoding=3, text=["Goldberg"]))
    tags.add(id3.TDRC(encoding=3, text=["1741"]))
    tags.add(id3.TXXX(encoding=3, desc="mood", text=["calm"]))
    tags.add(id3.APIC(3, "image/png", 3, "", COVER))


def _text(name: bytes, text: str, before: bytes = b"") -> bytes:
    data = before + text.encode() + b"\0"
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _append(path: Path, name: bytes, data: bytes) -> None:
    whole = path.read_bytes() + name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])


def made(source: Path, suffix: str, **settings: Any) -> tuple[Path, retimbre.Result]:
    path = source.with_name(f"out.{suffix}")
    style = source.with_name("violin.wav")
    soundfile.write(style, STYLE.T, RATE)
    return path, retimbre.transfer(source, style, retimbre.Settings(strength=0, **settings), output=path)


FORMATS = ("wav", "flac", "mp3", "ogg", "opus")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_tags_cover_and_marks_of_the_content_are_kept(source: str, suffix: str, tmp_path: Path) -> None:
    path, result = made(content(tmp_path, source), suffix)
    rate = soundfile.info(path).samplerate
    found = read_metadata(path, rate)
    assert found.tags["title"] == ["Aria as violin"]
    for name in ("artist", "album", "date"):
        assert found.tags[name] == [TAGS[name]]
    assert found.tags["mood"] == ["calm"]
    (picture,) = found.pictures
    assert (picture.mime, picture.kind, picture.data) == ("image/png", 3, COVER)
    assert [name for _, name in found.marks] == ["verse", "chorus"]
    seconds = [at / rate for at, _ in found.marks]
    np.testing.assert_allclose(seconds, [at / RATE for at, _ in MARKS], rtol=0, atol=0.001)
    assert result.delivery is not None
    lost = ("PRIV",) if source == "mp3" and suffix not in ("mp3", "wav") else ()
    assert result.delivery.left_out == lost
    said = ["out: left out of what the content's file says: PRIV"] if lost else []
    assert [line for line in notices(result, [], "out") if "left out" in line] == said


@pytest.mark.parametrize("suffix", FORMATS)
def test_tags_change_no_sample_and_can_be_left_away(suffix: str, tmp_path: Path) -> None:
    source = content(tmp_path, "flac")
    path, _ = made(source, suffix)
    samples = read(path).samples
    path, result = made(source, suffix, tags="none")
    np.testing.assert_array_equal(read(path).samples, samples)
    assert not read_metadata(path, RATE).tags
    assert result.delivery is not None
    assert result.delivery.left_out == ()


def test_what_is_saved_later_has_the_tags_too(tmp_path: Path) -> None:
    source = content(tmp_path, "flac")
    delivery = retimbre.transfer(source, (STYLE, RATE), retimbre.Settings(strength=0)).save(
        tmp_path / "o.mp3"
    )
    assert delivery.left_out == ()
    assert str(mutagen.File(tmp_path / "o.mp3")["TIT2"]) == "Aria"  # the style has no name


def test_chunks_of_a_wav_go_into_a_wav_as_they_are(tmp_path: Path) -> None:
    source = content(tmp_path, "wav")
    loop = struct.pack("<9I6I", 0, 0, 22_675, 60, 0, 0, 0, 1, 0, 0, 0, 10, 5_000, 0, 0)
    for name, data in ((b"smpl", loop), (b"bext", b"description".ljust(602, b"\0")), (b"odd ", b"?")):
        _append(source, name, data)
    path, result = made(source, "wav")
    chunks = dict(read_chunks(path)[0])
    assert (chunks[b"smpl"], chunks[b"bext"]) == (loop, b"description".ljust(602, b"\0"))
    assert read_cues(read_chunks(path)[0]) == MARKS
    infos = [read_info(data) for name, data in read_chunks(path)[0] if data[:4] == b"INFO"]
    assert [info["INAM"] for info in infos] == ["Aria as violin"]
    assert result.delivery is not None
    assert result.delivery.left_out == ("odd",)
    _, result = made(source, "flac")
    assert result.delivery is not None
    assert result.delivery.left_out == ("odd", "smpl", "bext")


def test_a_cue_sheet_of_a_flac_stays(tmp_path: Path) -> None:
    source = content(tmp_path, "flac")
    opened = flac.FLAC(source)
    sheet = flac.CueSheet(None)
    sheet.tracks = [flac.CueSheetTrack(1, 5_880), flac.CueSheetTrack(170, RATE)]
    opened.cuesheet = sheet
    opened.metadata_blocks.append(sheet)
    opened.save()
    path, _ = made(source, "flac")
    found: Any = flac.FLAC(path).cuesheet
    assert [(track.track_number, track.start_offset) for track in found.tracks] == [(1, 5_880), (170, RATE)]


def test_without_mutagen_a_line_says_what_is_missing(tmp_path: Path, run: Callable[..., Any]) -> None:
    source = content(tmp_path, "mp3")
    wave = content(tmp_path, "wav")
    made(source, "wav")
    (tmp_path / "mutagen.py").write_text("raise ImportError")
    cover = tmp_path / "cover.flac"
    write(cover, Audio(STYLE.astype(np.float32), RATE))
    opened = flac.FLAC(cover)
    picture = flac.Picture()
    picture.mime, picture.data = "image/png", COVER
    opened.add_picture(picture)
    opened.save()
    cases = ((source.name, "wav"), (source.name, "mp3"), (wave.name, "flac"), (cover.name, "flac"))
    for name, suffix in cases:
        done = run("transfer", name, "violin.wav", "--strength", "0", "-o", f"o.{suffix}", cwd=tmp_path)
        assert done.returncode == 0
        assert f"o.{suffix}: left out of what the content's file says: " in done.stderr
        assert "pip install 'retimbre[tags]'" in done.stderr


@pytest.mark.parametrize("suffix", ["wav", "mp3", "flac", "ogg"])
def test_damaged_tags_are_named_and_the_sound_is_made(suffix: str, tmp_path: Path) -> None:
    """Bytes beside the tags change; where the sound can be read, an output is made, with a line or tags."""
    source = content(tmp_path, suffix)
    whole, rng = source.read_bytes(), np.random.default_rng(0)
    places = [at for word in (b"Aria", b"image/png", b"chorus", b"APIC") if (at := whole.find(word)) >= 0]
    n_made = 0
    for at in places:
        data = bytearray(whole)
        data[at - 12 : at] = rng.bytes(12)
        source.write_bytes(data)
        try:
            _, result = made(source, "flac")
        except retimbre.AudioReadError:
            continue
        n_made += 1
        assert result.delivery is not None
    assert n_made or suffix == "ogg"  # whose checksums cover its tags


def test_a_picture_that_is_too_large_for_a_format_is_named(tmp_path: Path) -> None:
    source = content(tmp_path, "mp3")
    tags = id3.ID3(source)
    tags.add(id3.APIC(3, "image/png", 4, "back", bytes(1 << 24)))
    tags.save(source)
    path, result = made(source, "flac")
    assert result.delivery is not None
    assert result.delivery.left_out[0].startswith("all tags (")
    np.testing.assert_allclose(read(path).samples, read(source).samples, rtol=0, atol=2**-24)


def test_the_same_samples_of_floats_are_the_same_bytes(tmp_path: Path) -> None:
    """libsndfile writes the time into the chunk of peaks."""
    data = []
    for _ in range(2):
        write(
            tmp_path / "a.wav",
            Audio(STYLE.astype(np.float32), RATE),
            settings=retimbre.Settings(bits="float"),
        )
        data.append((tmp_path / "a.wav").read_bytes())
    assert data[0] == data[1]
    at = data[0].find(b"PEAK")
    assert at > 0
    assert data[0][at + 12 : at + 16] == bytes(4)
    assert soundfile.info(io.BytesIO(data[0])).frames == STYLE.shape[1]
