"""Manners of the command line, through its real entry point: help, completion, suggestions, colour."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from retimbre.apps.help import GROUPS

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = (
    *("transfer", "batch", "studio", "texture", "compare", "measure", "demo", "networks", "weights"),
    *("doctor", "listening-test"),
)


def headings(text: str) -> list[str]:
    return re.findall(r"^(\w+):$", text, re.MULTILINE)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), ("weights", "fetch")])
def test_h_is_help_everywhere(command: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    short, long = run(*command, "-h", cwd=tmp_path), run(*command, "--help", cwd=tmp_path)
    assert (short.returncode, short.stderr) == (0, "")
    assert short.stdout == long.stdout
    assert short.stdout.startswith(" ".join(("Usage: retimbre", *command)))


def test_the_help_of_a_transfer_fits_two_screens_in_groups(run: Run, tmp_path: Path) -> None:
    text = run("transfer", "--help", cwd=tmp_path).stdout
    assert len(text.splitlines()) <= 100
    assert max(map(len, text.splitlines())) <= 80
    assert headings(text) == ["Arguments", *GROUPS.values()]


@pytest.mark.parametrize("command", ["batch", "texture", "compare", "demo"])
def test_the_options_of_a_command_alone_come_first(command: str, run: Run, tmp_path: Path) -> None:
    text = run(command, "--help", cwd=tmp_path).stdout
    found = [heading for heading in headings(text) if heading != "Arguments"]
    assert found[0] == "Options"
    assert found[-1] == "Messages"
    assert text.index("--output") > text.index("Files:")
    assert text.rindex("--help") > text.index("Messages:")


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("texture", ("strength", "content-weight", "content-layers", "align", "init", "jobs")),
        ("compare", ("strength", "network", "bits", "quality")),
        ("demo", ("bits", "quality")),
    ],
)
def test_an_option_that_means_nothing_is_not_there(
    command: str, absent: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    text = run(command, "--help", cwd=tmp_path).stdout
    assert "--seed" in text
    for name in absent:
        assert not re.search(rf"--{name}\b(?!s)", text), name


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("transfre",), "'transfer'"),
        (("transfer", "a", "b", "--strenght", "1"), "--strength"),
        (("transfer", "a", "b", "--optimizer", "lfbgs"), "lbfgs"),
        (("transfer", "a.wav", "a.wav", "-o", "b.wav", "--align", "note"), "notes"),
        (("transfer", "a.wav", "a.wav", "-o", "b.wav", "--network", "kernle"), "kernel"),
        (("transfer", "a.wav", "a.wav", "--format", "falc", "-o", "b"), "flac"),
        (("transfer", "a.wav", "a.wav", "--settings", "wrong.json"), "n_iter"),
        (("weights", "fetch", "vgish"), "vggish"),
        (("batch", "--manifest", "rows.csv", "-o", "out"), "strength"),
    ],
)
def test_an_error_names_what_is_near(arguments: tuple[str, ...], near: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text('{"settings": {"n_itre": 3}}')
    (tmp_path / "rows.csv").write_text("content,style,strenght\na.wav,a.wav,1\n")
    soundfile.write(tmp_path / "a.wav", [(-1) ** n * 0.1 for n in range(9_000)], 8_000)
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(rf"retimbre: error: .*[Dd]id you mean {re.escape(near)}\?\n", done.stderr), (
        done.stderr
    )


def test_nothing_far_away_is_named(run: Run, tmp_path: Path) -> None:
    done = run("texture", "a.wav", "-o", "b.wav", "--strength", "1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "retimbre: error: No such option: --strength\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tex", {"texture"}),
        ("transfer --stren", {"--strength"}),
        ("transfer --optimizer ", {"lbfgs", "adam"}),
        ("transfer --network kern", {"kernel"}),
        ("texture --format f", {"flac"}),
    ],
)
def test_the_shell_completes(words: str, expected: set[str], tmp_path: Path) -> None:
    line = f"retimbre {words}"
    variables = {
        "_RETIMBRE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    script = Path(sys.executable).with_name("retimbre")
    done = subprocess.run(
        [str(script)], env=os.environ | variables, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colours_are_left_out_where_they_are_not_wanted(no_color: str, tmp_path: Path) -> None:
    """Colours of a terminal, ESC [ 3x m, are in the progress bar, unless NO_COLOR is set to something."""
    soundfile.write(tmp_path / "a.wav", [(-1) ** n * 0.1 for n in range(9_000)], 8_000)
    primary, secondary = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "NO_COLOR": no_color}
    command = [sys.executable, "-m", "retimbre", "transfer", "a.wav", "a.wav", "-o", "b.wav", "--n-iter", "2"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=secondary
    ) as run:
        os.close(secondary)
        said = b""
        try:
            while piece := os.read(primary, 1 << 16):
                said += piece
        except OSError:  # as Linux says that nobody writes there any more
            pass
    os.close(primary)
    assert run.returncode == 0
    assert b"evaluation" in said
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", said)) == (not no_color)
