"""The wheel and the sdist: what is in them, what their metadata says, and the package without any extra."""

import importlib
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

import retimbre

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW = ROOT / ".github/workflows/ci.yml"


def files(*folders: str) -> set[str]:
    """List the files of folders of the checkout that are not made by running it."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it, as `make build` does, but with the packages that are here."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    assert path.name == f"retimbre-{retimbre.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(
        wheel.read(f"retimbre-{retimbre.__version__}.dist-info/METADATA").decode("utf-8")
    )


def test_the_wheel_has_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    about = f"retimbre-{retimbre.__version__}.dist-info"
    assert {name for name in names if not name.startswith(about)} == {
        name.removeprefix("src/") for name in files("src/retimbre")
    }
    expected = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert {name.removeprefix(f"{about}/") for name in names if name.startswith(about)} == expected
    assert "retimbre/py.typed" in names
    size = sum(entry.compress_size for entry in wheel.infolist())
    assert size < 1_000_000, f"{size} bytes: something large has come in"


def test_the_sdist_has_all_that_its_tests_need(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        top = f"retimbre-{retimbre.__version__}/"
        names = {entry.name.removeprefix(top) for entry in archive if entry.isfile()}
    needed = files("src", "tests", "docs", "study", "benchmarks", "experiments", ".github")
    needed |= {"Makefile", "constraints.txt", "pyproject.toml", "LICENSE", "CITATION.cff", ".ci/run"}
    needed |= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    assert needed <= names
    assert names - needed <= {"PKG-INFO", ".gitignore"}


def test_the_index_would_take_both(built: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_metadata_say_what_the_package_is(metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == PROJECT["requires-python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(needed) == sorted(PROJECT["dependencies"])
    assert metadata.get_all("Project-URL")


def test_every_requirement_has_a_floor_and_no_ceiling() -> None:
    """A ceiling would keep a user's other packages back; what is broken above one is mended here."""
    every = [
        *PROJECT["dependencies"],
        *(line for extra in PROJECT["optional-dependencies"].values() for line in extra),
    ]
    others = [line for line in every if not line.startswith("retimbre[")]
    assert [line for line in others if not re.fullmatch(r"[a-zA-Z0-9_-]+>=[0-9.]+", line)] == []


def test_versions_of_python_and_of_the_package_agree_everywhere() -> None:
    yaml: Any = importlib.import_module("yaml")
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    prefix = "Programming Language :: Python :: 3."
    minors = [int(c.removeprefix(prefix)) for c in PROJECT["classifiers"] if c.startswith(prefix)]
    assert minors == list(range(11, 15))
    assert matrix["python"] == [f"3.{minors[0]}", f"3.{minors[-1]}"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == retimbre.__version__
    assert citation["license"] == PROJECT["license"]
    assert [entry["name"] for entry in citation["authors"]] == [entry["name"] for entry in PROJECT["authors"]]


def test_the_workflow_checks_what_make_check_does() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck:")[2].partition("\n\n")[0]
    told = WORKFLOW.read_text(encoding="utf-8")
    steps = [line.strip().removeprefix("$(BIN)/") for line in recipe.splitlines()[1:]]
    assert len(steps) == 6
    for step in steps:
        assert f"run: {re.sub(' --cache-dir [^ ]+', '', step)}\n" in told, step


OPTIONAL = (
    "av",
    "dask",
    "distributed",
    "jinja2",
    "matplotlib",
    "midirenderer",
    "mutagen",
    "onnxruntime",
    "pretty_midi",
)


def test_the_package_works_without_any_extra(tmp_path: Path) -> None:
    """The packages of extras are gone: a transfer goes through, and a page asks for its extra in a line."""
    script = f"""
import sys
sys.modules |= dict.fromkeys({OPTIONAL!r})
import numpy as np, retimbre, soundfile
from retimbre.apps import cli
assert all(getattr(retimbre, name) is not None for name in dir(retimbre))
t = np.arange(22050) / 22050
for name, pitch in (("a", 440), ("b", 330)):
    soundfile.write(f"{{name}}.wav", 0.3 * np.sin(2 * np.pi * pitch * t), 22050)
for arguments in (["transfer", "a.wav", "b.wav", "-o", "out.wav", "--n-iter", "3"], ["networks"], ["doctor"]):
    sys.argv[1:] = arguments
    assert cli.main() == 0, arguments
assert soundfile.info("out.wav").frames == 22050
sys.argv[1:] = ["compare", "a.wav", "b.wav", "-o", "page"]
assert cli.main() == 2
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pip install 'retimbre[report]'" in done.stderr
