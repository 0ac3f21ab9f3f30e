"""Interrupts at each moment of a command: one line on stderr and exit code 130.

No test waits by the clock: the signal goes out at the sign of the moment that is meant.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from retimbre.sound.audio import Audio
from retimbre.sound.files import write

SIGNALS = [signal.SIGINT, signal.SIGTERM]
SCRIPT = ("-c", "from retimbre.__main__ import main; main()")  # as the installed script does
# Where an interrupt comes while it connects, http.client leaves its socket to the collector.
QUIET = ("-W", "error", "-W", "ignore::ResourceWarning")


@contextlib.contextmanager
def started(*arguments: str | Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Start Python with its arguments; end it if the test does not."""
    extra = {"OMP_NUM_THREADS": "1", "NO_PROXY": "*", "RETIMBRE_CACHE": str(cwd / "cache")}
    with subprocess.Popen(
        [sys.executable, *QUIET, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | extra,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(process: subprocess.Popen[str], signum: signal.Signals) -> tuple[str, str]:
    """Send a signal; give stdout and stderr of a process that must end by it."""
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    return stdout, stderr


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 8000))
    write(tmp_path / "clip.wav", Audio(noise.astype(np.float32), 16_000))
    return tmp_path / "clip.wav"


# --- start-up ---


@pytest.mark.parametrize("n_imports", [1, 10, 60, 150, 300, 600])
@pytest.mark.parametrize(
    ("command", "sign"), [(SCRIPT, "retimbre.__main__"), (("-m", "retimbre"), "retimbre.apps.interrupts")]
)
@pytest.mark.parametrize("signum", SIGNALS)
def test_while_modules_are_imported(
    signum: signal.Signals, command: tuple[str, ...], sign: str, n_imports: int, clip: Path, tmp_path: Path
) -> None:
    """The moment is after so many imports, of typer, numpy and torch, after the first lines of ours."""
    arguments = ("transfer", clip, clip, "-o", "out.wav", "--n-iter", "100000")
    with started("-X", "importtime", *command, *arguments, cwd=tmp_path) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split("|")[-1].strip() == sign:
                break
        for _ in range(n_imports):
            assert process.stderr.readline()
        stdout, stderr = interrupted(process, signum)
    said = [line for line in stderr.splitlines() if not line.startswith("import time:")]
    assert said == ["retimbre: interrupted: nothing was written"]
    assert stdout == ""
    assert os.listdir(tmp_path) == ["clip.wav"]


# --- a run ---


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_run_with_something_to_keep_ends_after_the_evaluation_at_hand(
    signum: signal.Signals, tmp_path: Path
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 441_000)).astype(np.float32)
    write(tmp_path / "long.wav", Audio(noise, 44_100))
    endless = ("--n-iter", "100000", "--tolerance", "0", "--align", "none", "--trace", "trace")
    trace = tmp_path / "trace"
    with started(
        "-m", "retimbre", "transfer", "long.wav", "long.wav", "-o", "o.wav", *endless, cwd=tmp_path
    ) as process:
        wait_for(lambda: trace.exists() and bool(trace.read_text()), process)
        n_before = len(trace.read_text().splitlines())
        _, stderr = interrupted(process, signum)
    assert "the best result so far" in stderr.splitlines()[-1]
    assert len(trace.read_text().splitlines()) <= n_before + 3


# --- trained weights ---


def nothing_left(outcome: tuple[str, str], folder: Path) -> None:
    assert outcome == ("", "retimbre: interrupted: nothing was left behind\n")
    assert not list((folder / "cache").rglob("*"))


def fetch(port: int) -> list[str]:
    return ["-m", "retimbre", "weights", "fetch", "cnn14", "--url", f"http://127.0.0.1:{port}/file"]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the sign of a connection is Linux's")
@pytest.mark.parametrize("signum", SIGNALS)
def test_while_a_connection_is_made(signum: signal.Signals, tmp_path: Path) -> None:
    """The queue of the server is full, so that the connection is neither made nor refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as stack:
        port = server.getsockname()[1]

        def is_being_made() -> bool:
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return any(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)

        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        with started(*fetch(port), cwd=tmp_path) as process:
            wait_for(is_being_made, process)
            nothing_left(interrupted(process, signum), tmp_path)


@pytest.mark.parametrize("signum", SIGNALS)
def test_while_the_answer_is_awaited(signum: signal.Signals, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        started(*fetch(server.getsockname()[1]), cwd=tmp_path) as process,
    ):
        connection, _ = server.accept()
        with connection:
            assert connection.recv(3) == b"GET"
            nothing_left(interrupted(process, signum), tmp_path)


@pytest.mark.parametrize("signum", SIGNALS)
def test_while_bytes_come(signum: signal.Signals, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        started(*fetch(server.getsockname()[1]), cwd=tmp_path) as process,
    ):
        connection, _ = server.accept()
        with connection:
            assert connection.recv(3) == b"GET"
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(300_000))
            found = (tmp_path / "cache").rglob
            wait_for(lambda: any(file.stat().st_size for file in found("*.partial")), process)
            nothing_left(interrupted(process, signum), tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
@pytest.mark.parametrize("signum", SIGNALS)
def test_while_a_file_is_imported(signum: signal.Signals, tmp_path: Path) -> None:
    pipe = tmp_path / "file.pth"
    os.mkfifo(pipe)
    with (
        started("-m", "retimbre", "weights", "import", "vggish", pipe, cwd=tmp_path) as process,
        pipe.open("wb"),  # which waits for the reader
    ):
        nothing_left(interrupted(process, signum), tmp_path)


# --- pages ---


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_comparison_shows_what_was_done(signum: signal.Signals, clip: Path, tmp_path: Path) -> None:
    """The first of two networks is done when its clip is there."""
    quick = ("--n-iter", "40", "--tolerance", "0", "--n-iter-phase", "1", "--n-iter-waveform", "1")
    arguments = ("compare", clip, clip, "-o", "page", "--networks", "kernel,shallow", *quick)
    with started("-m", "retimbre", *arguments, "--filters", "1024", cwd=tmp_path) as process:
        wait_for((tmp_path / "page" / "1-kernel.wav").exists, process)
        stdout, stderr = interrupted(process, signum)
    assert stdout == "page/index.html\n"
    assert stderr.splitlines()[-1] == "retimbre: interrupted: the page shows what was done by then"
    assert (tmp_path / "page" / "index.html").exists()
