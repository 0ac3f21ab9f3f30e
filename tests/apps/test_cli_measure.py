"""The command ``retimbre measure``."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from retimbre.metrics import measures
from retimbre.metrics import transcriber as transcribe
from retimbre.sound.audio import Audio
from retimbre.sound.files import read, write

Run = Callable[..., subprocess.CompletedProcess[str]]
Samples = npt.NDArray[np.float32]


@pytest.fixture
def clips(tmp_path: Path, sweeps: Callable[..., Samples]) -> Path:
    rng = np.random.default_rng(0)
    write(tmp_path / "content.wav", Audio(sweeps(2.0, 16_000), 16_000))
    write(
        tmp_path / "style.wav", Audio(np.float32(0.1) * rng.standard_normal((2, 44_100), np.float32), 22_050)
    )
    return tmp_path


def test_what_is_printed_is_what_is_measured(run: Run, clips: Path) -> None:
    both = ("--content", "content.wav", "--style", "style.wav")
    done = run("measure", "content.wav", *both, "--target", "style.wav", "--json", cwd=clips)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == (0 if transcribe.missing() is None else 1)
    found = json.loads(done.stdout)
    content, style = read(clips / "content.wav"), read(clips / "style.wav")
    assert found["content_preservation"]["onsets"] == pytest.approx(1)
    assert found["style_gain"] == pytest.approx({"timbre": 0.0, "spectrum": 0.0, "gram": 0.0}, abs=1e-9)
    assert found["style_distance"] == pytest.approx(measures.style_distance(content, style))
    assert found["target_distance"] == pytest.approx(measures.target_distance(content, style))
    assert found["copying"]["correlation"] < 0.2
    assert found["overall"] == pytest.approx({"balance": 0.0}, abs=1e-6)
    lines = run("measure", "content.wav", *both, cwd=clips).stdout.splitlines()
    assert lines[0].split() == ["content_preservation", "onsets", "1.000"]
    assert len(lines) == (17 if transcribe.missing() is None else 16)


def test_pitch_is_left_out_where_the_transcriber_is_missing(run: Run, clips: Path) -> None:
    """A package without the file stands before the real one, if there is one."""
    described = clips / "basic_pitch-0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: basic-pitch\nVersion: 0\n")
    done = run("measure", "content.wav", "--content", "style.wav", "--json", cwd=clips)
    assert done.returncode == 0
    assert set(json.loads(done.stdout)["content_preservation"]) == {"onsets", "chroma", "onset_f1"}
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("retimbre: pitch is left out: ")
    assert done.stderr.endswith("pip install --no-deps basic-pitch\n")
    assert run("measure", "content.wav", "--style", "style.wav", cwd=clips).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "nothing is given to measure against"),
        (("--content", "nowhere.wav"), "nowhere.wav does not exist"),
    ],
)
def test_what_cannot_be_measured(run: Run, arguments: tuple[str, ...], reason: str, clips: Path) -> None:
    done = run("measure", "content.wav", *arguments, cwd=clips)
    assert done.returncode == 2
    assert done.stdout == ""
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
