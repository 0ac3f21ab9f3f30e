"""Standard streams that are closed, full, or read by nobody: the sound is written all the same."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retimbre.sound.audio import Audio
from retimbre.sound.files import read, write

COMMAND = f"{shlex.quote(sys.executable)} -m retimbre"
TRANSFER = f"{COMMAND} transfer a.wav b.wav -o o.wav --n-iter 1 --n-iter-waveform 0 --align none"
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is full")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seed in (("a", 0), ("b", 1)):
        samples = np.random.default_rng(seed).standard_normal(8000, np.float32) * np.float32(0.1)
        write(tmp_path / f"{name}.wav", Audio(samples, 8000))
    return tmp_path


def _run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@full
def test_a_full_stdout_is_one_line_and_one() -> None:
    for command in (f"{COMMAND} --version", f"{COMMAND} networks"):
        done = _run(f"{command} > /dev/full", Path.cwd())
        assert done.returncode == 1
        assert done.stderr.strip().splitlines() == [
            "retimbre: error: stdout cannot be written (No space left on device); what was made is there"
        ]


@full
def test_the_sound_is_written_before_a_stream_fails(folder: Path) -> None:
    done = _run(f"{TRANSFER} --json > /dev/full 2> /dev/full", folder)
    assert done.returncode == 1
    assert read(folder / "o.wav").n_samples == 8000


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_none_to_write_into(closed: str, folder: Path) -> None:
    done = _run(f"{TRANSFER} --explain {closed}", folder)
    assert done.returncode == 0
    assert read(folder / "o.wav").n_samples == 8000  # and no message is in it


def test_a_pipe_that_nobody_reads_is_quiet(folder: Path) -> None:
    done = _run(f"set -o pipefail; {TRANSFER} --json | true", folder)
    assert done.stderr == ""
    assert read(folder / "o.wav").n_samples == 8000


def test_notes_of_decoders_are_dropped(folder: Path) -> None:
    """An MP3 with a piece that is there twice is read, and its decoder writes notes about that."""
    noise = 0.3 * np.random.default_rng(0).standard_normal(44_100, np.float32)
    write(folder / "a.mp3", Audio(noise, 22_050))
    data = (folder / "a.mp3").read_bytes()
    (folder / "a.mp3").write_bytes(data[:5000] + data[3000:])
    read_it = f"{shlex.quote(sys.executable)} -c 'import retimbre; retimbre.read(\"a.mp3\")'"
    assert "Note: " in _run(read_it, folder).stderr
    options = "-o o.wav --n-iter 1 --n-iter-waveform 0"
    for command in (
        f"transfer a.mp3 b.wav {options} --align none",
        f"transfer b.wav - {options} --align none < a.mp3",
        f"texture a.mp3 {options} --seconds 1",
        "measure a.mp3 --style b.wav",
    ):
        done = _run(f"{COMMAND} {command}", folder)
        assert (done.returncode, done.stderr) == (0, ""), command
