"""Linux, macOS and Windows: nothing in the package needs one of them unless it says so.

``make check`` has mypy read the package as on Windows and as on macOS, which finds names that are not there.
Here the ways of the other systems are gone on this one.
"""

import ast
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import retimbre
from retimbre import _output, _threads
from retimbre.apps.engines import local
from retimbre.apps.sessions import folder
from retimbre.networks import weights
from retimbre.sound import decoding
from retimbre.sound.audio import Audio
from retimbre.sound.files import write

ROOT = Path(retimbre.__file__).parent
TESTS = Path(__file__).parent
LACKING = {"fcntl", "grp", "pty", "pwd", "resource", "termios"}
"""Modules of Python that Windows lacks."""


def trees(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    found = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return found | {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_no_module_needs_a_module_that_windows_lacks() -> None:
    assert {path: found for path, tree in trees(ROOT) if (found := imported(tree) & LACKING)} == {}


def test_tests_that_windows_cannot_import_or_do_are_named_in_conftest() -> None:
    conftest = ast.parse((TESTS / "conftest.py").read_text(encoding="utf-8"))
    named = next(
        ast.literal_eval(node.value)
        for node in conftest.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "POSIX_ALONE"
    )
    needed = {"os.mkfifo", "os.killpg", "signal.SIGKILL", "os.openpty"}
    found = {
        path.as_posix()
        for path, tree in trees(TESTS)
        if imported(tree) & LACKING
        or needed & {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    }
    assert found <= set(named)
    assert all((TESTS / name).is_file() for name in named)


def is_text_without_encoding(node: ast.AST) -> bool:
    """Tell whether a call opens or moves text in the encoding of the system, which need not be UTF-8."""
    if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    if name == "read_text":
        return not node.args
    if name == "write_text":
        return len(node.args) < 2
    if name != "open":
        return False
    of_path = isinstance(node.func, ast.Attribute)
    if of_path and ast.unparse(node.func).startswith(("os.", "av.", "webbrowser.")):
        return False
    modes = [*node.args[0 if of_path else 1 :], *(word.value for word in node.keywords if word.arg == "mode")]
    mode = next((str(each.value) for each in modes if isinstance(each, ast.Constant)), "r")
    return set(mode) <= set("rwax+") and "b" not in mode and bool(modes or not of_path)


def test_text_is_utf_8_on_every_system() -> None:
    told = [ast.parse(text).body[0].value for text in ("p.read_text()", "open(p)", 'p.open("w")')]  # type: ignore[attr-defined]
    assert all(map(is_text_without_encoding, told))
    found = [
        f"{path}:{node.lineno}"  # type: ignore[attr-defined]
        for path, tree in trees(ROOT)
        for node in ast.walk(tree)
        if is_text_without_encoding(node)
    ]
    assert found == []


def test_files_are_replaced_in_the_way_that_works_everywhere() -> None:
    """On Windows a file is not renamed over another one; ``os.replace`` does it on all three."""
    calls = [
        f"{path}:{node.lineno}"
        for path, tree in trees(ROOT)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("rename", "renames")
    ]
    assert calls == []


def test_libsndfile_is_given_no_number_of_a_file_on_windows(
    tmp_path: Path, tone: Callable[..., npt.NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.wav", "a.flac", "a.mp3"):
        write(tmp_path / name, Audio(tone(440.0, 0.5, channels=2), 22_050))
    pieces = {p: [s for s, _ in decoding.decoded(p, p.name)] for p in tmp_path.iterdir()}
    bits = {p: decoding.bits_of(p) for p in pieces}

    monkeypatch.setattr(decoding, "_IS_WINDOWS", True)
    with (tmp_path / "a.wav").open("rb") as file:
        assert decoding._handle(file) is file
    for path, expected in pieces.items():
        found = [samples for samples, _ in decoding.decoded(path, path.name)]
        assert np.array_equal(np.concatenate(found, 1), np.concatenate(expected, 1))
        assert decoding.bits_of(path) == bits[path]


def test_folders_of_ended_processes_are_removed_without_numbers_of_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "retimbre-studio-old").mkdir()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "getuid", raising=False)
    with folder.own_folder() as own:
        assert list(tmp_path.iterdir()) == [own]
    assert list(tmp_path.iterdir()) == []


def test_no_process_is_sent_a_signal_on_windows_to_see_whether_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, signum: sent.append(pid))
    assert _output.is_running(os.getpid())
    assert sent == [os.getpid()]
    monkeypatch.setattr(_output, "os", type("nt", (), {"name": "nt", "kill": os.kill}))
    assert _output.is_running(1)
    assert sent == [os.getpid()]  # there the signal 0 is a Ctrl-C


def test_processes_start_where_signals_cannot_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(signal, "pthread_sigmask", raising=False)
    with local._signals_held():
        pass


def test_processes_are_spawned_which_every_system_can() -> None:
    assert "spawn" in multiprocessing.get_all_start_methods()
    methods = [
        ast.unparse(node)
        for _, tree in trees(ROOT)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("get_context")
    ]
    assert methods
    assert all("'spawn'" in method for method in methods)


def test_cores_are_counted_without_affinity_and_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert _threads.usable_cores(str(tmp_path), str(tmp_path / "none")) == 6


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("win32", "LOCALAPPDATA", "there/retimbre"),
        ("darwin", None, "Library/Caches/retimbre"),
        ("linux", "XDG_CACHE_HOME", "there/retimbre"),
    ],
)
def test_weights_lie_where_the_system_keeps_such_files(
    platform: str, variable: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RETIMBRE_CACHE", "LOCALAPPDATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, "there")
    monkeypatch.setattr(sys, "platform", platform)
    assert weights.cache_folder().as_posix().endswith(expected)
