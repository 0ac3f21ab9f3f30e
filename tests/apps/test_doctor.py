"""What the command ``retimbre doctor`` finds, and what it says of parts that are missing or broken."""

import builtins
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import retimbre
from retimbre.apps import installation
from retimbre.sound import files

Run = Callable[..., subprocess.CompletedProcess[str]]


def texts() -> dict[str, str]:
    return {line.name: line.text for line in installation.lines()}


def test_ten_lines_tell_what_is_here(run: Run, tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert len(told) == 10
    assert max(map(len, told)) < 140
    assert told[0].startswith(f"retimbre   {retimbre.__version__} in ")
    assert told[1].startswith(f"torch      {torch.__version__}, ")
    assert told[2].startswith(f"threads    {torch.get_num_threads()} on ")
    assert ".wav .flac .ogg .opus .mp3 (" in told[5]
    assert list(tmp_path.iterdir()) == []


def test_weights_are_looked_for_where_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETIMBRE_CACHE", str(tmp_path))
    (tmp_path / "vggish.safetensors").touch()
    assert texts()["weights"].startswith(f"vggish here, cnn14 not here, in {tmp_path}")


def test_packages_of_extras_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "test" not in installation.USER_EXTRAS
    found = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("jinja2", "distributed"):
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert installation.missing_packages("report") == ["jinja2"]
    assert installation.missing_packages("demo") == ["jinja2"]  # by the extra in it
    assert installation.missing_packages("av") == []
    assert "dask (distributed), demo (jinja2)" in texts()["extras"]


def test_extras_of_the_package_are_all_told() -> None:
    named = set(importlib.metadata.metadata("retimbre").get_all("Provides-Extra") or ())
    assert set(installation.USER_EXTRAS) <= named
    assert named - set(installation.USER_EXTRAS) <= {"test", "docs", "release"}


def test_a_format_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write = files.write

    def failing(path: Path, *arguments: Any) -> None:
        if path.suffix in fails:
            raise OSError("no encoder")
        write(path, *arguments)

    monkeypatch.setattr(files, "write", failing)
    fails = {".opus"}
    (line,) = [line for line in installation.lines() if line.name == "writes"]
    assert line.works
    assert line.text == ".wav .flac .ogg .mp3; not .opus"
    fails = {".wav"}
    (line,) = [line for line in installation.lines() if line.name == "writes"]
    assert not line.works


def test_a_package_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def failing(name: str, *arguments: Any, **options: Any) -> Any:
        if name in ("torch", "av"):
            raise ImportError(f"{name}.so: cannot open\nshared object file")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", failing)
    found = {line.name: line for line in installation.lines()}
    assert len(found) == 10
    assert found["torch"].text == "does not work: torch.so: cannot open shared object file"
    assert not found["torch"].works
    assert found["PyAV"].works  # an extra
    assert re.fullmatch(r"retimbre .+\ntorch cannot be imported \(.+\), Python 3.+", installation.versions())


def test_the_command_fails_where_a_part_does_not_work(tmp_path: Path) -> None:
    script = "import sys; sys.modules['soundfile'] = None; import retimbre.__main__ as m; m.main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 10
    assert re.search(r"^libsndfile does not work: ", done.stdout, re.MULTILINE)
