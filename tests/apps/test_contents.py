"""Several contents, names of outputs, and files that are not overwritten: through the real entry point."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Run = Callable[..., subprocess.CompletedProcess[str]]

RATE = 16_000
QUICK = ("--strength", "0", "--quiet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with three contents, one of them further down, and a style."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.wav", "in/b.wav", "in/deep/c.flac", "s.wav")):
        samples = 0.1 * np.random.default_rng(number).standard_normal(RATE // 2)
        soundfile.write(tmp_path / name, samples, RATE)
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_output_is_beside_the_content_and_overwrites_nothing(run: Run, folder: Path) -> None:
    before = files(folder)
    assert run("transfer", "in/b.wav", "s.wav", *QUICK, cwd=folder).returncode == 0
    assert files(folder) - before == {"in/b_as_s.wav"}
    made = folder / "in/b_as_s.wav"
    made.write_bytes(b"mine")
    done = run("transfer", "in/b.wav", "s.wav", *QUICK, cwd=folder)
    assert done.returncode == 2
    assert done.stderr == (
        "retimbre: error: in/b_as_s.wav is there: expected another name by -o, or -f to overwrite it\n"
    )
    assert made.read_bytes() == b"mine"
    assert run("transfer", "in/b.wav", "s.wav", "-f", *QUICK, cwd=folder).returncode == 0
    assert made.read_bytes() == (folder / "in/b.wav").read_bytes()
    # What -o names is overwritten without -f.
    assert run("transfer", "a.wav", "s.wav", "-o", "in/b_as_s.wav", *QUICK, cwd=folder).returncode == 0
    assert made.read_bytes() == (folder / "a.wav").read_bytes()


def test_several_contents_have_an_output_each(run: Run, folder: Path) -> None:
    before = files(folder)
    done = run("transfer", "a.wav", "in", "--style", "s.wav", "--json", *QUICK, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert files(folder) - before == {"a_as_s.wav", "in/b_as_s.wav", "in/deep/c_as_s.wav"}
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["content"] for each in said] == ["a.wav", "in/b.wav", "in/deep/c.flac"]
    assert [each["output"] for each in said] == ["a_as_s.wav", "in/b_as_s.wav", "in/deep/c_as_s.wav"]
    # The same again: the outputs are no contents, and none is overwritten.
    again = run("transfer", "a.wav", "in", "--style", "s.wav", *QUICK, cwd=folder)
    assert again.returncode == 2
    assert "2 files are outputs of this command: they are not taken as contents" in again.stderr
    assert "a_as_s.wav is there: expected another name" in again.stderr
    assert run("transfer", "a.wav", "in", "--style", "s.wav", "-f", *QUICK, cwd=folder).returncode == 0
    assert len(files(folder)) == len(before) + 3


def test_a_folder_takes_the_shape_of_those_of_the_contents(run: Run, folder: Path) -> None:
    options = ("--style", "s.wav", "--style", "a.wav", "-o", "out", "--format", "flac", *QUICK)
    assert run("transfer", "in/**/*.*", *options, cwd=folder).returncode == 0
    assert files(folder / "out") == {"b_as_s+a.flac", "deep/c_as_s+a.flac"}


def test_one_that_fails_does_not_end_the_others(run: Run, folder: Path) -> None:
    soundfile.write(folder / "in/bb.wav", np.zeros(RATE), RATE)
    done = run("transfer", "in", "--style", "s.wav", *QUICK, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "retimbre: error: in/bb.wav: the content (in/bb.wav) is silent, as no sample differs from the next: "
        "expected one with sound in it",
        "retimbre: 2 of 3 contents are done",
    ]
    assert {"in/b_as_s.wav", "in/deep/c_as_s.wav"} <= files(folder)
    assert "in/bb_as_s.wav" not in files(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.wav", "in/b.wav", "s.wav"), "3 clips are given and no --style: expected CONTENT STYLE, or"),
        (
            ("a.wav", "in", "-s", "s.wav", "-o", "x.wav"),
            "x.wav is one output of 3 contents: expected a folder",
        ),
        (("a.wav", "in", "-s", "s.wav", "-o", "-"), "- is one output of 3 contents: expected a folder"),
        (("-", "s.wav"), "the content is -, beside which nothing can be: expected -o FILE"),
        (("a.wav", "a.wav", "-s", "s.wav"), "a.wav and a.wav have one output, a_as_s.wav: expected a run"),
        (("a.wav", "in", "-s", "s.wav", "--trace", "t"), "--trace follows one transfer, and there are 3"),
        (("none/*.wav", "s.wav"), "none/*.wav holds no file of sound"),
    ],
)
def test_what_cannot_be_named_is_refused(
    arguments: tuple[str, ...], message: str, run: Run, folder: Path
) -> None:
    before = files(folder)
    done = run("transfer", *arguments, *QUICK, cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert files(folder) == before
