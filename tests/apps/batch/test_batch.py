"""The command ``batch`` with real processes: what is done stands on disk, and nothing is lost."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retimbre import Audio, write
from retimbre.apps.batch.folder import BatchFolder, host

Batch = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = (sys.executable, "-W", "error", "-m", "retimbre", "batch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    time_ = np.arange(6400) / 16000
    for n in range(4):
        tone = 0.2 * np.sin(2 * np.pi * (220 + 40 * n) * time_) * np.exp(-3 * time_)
        write(tmp_path / f"c{n}.wav", Audio(tone.astype(np.float32), 16000))
    hiss = 0.1 * np.random.default_rng(0).standard_normal(8000)
    write(tmp_path / "s.wav", Audio(hiss.astype(np.float32), 16000))
    return tmp_path


@pytest.fixture
def batch(folder: Path) -> Batch:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=100, check=False
        )

    return run


def _outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "out").glob("*.wav"))}


def test_a_batch_does_what_is_missing_and_the_samples_are_those_of_transfer(
    batch: Batch, folder: Path
) -> None:
    done = batch("c0.wav", "c1.wav", "--style", "s.wav", "-o", "out", "--workers", "1")
    assert done.returncode == 0, done.stderr
    first = _outputs(folder)
    assert list(first) == ["c0_as_s.wav", "c1_as_s.wav"]
    rows = [json.loads(line) for line in (folder / "out/results.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["done", "done"]
    alone = (sys.executable, "-m", "retimbre", "transfer", "c1.wav", "s.wav", "-o", "alone.wav", "-q")
    subprocess.run(alone, cwd=folder, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert (folder / "alone.wav").read_bytes() == first["c1_as_s.wav"]
    inodes = {path.name: path.stat().st_mtime_ns for path in (folder / "out").glob("*.wav")}
    again = batch("c0.wav", "c1.wav", "c2.wav", "--style", "s.wav", "-o", "out", "--workers", "1")
    assert again.returncode == 0, again.stderr
    assert all((folder / "out" / name).stat().st_mtime_ns == at for name, at in inodes.items())
    assert len(_outputs(folder)) == 3


def test_bad_rows_fail_alone_and_can_be_run_again(batch: Batch, folder: Path) -> None:
    (folder / "c1.wav").write_bytes(b"no sound at all")
    (folder / "rows.csv").write_text("content,style,output\nc0.wav,s.wav,a.wav\nc1.wav,s.wav,b.wav\n")
    checked = batch("--manifest", "rows.csv", "-o", "out", "--dry-run")
    assert checked.returncode != 0
    assert "c1.wav" in checked.stderr + checked.stdout
    assert not _outputs(folder)
    done = batch("--manifest", "rows.csv", "-o", "out", "--workers", "1")
    assert done.returncode == 1
    assert list(_outputs(folder)) == ["a.wav"]
    with (folder / "out/failed.csv").open(newline="") as file:
        (failed,) = csv.DictReader(file)
    assert failed["content"].endswith("c1.wav")
    assert "Traceback" not in done.stderr


def test_two_rows_of_one_output_are_refused_before_anything_runs(batch: Batch, folder: Path) -> None:
    (folder / "rows.csv").write_text("content,style,output\nc0.wav,s.wav,a.wav\nc1.wav,s.wav,a.wav\n")
    done = batch("--manifest", "rows.csv", "-o", "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not _outputs(folder)


@pytest.mark.parametrize("out", ["n" * 300, "rows.csv/out"])
def test_a_folder_that_cannot_be_made_is_refused_before_anything_runs(
    out: str, batch: Batch, folder: Path
) -> None:
    (folder / "rows.csv").write_text("content,style,output\nc0.wav,s.wav,a.wav\n")
    for options in ((), ("--dry-run",)):
        done = batch("--manifest", "rows.csv", "-o", out, *options)
        assert done.returncode == 2
        assert re.fullmatch(rf"retimbre: error: .*{out}.* cannot be made.*\n", done.stderr)


def test_an_output_outside_the_folder_is_refused(batch: Batch, folder: Path) -> None:
    (folder / "rows.csv").write_text("content,style,output\nc0.wav,s.wav,../a.wav\n")
    done = batch("--manifest", "rows.csv", "-o", "out")
    assert done.returncode == 1
    assert "../a.wav" in (folder / "out/failed.csv").read_text()
    assert not (folder / "a.wav").exists()


def test_shards_share_a_folder_and_do_every_row_once(batch: Batch, folder: Path) -> None:
    contents = [f"c{n}.wav" for n in range(4)]
    for shard in ("1/2", "2/2"):
        done = batch(*contents, "--style", "s.wav", "-o", "out", "--shard", shard, "--workers", "1")
        assert done.returncode == 0, done.stderr
    assert len(_outputs(folder)) == 4


def test_what_a_process_left_behind_is_removed_once_it_has_ended(tmp_path: Path) -> None:
    folder = BatchFolder(tmp_path)
    folder.make()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        left = folder.work / f"{host()}-{process.pid}-12345678"
        left.mkdir()
        folder.clear_stale()
        assert left.exists()
        process.kill()
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays, as a zombie
        else:
            process.wait()
        if os.path.exists("/proc/self/stat"):
            folder.clear_stale()
            assert not left.exists()


def test_a_batch_that_is_killed_goes_on_where_it_was(batch: Batch, folder: Path) -> None:
    contents = [f"c{n}.wav" for n in range(4)]
    command = [*COMMAND, *contents, "--style", "s.wav", "-o", "out", "--workers", "1"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        until = time.monotonic() + 60
        while not _outputs(folder) and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    before = _outputs(folder)
    assert before
    done = batch(*contents, "--style", "s.wav", "-o", "out", "--workers", "1")
    assert done.returncode == 0, done.stderr
    after = _outputs(folder)
    assert len(after) == 4
    assert all(after[name] == made for name, made in before.items())
