"""The commands ``retimbre weights`` through their real entry point."""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from retimbre.networks.vggish import VGGish
from retimbre.networks.weights import REGISTRY

COMMAND = (sys.executable, "-W", "error", "-m", "retimbre", "weights")


def environment(cache: Path) -> dict[str, str]:
    # No proxy: the server of these tests is on this machine.
    extra = {"OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "80", "NO_PROXY": "*"}
    return os.environ | extra | {"RETIMBRE_CACHE": str(cache)}


def run(*arguments: str | Path, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, env=environment(cache), capture_output=True, text=True, timeout=120, check=False
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Give the message of a run that was refused: exit code 2 and one line on stderr."""
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"retimbre: error: \S[^\n]*\n", done.stderr), done.stderr
    return done.stderr.removeprefix("retimbre: error: ").rstrip("\n")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def zeros(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a file of VGGish at its full size, of which each tensor is one number many times."""
    file = tmp_path_factory.mktemp("weights") / "zeros.pth"
    with torch.device("meta"):
        shapes = {key: own.shape for key, own in VGGish().state_dict().items()}
    state = {key: torch.zeros(1).expand(shape) for key, shape in shapes.items()}
    torch.save(state, file)
    return file


def test_no_command_shows_the_commands(cache: Path) -> None:
    done = run(cache=cache)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("list", "fetch", "import", "verify", "path"):
        assert re.search(rf"^ +{command} +\S", done.stdout, re.MULTILINE)


def test_what_there_is_and_where(cache: Path) -> None:
    done = run("list", cache=cache)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(REGISTRY)
    for line, entry in zip(lines, REGISTRY.values(), strict=True):
        assert "not here" in line
        assert entry.licence in line
        assert entry.citation in line
    assert run("path", cache=cache).stdout == f"{cache}\n"
    assert run("path", "cnn14", cache=cache).stdout == f"{cache / 'cnn14.safetensors'}\n"
    done = run("verify", cache=cache)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"retimbre: no weights are in {cache}\n"
    assert not cache.exists()


@pytest.mark.parametrize("command", ["list", "path"])
def test_what_there_is_imports_nothing_heavy(command: str, cache: Path) -> None:
    arguments = [sys.executable, "-X", "importtime", "-m", "retimbre", "weights", command]
    done = subprocess.run(
        arguments, env=environment(cache), capture_output=True, text=True, timeout=120, check=True
    )
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "retimbre.networks.weights" in imported
    assert not imported & {"torch", "numpy", "safetensors"}


@pytest.mark.slow
def test_weights_come_in_and_are_verified(zeros: Path, cache: Path) -> None:
    done = run("import", "vggish", zeros, cache=cache)
    assert (done.returncode, done.stdout) == (0, f"{cache / 'vggish.safetensors'}\n")
    assert re.fullmatch(r"retimbre: \S+ is not the file that was published, [^\n]*\n", done.stderr)
    assert re.search(r"^vggish +here", run("list", cache=cache).stdout)
    done = run("verify", cache=cache)
    assert (done.returncode, done.stdout, done.stderr) == (0, "vggish: whole, made from another file\n", "")
    with (cache / "vggish.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\0\0\0\1")
    assert "vggish.safetensors is damaged" in refusal(run("verify", "vggish", cache=cache))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch"], "name"),
        (["fetch", "vgish"], "no weights are called vgish: expected one of vggish, cnn14"),
        (["import", "vggish"], "file"),
        (["import", "vggish", "missing.pth"], "missing.pth cannot be read (No such file or directory)"),
        (["verify", "cnn14"], "run 'retimbre weights fetch cnn14'"),
        (["path", "vgish"], "no weights are called vgish"),
        (["steal"], "steal"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: list[str], message: str, cache: Path) -> None:
    done = run(*arguments, cache=cache)
    assert message in refusal(done)
    assert done.stdout == ""
    assert not cache.exists()


def test_no_server(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/file"
    said = refusal(run("fetch", "cnn14", "--url", url, cache=cache))
    assert f"{url} cannot be fetched (<urlopen error" in said
    assert REGISTRY["cnn14"].url in said


def test_an_interrupted_download_shows_name_and_address_on_a_terminal_and_one_line(cache: Path) -> None:
    ours, theirs = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/file"
        command = [*COMMAND, "fetch", "cnn14", "--url", url]
        with subprocess.Popen(command, env=environment(cache), stdin=theirs, stderr=theirs) as process:
            os.close(theirs)
            connection, _ = server.accept()
            with connection:
                assert connection.recv(4)
                process.send_signal(signal.SIGINT)
                assert process.wait(timeout=60) == 128 + signal.SIGINT
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other side is closed
        while data := os.read(ours, 4096):
            shown += data
    os.close(ours)
    assert b"Traceback" not in shown
    assert shown.splitlines()[0] == f"retimbre: fetching cnn14 from {url}".encode()
    assert shown.splitlines()[-1] == b"retimbre: interrupted: nothing was left behind"
