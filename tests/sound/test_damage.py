"""Small damaged files that were once read wrongly; ``make faults`` looks for more (benchmarks/faults.py)."""

import importlib
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from retimbre.errors import AudioReadError, RetimbreError
from retimbre.sound.audio import Samples
from retimbre.sound.files import read

Sweeps = Callable[..., Samples]
faults: Any = importlib.import_module("benchmarks.faults")


def test_three_hundred_damaged_files_are_read_whole_or_refused_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("av")
    counts, bad = faults.fault_table(tmp_path, 288, None)  # each format, damaged in each way, once
    assert bad == []
    total = sum(counts.values(), Counter[str]())
    assert total["read whole"] + total["refused"] == 288
    assert min(total["read whole"], total["refused"]) > 50
    assert not any(total[column] for column in faults.BAD)


@pytest.mark.slow
def test_a_killed_transfer_leaves_the_old_file_or_the_whole_one(tmp_path: Path) -> None:
    found = faults.kills(tmp_path, 4)
    assert set(found) <= {"absent", "the old one", "whole"}
    assert sum(found.values()) == 4


@pytest.fixture
def flac(tmp_path: Path, sweeps: Sweeps) -> Path:
    path = tmp_path / "clip.flac"
    soundfile.write(path, sweeps(1.0, 44_100).T, 44_100)
    return path


def test_a_flac_that_announces_fewer_samples_than_it_has(flac: Path) -> None:
    data, whole = bytearray(flac.read_bytes()), read(flac)
    data[22:26] = struct.pack(">I", 100)
    flac.write_bytes(data)
    np.testing.assert_array_equal(read(flac).samples, whole.samples)


def test_a_flac_of_many_samples_that_are_not_there(flac: Path) -> None:
    data = bytearray(flac.read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    flac.write_bytes(data)
    with pytest.raises(AudioReadError, match=r"truncated: 44100 of 68719476735 samples are there"):
        read(flac)


def test_an_mp3_tag_that_announces_more_than_the_file(tmp_path: Path, sweeps: Sweeps) -> None:
    path = tmp_path / "clip.mp3"
    soundfile.write(path, sweeps(1.0, 44_100).T, 44_100)
    whole = path.read_bytes()
    path.write_bytes(b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + whole)
    assert read(path).n_samples == pytest.approx(44_100, abs=1152)


@pytest.mark.parametrize(
    "start", [b"RIFF", b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"\xff\xfb\x90\0", b"ID3\3"]
)
def test_chance_behind_the_start_of_a_format(start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    for seed in range(20):
        path.write_bytes(start + np.random.default_rng(seed).bytes(3000))
        with pytest.raises(RetimbreError) as caught:
            read(path)
        assert str(caught.value).isprintable()


def test_a_wav_of_a_length_that_no_disk_has(tmp_path: Path) -> None:
    """Announced in a header, which nothing is allocated by."""
    path = tmp_path / "clip.wav"
    layout = struct.pack("<HHIIHH", 1, 1, 22_050, 44_100, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", 0xF000_0000)
    path.write_bytes(b"RIFF" + struct.pack("<I", 0xF000_0024) + body + zlib.compress(bytes(9)))
    with pytest.raises(AudioReadError, match="of 4026531840 bytes of samples are there"):
        read(path)
