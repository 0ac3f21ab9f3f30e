"""The pages: the API page has every public name, and their lines are short."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import retimbre

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "study/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def _documented() -> dict[str, object]:
    """Objects on the API page, by the path that Sphinx takes them from."""
    found: dict[str, object] = {}
    module = "retimbre"
    for line in (ROOT / "docs/api.md").read_text(encoding="utf-8").splitlines():
        if opened := re.match(r"\.\. (?:current)?module:: (\S+)", line):
            module = opened[1]
        elif listed := re.match(r"\.\. auto\w+:: (\w+)", line):
            found[f"{module}.{listed[1]}"] = getattr(importlib.import_module(module), listed[1])
    return found


def test_every_public_name_is_on_the_api_page() -> None:
    public = {name for name in dir(retimbre) if not name.startswith("_")}
    assert public == {path.removeprefix("retimbre.") for path in _documented() if path.count(".") == 1}


def test_every_object_on_the_api_page_has_a_docstring_of_its_own() -> None:
    documented = _documented()
    assert len(documented) >= 24
    for path, found in documented.items():
        text = inspect.getdoc(found)
        assert text, path
        assert not text.startswith(f"{path.rpartition('.')[2]}("), f"{path} has the docstring of a dataclass"


def test_the_members_on_the_api_page_are_there() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    named = re.findall(r"auto(?:class|exception):: (\w+).*\n   :members: (.+)", page)
    assert named
    owners = {path.rpartition(".")[2]: found for path, found in _documented().items()}
    for owner, members in named:
        for member in members.split(", "):
            assert inspect.getdoc(getattr(owners[owner], member)), (owner, member)


def test_the_tests_that_hold_the_promises_about_files_are_there() -> None:
    named = set(re.findall(r"test_\w+", (ROOT / "docs/files.md").read_text(encoding="utf-8")))
    modules = list((ROOT / "tests").rglob("test_*.py"))
    there = {
        name for path in modules for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 40
    assert not named - there - {path.stem for path in modules}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_of_a_page_are_short(page: Path) -> None:
    long = [
        f"{page.name}:{number}: {len(line)} characters"
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > 120 and not line.startswith("|") and "://" not in line
    ]
    assert not long, long


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_and_their_headings_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), (page.name, target)
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, (page.name, target)
