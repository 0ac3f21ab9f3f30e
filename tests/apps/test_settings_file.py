"""Settings from what ``--json`` has printed: the same samples again, through the real entry point."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from retimbre.apps import settings_file
from retimbre.apps.settings_file import read_settings

Run = Callable[..., subprocess.CompletedProcess[str]]
RATE = 16_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a.wav", "s.wav")):
        samples = 0.1 * np.random.default_rng(number).standard_normal(RATE // 2)
        soundfile.write(tmp_path / name, samples, RATE)
    return tmp_path


def test_a_run_is_made_again_from_what_it_printed(run: Run, folder: Path) -> None:
    options = ("--n-iter", "3", "--seed", "7", "--init", "noise", "--content-weight", "0.5", "--bits", "24")
    first = run("transfer", "a.wav", "s.wav", "-o", "one.wav", "--json", *options, cwd=folder)
    assert first.returncode == 0, first.stderr
    (folder / "run.json").write_text(first.stdout)
    again = run("transfer", "a.wav", "s.wav", "-o", "two.wav", "--json", "--settings", "run.json", cwd=folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert (folder / "two.wav").read_bytes() == (folder / "one.wav").read_bytes()
    assert json.loads(again.stdout)["settings"] == json.loads(first.stdout)["settings"]
    assert soundfile.info(folder / "two.wav").subtype == "PCM_24"
    # What stands beside it has precedence, and a strength takes the place of a content weight.
    beside = ("--settings", "run.json", "--seed", "0", "--strength", "0.5", "--json")
    other = run("transfer", "a.wav", "s.wav", "-o", "three.wav", *beside, cwd=folder)
    chosen = json.loads(other.stdout)["settings"]
    assert (chosen["seed"], chosen["strength"], chosen["content_weight"], chosen["n_iter"]) == (
        0,
        0.5,
        None,
        3,
    )
    assert (folder / "three.wav").read_bytes() != (folder / "one.wav").read_bytes()


def test_a_file_of_another_version_says_so(run: Run, folder: Path) -> None:
    (folder / "run.json").write_text(
        '{"settings": {"strength": 0}, "versions": {"algorithm": 0, "torch": "0.1"}}'
    )
    done = run("transfer", "a.wav", "s.wav", "--settings", "run.json", cwd=folder)
    assert done.returncode == 0
    assert done.stderr.startswith("retimbre: run.json was made with algorithm 0 (here ")
    assert ", torch 0.1 (here " in done.stderr
    assert (folder / "a_as_s.wav").read_bytes() == (folder / "a.wav").read_bytes()


def test_another_build_of_the_same_version_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wheels of torch with CUDA say 2.9.0 to Python's packages, and 2.9.0+cu128 as torch.__version__."""
    file = folder / "run.json"
    for made, here, is_other in (
        ("2.9.0+cu128", "2.9.0", False),
        ("2.9.0+cpu", "2.9.0+cpu", False),
        ("2.9.0", "2.9.0+cpu", False),
        ("2.9.1+cu128", "2.9.0", True),
    ):
        file.write_text(json.dumps({"settings": {"seed": 1}, "versions": {"torch": made}}))
        monkeypatch.setattr(settings_file, "version", lambda package, here=here: here)
        assert read_settings(file) == {"seed": 1}
        assert bool(capsys.readouterr().err) == is_other


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "run.json cannot be read (No such file or directory): expected what --json prints"),
        ("{", "run.json is no JSON"),
        ("[1]", "run.json holds [1]: expected what --json prints, or an object of settings"),
        ("", "run.json holds nothing: expected what --json prints"),
        ('{"settings": 3}', "run.json has the settings 3: expected what --json prints"),
        ('{"strength": 3}', "run.json: strength is 3: expected a number from 0 to 1"),
        ('{"seed": 1}\n{"seed": 2}', "run.json has runs of other settings each: expected one, or several of"),
    ],
)
def test_what_holds_no_settings_is_refused(text: str | None, message: str, run: Run, folder: Path) -> None:
    if text is not None:
        (folder / "run.json").write_text(text)
    done = run("transfer", "a.wav", "s.wav", "--settings", "run.json", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(f"retimbre: error: {message}")
    assert done.stderr.count("\n") == 1
    assert not (folder / "a_as_s.wav").exists()
