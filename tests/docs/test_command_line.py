"""The page of the command line: it has what ``--help`` prints, command by command."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

from docs.extension import command_line
from retimbre.apps.cli import app

NAMES = [name for name, _ in command_line.commands(typer.main.get_command(app))]


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The page's sections by their headings."""
    parts = re.split(r"^## (.+)$", command_line.markdown(), flags=re.MULTILINE)
    assert parts[0] == ""
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_has_a_section(sections: dict[str, str]) -> None:
    assert list(sections) == NAMES
    assert {"retimbre transfer", "retimbre batch", "retimbre weights fetch"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_options_are_those_that_help_prints(
    name: str,
    sections: dict[str, str],
    run: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    told = run(*name.split()[1:], "--help", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    flag = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
    columns = {found for line in told.stdout.splitlines() for found in flag.findall(line[:30])}
    forms = re.findall(r"^`(-.+)`\n: ", sections[name], re.MULTILINE)
    assert {found for form in forms for found in flag.findall(form)} == columns
    headings = re.findall(r"^([A-Z][a-z]+):$", told.stdout, re.MULTILINE)
    assert re.findall(r"^\*\*(.+)\*\*$", sections[name], re.MULTILINE) == [
        heading for heading in headings if heading != "Commands"
    ]
    usage = " ".join(told.stdout.partition("\n\n")[0].split()).removeprefix("Usage: ")
    assert f"```\n{usage}\n```" in sections[name]
    assert len(forms) == len(set(forms))


def test_help_is_not_taken_for_markup() -> None:
    text = "from *a_b* <c> [default: x] to `--d-e <f>` | $g with --h-i, -j - and k--l"
    escaped = r"from \*a\_b\* \<c\> \[default: x\] to `--d-e <f>` \| \$g with `--h-i`, `-j -` and k--l"
    assert command_line.escaped(text) == escaped
