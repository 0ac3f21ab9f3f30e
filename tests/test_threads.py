"""How many threads there are and how they wait: runs on one machine must not stall each other; and forks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retimbre import _threads

NAMES = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [None, "2000"]),
        ({"GOMP_SPINCOUNT": "7"}, [None, "7"]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", None]),
    ],
)
def test_waiting_threads_spin_briefly_unless_told_otherwise(
    given: dict[str, str], expected: list[str | None]
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | given
    code = f"import os, sys, retimbre; print([os.environ.get(n) for n in {NAMES}], 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{expected} False"


@pytest.mark.parametrize(
    ("files", "groups", "expected"),
    [
        ({"cpu.max": "max 100000"}, "0::/", 8),
        ({"cpu.max": "200000 100000"}, "0::/", 2),
        ({"cpu.max": "150000 100000"}, "0::/", 2),
        ({"cpu.max": "10000 100000"}, "0::/", 1),
        ({"a/b/cpu.max": "300000 100000"}, "0::/a/b", 3),
        ({"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b", 3),
        ({"a/b/cpu.max": "300000 100000"}, "0::/other", 8),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu:/", 4),
        ({"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"}, "1:cpu,cpuacct:/a", 4),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu:/", 8),
        ({"cpu.max": "nonsense"}, "0::/", 8),
        ({}, "0::/", 8),
    ],
)
def test_cores_are_those_of_affinity_and_quota(
    files: dict[str, str], groups: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "groups").write_text(f"9:name=systemd:/\n{groups}\n")
    assert _threads.usable_cores(str(tmp_path), str(tmp_path / "groups")) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_torch_has_as_many_threads_as_the_process_may_use() -> None:
    numbers = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in numbers}
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); import retimbre, torch; "
        "print(os.environ.get('OMP_NUM_THREADS'), torch.get_num_threads())"
    )
    for given, expected in (({}, "1"), ({"OMP_NUM_THREADS": "3"}, "3")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment | given,
            capture_output=True,
            text=True,
            check=True,
        )
        number, threads = done.stdout.split()
        assert number in (expected, "None")
        assert given or threads == expected  # MKL takes no more than there are cores, whatever is given


FORKED = """
import json, multiprocessing, os, sys
import numpy as np, torch, retimbre
torch.set_num_threads(2)
clips = [(0.1 * np.random.default_rng(k).standard_normal(20_000, np.float32), 22_050) for k in (0, 1)]
settings = retimbre.Settings(n_iter=3, n_iter_waveform=1)
restyle = retimbre.Transfer(clips[1], settings)
content = restyle.prepare(clips[0])
expected = restyle(content).audio.samples  # with two threads

def work(queue):
    found = [retimbre.transfer(*clips, settings).audio.samples, restyle(content).audio.samples]
    errors = [float(np.abs(each - expected).max()) for each in found]
    queue.put({"threads": torch.get_num_threads(), "errors": errors})

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=work, args=(queue,))
    process.start()
    process.join(60)
    if process.is_alive():
        process.kill()
        sys.exit("hangs")
    print(json.dumps(queue.get() | {"before": torch.get_num_threads()}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_computes_with_one_thread() -> None:
    """Where torch has had two before: those are gone, and would be waited for."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["threads"], found["before"]) == (1, 2)
    assert max(found["errors"]) < 1e-4
