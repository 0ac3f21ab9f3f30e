"""What the tests have in common: one thread for each process, sounds, a browser, the command.

Fixtures, because pytest's import mode gives test modules no way to import each other.
"""

import atexit
import os

# There are as many workers as cores. Each, and each command that it gives, has one thread: torch's threads
# wait for each other where they outnumber the cores. The libraries read this when they are imported.
os.environ |= dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

# Some hundred commands are started: each would compile the package anew where bytecode is not to be written.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import filelock
import joblib
import numpy as np
import numpy.typing as npt
import pytest

Samples = npt.NDArray[np.float32]

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
POSIX_ALONE = [
    "apps/batch/test_batch.py",
    "apps/engines/test_cluster.py",
    "apps/test_cli.py",
    "apps/test_cli_texture.py",
    "apps/test_cli_weights.py",
    "apps/test_help.py",
    "apps/test_interrupts.py",
    "apps/test_pipes.py",
    "sound/test_files.py",
    "study/test_benchmark.py",
]
"""Test modules that need what Windows lacks: named pipes, terminals as files, signals to other processes."""

collect_ignore = POSIX_ALONE if sys.platform == "win32" else []

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = f"no browser: none of {', '.join(BROWSERS)} is on the PATH"

# librosa's compiled functions are kept beside it, where two processes at once can leave half a file: the next
# one then ends in a segmentation fault. Each worker of each run has its own copy.
if WORKER is None:
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
else:
    os.environ["NUMBA_CACHE_DIR"] = os.path.join(os.environ["NUMBA_CACHE_DIR"], WORKER)
os.environ["NUMBA_OPT"] = "0"  # they take longer to compile than to run
COMPILED = Path(__file__).parents[1] / ".pytest_cache" / f"librosa-{version('librosa')}-{version('numba')}"


def pytest_xdist_auto_num_workers() -> int | None:
    """Count the cores that this process may use: of its affinity and of its container's quota."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else joblib.cpu_count()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that the pages were not tested."""
    n_skipped = sum(NO_BROWSER in str(report.longrepr) for report in terminalreporter.getreports("skipped"))
    if n_skipped:
        how = "install Chromium (on Debian: apt install chromium)"
        terminalreporter.write_line(f"{n_skipped} tests skipped, {NO_BROWSER}: {how}", yellow=True)


@pytest.fixture(scope="session")
def librosa_compiled() -> None:
    """Compile librosa's functions, which takes 20 s, or copy them from where it has been done."""
    own = Path(os.environ["NUMBA_CACHE_DIR"])
    COMPILED.parent.mkdir(exist_ok=True)
    with filelock.FileLock(f"{COMPILED}.lock"):
        if COMPILED.exists():
            shutil.copytree(COMPILED, own, dirs_exist_ok=True)
            return
        import librosa

        librosa.core, librosa.feature, librosa.onset, librosa.effects  # noqa: B018 - it imports them lazily
        copy = shutil.copytree(own, f"{COMPILED}.partial", dirs_exist_ok=True)
        os.rename(copy, COMPILED)


@pytest.fixture(scope="session")
def tone() -> Callable[..., Samples]:
    """Make a steady sine: frequency in Hz, seconds, rate in Hz, amplitude; every channel the same."""

    def make(
        frequency: float,
        seconds: float,
        sample_rate: int = 22_050,
        *,
        channels: int = 1,
        amplitude: float = 0.5,
    ) -> Samples:
        time = np.arange(round(seconds * sample_rate)) / sample_rate
        wave = amplitude * np.sin(2 * np.pi * frequency * time)
        return np.repeat(wave[None], channels, axis=0).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def sweeps() -> Callable[..., Samples]:
    """Make a slow sweep per channel, each in a band of its own.

    Nothing in a sweep repeats, so that a correlation finds delays and swapped channels. The last
    of six channels is the one for low frequencies, of which lossy formats keep those alone.
    """

    def make(seconds: float, sample_rate: int, channels: int = 1) -> Samples:
        time = np.arange(round(seconds * sample_rate)) / sample_rate
        starts = [300.0 * 1.4**i for i in range(channels)]
        if channels == 6:
            starts[5] = 30.0
        phases = [start * (time + 0.5 * time**2 / seconds) for start in starts]
        return np.stack([0.3 * np.sin(2 * np.pi * phase) for phase in phases]).astype(np.float32)

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start Chromium, once for the pages of a module."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(NO_BROWSER)
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    quiet += ["--disable-component-update", "--disable-sync"]
    quiet += [f"--use-fake-{what}-for-media-stream" for what in ("device", "ui")]  # a microphone that beeps
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=quiet)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give the command through its real entry point: arguments, and the folder ``cwd``."""

    def retimbre(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "retimbre", *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return retimbre


@pytest.fixture(scope="module")
def studio() -> Iterator[str]:
    """Start a studio at any port; give its address."""
    command = [sys.executable, "-m", "retimbre", "studio", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            found = [word for word in line.split() if word.startswith("http://127.0.0.1:")]
            if found:
                break
        else:
            pytest.fail(f"the studio did not start: {''.join(said)}")
        yield found[0]
        process.terminate()


@pytest.fixture(scope="session")
def plucks() -> Callable[..., npt.NDArray[np.float64]]:
    """Play notes one after the other, each decaying, at 22 050 Hz."""

    def play(notes: list[int], *, decay: float, partials: int, seconds: float) -> npt.NDArray[np.float64]:
        times = np.arange(round(seconds * 22_050)) / 22_050
        wave = np.zeros_like(times)
        for place, note in enumerate(notes):
            since = times - place * seconds / len(notes)
            hertz = 440 * 2 ** ((note - 69) / 12)
            envelope = np.where(since >= 0, np.exp(-decay * since) * np.minimum(1, 200 * since), 0)
            for partial in range(1, partials + 1):
                wave += envelope * np.sin(2 * np.pi * partial * hertz * since) / partial**1.3
        return np.asarray(0.4 * wave / np.abs(wave).max())

    return play
