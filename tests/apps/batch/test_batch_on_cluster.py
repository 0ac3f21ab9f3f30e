"""The command ``batch`` on a cluster of Dask, by shared paths and by bytes: the sounds are the same."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

from retimbre import Audio, write

_FAST = ("--n-iter", "2", "--n-iter-waveform", "0", "--n-iter-phase", "1")


def _batch(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "retimbre", "batch", "--manifest", "rows.csv", *_FAST, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def _records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    time = np.arange(6400) / 16000
    for n in range(3):
        tone = 0.2 * np.sin(2 * np.pi * (220 + 40 * n) * time) * np.exp(-3 * time)
        write(folder / f"c{n}.wav", Audio(tone.astype(np.float32), 16000))
    hiss = 0.1 * np.random.default_rng(0).standard_normal(8000)
    write(folder / "s.wav", Audio(hiss.astype(np.float32), 16000))
    (folder / "broken.wav").write_bytes(b"no sound at all")
    rows = ["content,style,output", *(f"c{n}.wav,s.wav,deep/{n}.wav" for n in range(3))]
    rows += ["broken.wav,s.wav,3.wav", "gone.wav,s.wav,4.wav"]
    (folder / "rows.csv").write_text("\n".join(rows))
    return folder


def test_the_sounds_of_a_cluster_are_those_made_here(here: Path, tmp_path: Path) -> None:
    assert _batch(here, "-o", "local", "--workers", "1").returncode == 1
    expected = [(here / f"local/deep/{n}.wav").read_bytes() for n in range(3)]
    there = tmp_path / "there"
    there.mkdir()
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=1,
        threads_per_worker=2,
        dashboard_address=":0",
        local_directory=str(there),
        env={"TMPDIR": str(there)},
        silence_logs=60,
    ) as cluster:
        for name, options in (("shared", ()), ("shipped", ("--ship",))):
            done = _batch(here, "-o", name, "--dask", cluster.scheduler_address, *options)
            assert done.returncode == 1, done.stderr
            assert "row 4:" in done.stderr
            assert f"row 5: {here / 'gone.wav'} does not exist" in done.stderr
            assert [(here / name / f"deep/{n}.wav").read_bytes() for n in range(3)] == expected
            records = {record["output"]: record for record in _records(here / name)}
            assert records["deep/1.wav"]["content"] == str(here / "c1.wav")
            assert str(there) not in json.dumps(records["3.wav"])
            assert not list((here / name / ".retimbre/work").iterdir())
            again = _batch(here, "-o", name, "--dask", cluster.scheduler_address, *options, "--json")
            end = json.loads(again.stdout.splitlines()[-1])
            assert (end["same"], end["done"], end["failed"]) == (3, 0, 2)
            checked = _batch(here, "-o", name, "--dask", cluster.scheduler_address, *options, "--dry-run")
            assert "3 rows fine, 2 with a fault" in checked.stderr
        assert not list(there.glob("retimbre-batch-*"))
    keys = [
        sorted(record.get("key", "") for record in _records(here / name)) for name in ("local", "shipped")
    ]
    assert keys[0] == keys[1]
    assert os.listdir(here / "shipped/.retimbre/records")


def test_a_cluster_that_is_not_there_and_flags_that_do_not_agree(here: Path) -> None:
    for options, message in (
        (("--ship",), "--ship is given without --dask"),
        (("--dask", "tcp://127.0.0.1:1", "--workers", "2"), "--workers and --dask are both given"),
        (("--dask", "nowhere://"), "is no address of a scheduler"),
    ):
        done = _batch(here, "-o", "out", *options)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
