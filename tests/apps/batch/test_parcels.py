"""Parcels in one process: clips as bytes in, sounds as bytes out, and nothing left on the disk."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from retimbre.apps.batch import parcels
from retimbre.apps.batch.parcels import Parcel, ParcelJob, ShippedClip
from retimbre.apps.batch.rows import Row
from retimbre.apps.batch.shipping import CALL_BYTES, ShippingEngine
from retimbre.apps.batch.work import RowJob
from retimbre.apps.engines.job import Outcome
from retimbre.settings import Settings

FAST = Settings(n_iter=2, n_iter_waveform=0, n_iter_phase=1)


def _clip(path: Path, seed: int, seconds: float = 0.4) -> ShippedClip:
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(16000 * seconds))
    soundfile.write(path, noise, 16000)
    data = path.read_bytes()
    return ShippedClip(data, hashlib.sha256(data).hexdigest(), (len(data), 0, 0))


def test_a_worker_keeps_styles_within_bounds_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "there"))
    (tmp_path / "there").mkdir()
    monkeypatch.setattr(parcels, "_DISK_BYTES", 20_000)  # each clip has 12 844
    n_threads = torch.get_num_threads()
    worker = ParcelJob(RowJob(str(tmp_path / "no-such-folder"), 1))()
    try:
        for n in (1, 2, 3, 1):
            clips = {"/a/c.wav": _clip(tmp_path / "c.wav", 0), f"/b/s{n}.wav": _clip(tmp_path / "s.wav", n)}
            row = Row(n, "/a/c.wav", ((f"/b/s{n}.wav", 1.0),), f"deep/{n}.wav", FAST)
            record, sound = worker(Parcel(row, clips))
            assert record["status"] == "done", record
            assert (record["content"], record["styles"]) == ("/a/c.wav", {f"/b/s{n}.wav": 1.0})
            assert sound.startswith(b"RIFF")
            (folder,) = (tmp_path / "there").iterdir()
            assert sum(file.stat().st_size for file in (folder / "clips").iterdir()) < 30_000
    finally:
        worker.close()
        torch.set_num_threads(n_threads)
    assert not list((tmp_path / "there").iterdir())
    assert not (tmp_path / "no-such-folder").exists()


class _Counting:
    """An engine that counts the bytes of its tasks and does nothing."""

    n_slots, n_running = 1, 0

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, job, tasks, stop):  # type: ignore[no-untyped-def]
        for task in tasks:
            clips = {clip.digest: len(clip.data) for parcel in task for clip in parcel.clips.values()}
            self.sizes.append(sum(clips.values()))
            for parcel in task:
                yield Outcome(parcel, None, "not done")


def test_tasks_are_cut_by_their_bytes_and_a_content_that_is_gone_fails_alone(tmp_path: Path) -> None:
    seconds = 0.4 * CALL_BYTES / 32_000  # so that three clips are more than a call may have
    paths = [tmp_path / f"{n}.wav" for n in range(6)]
    for n, path in enumerate(paths[:5]):
        _clip(path, n, seconds)
    rows = [Row(n, str(path), ((str(paths[0]), 1.0),), f"{n}.wav", FAST) for n, path in enumerate(paths)]
    engine = _Counting()
    shipping = ShippingEngine(engine, tmp_path / "out")
    job = RowJob(str(tmp_path / "out"), 1)
    outcomes = [outcome for outcome in shipping.run(job, iter([rows]), lambda: False) if outcome]
    assert sorted(outcome.item.number for outcome in outcomes) == list(range(6))
    faults = {outcome.item.number: outcome.fault for outcome in outcomes}
    assert "does not exist" in faults[5]
    assert faults[1] == "not done"
    assert len([size for size in engine.sizes if size]) == 2
    assert max(engine.sizes) < 1.5 * CALL_BYTES
