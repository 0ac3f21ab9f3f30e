"""The command ``texture`` through its real entry point."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retimbre.sound.audio import Audio
from retimbre.sound.files import read, write

COMMAND = (sys.executable, "-W", "error", "-m", "retimbre", "texture")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
QUICK = ("--n-iter", "2", "--n-iter-phase", "2", "--n-iter-waveform", "1", "--device", "cpu")


@pytest.fixture
def style(tmp_path: Path) -> Path:
    path = tmp_path / "style.wav"
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 8000))
    write(path, Audio(noise.astype(np.float32), 16_000))
    return path


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_loop_is_written_and_json_says_how(style: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.flac"
    done = _run(style, "-o", output, "--seconds", "1.25", "--loop", "--seed", "5", "--json", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    clip = read(output)
    assert (clip.sample_rate, clip.samples.shape) == (16_000, (2, 20_000))
    said = json.loads(done.stdout)
    assert (said["styles"], said["output"], said["loop"], said["seed"]) == (
        {str(style): 1.0},
        str(output),
        True,
        5,
    )
    assert "content" not in said
    assert said["settings"]["n_iter"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seconds", "0"), "the texture is to last 0.0 s: expected"),
        (("--seconds", "nan"), "the texture is to last nan s: expected"),
        (("--taps", "4"), "taps is 4: expected an odd number"),
        (("--loop", "-o", "out.xyz"), "out.xyz"),
        (("-o", "style.wav"), "style.wav is one of the inputs"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], message: str, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = _run(style, "-o", "out.wav", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"retimbre: error: \S[^\n]*\n", done.stderr), done.stderr
    assert message in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["style.wav"]


def test_an_interrupt_keeps_the_best_so_far(style: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.wav"
    endless = ("--n-iter", "1000000", "--tolerance", "0", "--network", "shallow", "--filters", "512")
    ours, theirs = pty.openpty()  # on a terminal it shows that it has begun
    command = [*COMMAND, str(style), "-o", str(output), "--seconds", "4", *endless]
    with subprocess.Popen(command, env=ENVIRONMENT | {"TERM": "xterm"}, stderr=theirs) as process:
        os.close(theirs)
        said, interrupted = b"", False
        try:
            while data := os.read(ours, 4096):
                said += data
                if not interrupted and re.search(rb"evaluation [1-9]", said):
                    process.send_signal(signal.SIGINT)
                    interrupted = True
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(ours)
        assert process.wait(timeout=60) == 130, said
    assert b"interrupted: wrote the best result so far, 4.0 s, to" in said
    assert read(output).n_samples == 64_000
