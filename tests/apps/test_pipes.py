"""Pipes, devices, stdin and stdout in the place of files, names of any bytes, and signals meanwhile."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from retimbre._output import STALE_SECONDS, remove_stale, temporary_path
from retimbre.errors import AudioReadError
from retimbre.sound.audio import Audio
from retimbre.sound.files import read, write

COMMAND = f"{shlex.quote(sys.executable)} -W error -m retimbre"
QUICK = "--n-iter 1 --n-iter-waveform 0 --align none"
ENDLESS = "--n-iter 100000 --tolerance 0 --network shallow --filters 64 --align none --n-iter-phase 1"

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seed in (("a.wav", 0), ("s.wav", 1), ("a.flac", 0), ("a.mp3", 0)):
        samples = 0.1 * np.random.default_rng(seed).standard_normal((2, 16_000), np.float32)
        write(tmp_path / name, Audio(samples, 16_000))
    (tmp_path / "tmp").mkdir()
    return tmp_path


def bash(command: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder / "tmp")},
        capture_output=True,
        check=False,
        timeout=120,
    )


def refused(done: "subprocess.CompletedProcess[bytes]") -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    return line.removeprefix("retimbre: error: ")


def nothing_temporary(folder: Path) -> bool:
    return not list((folder / "tmp").iterdir()) and not list(folder.glob(".*"))


@pytest.mark.parametrize(
    "source",
    [
        "mkfifo p; cat a.mp3 > p & {run} p s.wav -o o.wav {quick}",
        "cat a.flac | {run} - s.wav -o o.wav {quick}",
        "{run} - s.wav -o o.wav {quick} < a.wav",
        "cat a.mp3 | {run} /dev/stdin s.wav -o o.wav {quick}",
        "{run} <(cat a.flac) <(cat s.wav) -o o.wav {quick}",
        "cat s.wav | {run} a.wav -o o.wav {quick} --style -:0.7",
        "cat s.wav | {run} a.wav - -o o.wav {quick}",
    ],
)
def test_a_pipe_is_read_as_a_file_is(source: str, folder: Path) -> None:
    done = bash(source.format(run=f"{COMMAND} transfer", quick=QUICK), folder)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")
    assert read(folder / "o.wav").samples.shape == (2, 16_000)
    assert nothing_temporary(folder)


def test_a_pipe_and_a_file_give_the_same_bytes(folder: Path) -> None:
    bash(f"{COMMAND} transfer a.wav s.wav -o file.wav {QUICK}", folder)
    bash(f"cat a.wav | {COMMAND} transfer - s.wav -o - --format wav {QUICK} > pipe.wav", folder)
    assert (folder / "pipe.wav").read_bytes() == (folder / "file.wav").read_bytes()


@pytest.mark.parametrize("format_", ["wav", "flac", "ogg", "opus", "mp3"])
def test_stdout_gets_the_sound_and_stderr_the_rest(format_: str, folder: Path) -> None:
    command = f"{COMMAND} transfer a.wav s.wav -o - --format {format_} --json --explain {QUICK}"
    done = bash(f"{command} | cat > o", folder)
    assert done.returncode == 0
    *_, report = done.stderr.decode().splitlines()
    assert json.loads(report)["output"] == "-"
    assert read(folder / "o").samples.shape == (2, 16_000)
    assert nothing_temporary(folder)


def test_a_chain_of_transfers(folder: Path) -> None:
    one = f"{COMMAND} transfer - s.wav -o - --format flac {QUICK}"
    done = bash(f"set -o pipefail; cat a.wav | {one} | {one} > o.flac", folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert read(folder / "o.flac").samples.shape == (2, 16_000)


def test_an_output_that_is_a_pipe_stays_one(folder: Path) -> None:
    os.mkfifo(folder / "p.wav")
    done = bash(f"cat p.wav > o & {COMMAND} transfer a.wav s.wav -o p.wav {QUICK}; wait", folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (folder / "p.wav").is_fifo()
    assert read(folder / "o").n_samples == 16_000


def test_a_texture_of_stdin_to_stdout(folder: Path) -> None:
    done = bash(f"cat a.wav | {COMMAND} texture - -o - --format wav --seconds 1 --n-iter 1 | cat > o", folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert read(folder / "o").samples.shape == (2, 16_000)


def test_stdin_is_measured(folder: Path) -> None:
    done = bash(f"cat a.wav | {COMMAND} measure - --style s.wav --json", folder)
    assert json.loads(done.stdout)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("cat a.wav | {run} - - -o o.wav", "- is named twice: expected it once, as it can be read only once"),
        ("mkfifo p; {run} p p -o o.wav", "p is named twice"),
        ("{run} a.wav s.wav -o - | cat", "the format of - is not given: expected --format, such as wav"),
        ("{run} a.wav s.wav -o - --format m4a | cat", "the format is m4a: expected one of wav, flac, ogg"),
        ("{run} a.wav s.wav -o o.txt", "o.txt has the suffix '.txt': expected one of .wav"),
        ("{run} - s.wav -o o.wav < /dev/null", "/dev/stdin is empty"),
        ("{run} /dev/null s.wav -o o.wav", "/dev/null is empty"),
        ("{run} /dev/zero s.wav -o o.wav", "/dev/zero cannot be read as sound: it gives nothing but zeros"),
        ("echo '<html>' | {run} - s.wav -o o.wav", "/dev/stdin cannot be read as sound: it gives a web page"),
        ("head -c 5000 a.wav | {run} - s.wav -o o.wav", "/dev/stdin is truncated: "),
        (
            "{run} a.wav s.wav -o /dev/full --format wav " + QUICK,
            "/dev/full cannot be written: No space left",
        ),
        (
            "{run} a.wav s.wav -o - --format wav " + QUICK + " > /dev/full",
            "- cannot be written: No space left",
        ),
        ("{run} '' s.wav -o o.wav", "the name is empty: expected the name of a file"),
        ("{run} a.wav s.wav -o ''", "the name is empty"),
        ("{run} a.wav --style '' -o o.wav", "the name is empty"),
    ],
)
def test_what_cannot_be_done_with_pipes(command: str, message: str, folder: Path) -> None:
    before = sorted(os.listdir(folder))
    line = refused(bash("set -o pipefail; " + command.format(run=f"{COMMAND} transfer", quick=QUICK), folder))
    assert message in line
    assert sorted(set(os.listdir(folder)) - {"p"}) == before
    assert nothing_temporary(folder)


def test_nobody_reads_stdout(folder: Path) -> None:
    done = bash(
        f"set -o pipefail; {COMMAND} transfer a.wav s.wav -o - --format wav {QUICK} | head -c 9", folder
    )
    assert done.stderr == b""
    assert done.returncode in (0, 1)  # 0 where all of it fitted into the pipe
    assert nothing_temporary(folder)


def test_the_api_reads_a_pipe_once_and_as_often_as_needed(folder: Path) -> None:
    os.mkfifo(folder / "p")
    feeder = threading.Thread(target=lambda: (folder / "p").write_bytes((folder / "a.wav").read_bytes()))
    feeder.start()
    found = read(folder / "p")
    feeder.join()
    np.testing.assert_array_equal(found.samples, read(folder / "a.wav").samples)


# --- names ---


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.wav", "für \u2028 elise.wav".encode(), b"new\nline\x1b[31m.wav", b"-x.wav"]
)
def test_every_name_works_and_prints_safely(name: bytes, folder: Path) -> None:
    path, out = folder / os.fsdecode(name), folder / os.fsdecode(b"out" + name)
    (folder / "a.wav").rename(path)
    command = [sys.executable, "-W", "error", "-m", "retimbre", "transfer"]
    arguments = [*command, str(path), "s.wav", "-o", str(out)]
    done = subprocess.run(
        [*arguments, *QUICK.split(), "--json"], cwd=folder, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["output"] == str(out)
    assert read(out).n_samples == 16_000
    path.write_bytes(path.read_bytes()[:1000])
    done = subprocess.run(arguments, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr
    assert b"is truncated" in done.stderr
    with pytest.raises(AudioReadError, match="is truncated"):
        read(path)


# --- signals ---


@contextlib.contextmanager
def started(command: str, folder: Path, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        shlex.split(f"{COMMAND} {command}"),
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(process: "subprocess.Popen[bytes]", signum: signal.Signals) -> str:
    """Send a signal; give stderr of a process that must end within a second or two by it."""
    began = time.monotonic()
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=60)
    assert time.monotonic() - began < 3  # one, on a machine that does nothing else
    assert process.returncode == 130
    assert stdout == b""
    return stderr.decode()


SIGNALS = [signal.SIGINT, signal.SIGTERM]
NOTHING = "retimbre: interrupted: nothing was written\n"


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_while_a_pipe_has_no_writer(signum: signal.Signals, folder: Path) -> None:
    os.mkfifo(folder / "p")
    with started("transfer p s.wav -o o.wav", folder) as process:
        # The temporary file is opened right before the pipe.
        wait_for(lambda: bool(os.listdir(folder / "tmp")), process)
        time.sleep(0.2)
        assert ended(process, signum) == NOTHING
    assert not (folder / "o.wav").exists()
    assert nothing_temporary(folder)


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("place", ["- s.wav", "a.wav -"])
def test_a_signal_while_a_pipe_gives_nothing_more(place: str, signum: signal.Signals, folder: Path) -> None:
    with started(f"transfer {place} -o o.wav", folder, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write((folder / "a.wav").read_bytes()[:60_000])
        process.stdin.flush()
        wait_for(lambda: bool(os.listdir(folder / "tmp")), process)
        time.sleep(0.2)
        process.send_signal(signum)
        assert process.wait(timeout=5) == 130
        assert process.stderr is not None
        assert process.stderr.read().decode() == NOTHING
    assert nothing_temporary(folder)


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_while_nobody_takes_the_output(signum: signal.Signals, folder: Path) -> None:
    os.mkfifo(folder / "p.wav")
    with started(f"transfer a.wav s.wav -o p.wav {QUICK}", folder) as process:

        def is_made() -> bool:
            parts = list((folder / "tmp").iterdir())
            return len(parts) == 1 and parts[0].stat().st_size > 90_000

        wait_for(is_made, process)
        time.sleep(0.5)
        assert ended(process, signum) == "retimbre: interrupted: p.wav was not written whole\n"
    assert nothing_temporary(folder)


@pytest.mark.parametrize("old", [None, b"what was there before"])
def test_sigterm_leaves_the_output_and_says_where_the_partial_result_is(
    old: bytes | None, folder: Path
) -> None:
    out, trace = folder / "o.wav", folder / "trace"
    if old is not None:
        out.write_bytes(old)
    with started(f"transfer a.wav s.wav -o o.wav --trace trace --json {ENDLESS}", folder) as process:
        wait_for(lambda: trace.exists() and trace.read_bytes().count(b"\n") > 2, process)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.decode().splitlines()[-1].startswith("retimbre: interrupted: o.wav is as it was; the best")
    assert stderr.decode().endswith(" is in o.wav.retimbre-part\n")
    assert (out.read_bytes() if out.exists() else None) == old
    assert read(folder / "o.wav.retimbre-part").n_samples == 16_000
    report = json.loads(stdout)
    assert (report["stopped"], report["output"]) == ("terminated", "o.wav.retimbre-part")
    assert not [
        name
        for name in os.listdir(folder)
        if name.endswith(".wav") and name not in ("a.wav", "s.wav", "o.wav")
    ]


def test_ctrl_c_keeps_the_best_so_far_on_stdout_and_sigterm_sends_nothing(folder: Path) -> None:
    for signum, n_samples in ((signal.SIGINT, 16_000), (signal.SIGTERM, 0)):
        trace = folder / f"trace{signum}"
        command = f"transfer a.wav s.wav -o - --format wav --trace {trace} {ENDLESS}"
        with started(command, folder) as process:
            wait_for(lambda path=trace: path.exists() and path.read_bytes().count(b"\n") > 2, process)  # type: ignore[misc]
            process.send_signal(signum)
            stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"interrupted" in stderr
        (folder / "got").write_bytes(stdout)
        assert (read(folder / "got").n_samples if stdout else 0) == n_samples
        assert nothing_temporary(folder)


# --- what a killed process leaves ---


def test_stale_temporary_files_are_removed_and_others_stay(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own = temporary_path(tmp_path)
    gone = tmp_path / own.name.replace(str(os.getpid()), str(dead.pid))
    partial = tmp_path / "o.wav.retimbre-part"
    for path in (own, gone, partial):
        path.touch()
        os.utime(path, (time.time() - STALE_SECONDS - 60,) * 2)
    young = tmp_path / f".{dead.pid}-{'0' * 16}.retimbre-part"
    young.touch()
    remove_stale(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in (own, partial, young))


def test_a_write_removes_what_is_stale(tmp_path: Path) -> None:
    stale = tmp_path / f".{2**22 + 1}-{'0' * 16}.retimbre-part"  # no process has such a number
    stale.touch()
    os.utime(stale, (time.time() - STALE_SECONDS - 60,) * 2)
    write(tmp_path / "clip.wav", Audio(np.full(100, 0.1, np.float32), 8000))
    assert os.listdir(tmp_path) == ["clip.wav"]
    assert soundfile.info(tmp_path / "clip.wav").frames == 100
