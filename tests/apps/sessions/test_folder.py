"""The folder of a process is its own from the start."""

import stat
import sys
import tempfile
from pathlib import Path

import filelock
import pytest

from retimbre.apps.sessions import folder


def test_a_folder_that_was_taken_for_stale_before_its_lock_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    make = tempfile.mkdtemp

    def make_while_another_process_starts(prefix: str, dir: Path) -> str:
        path = make(prefix=prefix, dir=dir)
        made.append(Path(path))
        if len(made) == 1:
            folder._remove_stale(made[0])
            assert not made[0].exists()
        return path

    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(tempfile, "mkdtemp", make_while_another_process_starts)
    with folder.own_folder("own-") as own:
        assert own.is_dir()
        if sys.platform != "win32":
            assert stat.S_IMODE(own.stat().st_mode) == 0o700
        with pytest.raises(filelock.Timeout), filelock.FileLock(own / "lock", timeout=0):
            pass
        folder._remove_stale(own)
        assert own.is_dir()
    assert not list(tmp_path.iterdir())
