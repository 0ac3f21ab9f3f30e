"""Sounds that several test modules need.

Fixtures, because pytest's import mode gives test modules no way to import each other.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Samples = npt.NDArray[np.float32]

# librosa's compiled functions are kept beside it, where two test runs at once can leave half a file: the next
# one then ends in a segmentation fault. Each run has its own.
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")
atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)


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
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is on the PATH")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    quiet += ["--disable-component-update", "--disable-sync"]
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
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return retimbre
