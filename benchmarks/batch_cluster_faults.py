"""Faults of a batch on a cluster of Dask (``batch_faults.py`` makes the table)."""

import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile
from batch_cluster import Cluster, kill_all
from batch_ground import RATE, Ground, done, expect, heard, is_running, kill, two_drivers, well, worker_killed

_MANY = 64  # rows, so that a call has several


def node_lost(ground: Ground, cluster: Cluster) -> None:
    """A worker is killed with what would start it again: its machine is gone."""
    wait = ground.trap("wait", 5)
    batch = ground.start()
    kill_all(cluster.worker_of(ground.worker_at(5)))
    wait.unlink()
    well(ground, batch)


def worker_hangs(ground: Ground, cluster: Cluster) -> None:
    """A worker hangs, as behind a network that is cut, and answers again later."""
    wait = ground.trap("wait", 5)
    batch = ground.start()
    worker = ground.worker_at(5)
    kill(worker, signal.SIGSTOP)
    ground.wait_for(lambda: [row for row, _ in ground.began()].count(5) > 1, "another worker takes the row")
    with suppress(ProcessLookupError):  # it was replaced
        kill(worker, signal.SIGCONT)
    wait.unlink()
    well(ground, batch)


def worker_terminated(ground: Ground, cluster: Cluster) -> None:
    """SIGTERM comes to all processes of a worker, as from Slurm or a spot machine; another comes later."""
    wait = ground.trap("wait", 5)
    batch = ground.start()
    kill_all(cluster.worker_of(ground.worker_at(5)), signal.SIGTERM)
    cluster.workers.append(cluster.worker())
    wait.unlink()
    well(ground, batch)


def deadly_row(ground: Ground, cluster: Cluster) -> None:
    """A row kills its worker every time."""
    ground.trap("deadly", 4)
    code, stderr = ground.run()
    expect(code == 1, stderr)
    record = ground.results()["0004.wav"]
    expect("ended its worker" in record["error"], record)
    expect(stderr.count("row 4:") == 1, stderr)


def scheduler_killed(ground: Ground, cluster: Cluster) -> None:
    """The scheduler is killed, and another one is started at its address."""
    wait = ground.trap("wait", 6)
    batch = ground.start()
    ground.worker_at(6)
    cluster.restart_scheduler()
    wait.unlink()
    stderr = well(ground, batch)
    expect("is gone: waiting for it" in stderr and "is back" in stderr, stderr)


def driver_killed(ground: Ground, cluster: Cluster) -> None:
    """The driver is killed by SIGKILL, and started again."""
    wait = ground.trap("wait", 6)
    batch = ground.start()
    ground.worker_at(6)
    kill(batch.pid)
    ground.ended(batch)
    wait.unlink()
    done(ground)


def driver_terminated(ground: Ground, cluster: Cluster) -> None:
    """SIGTERM comes to the driver."""
    wait = ground.trap("wait", 6)
    batch = ground.start()
    ground.worker_at(6)
    batch.send_signal(signal.SIGTERM)
    heard(batch, "again to stop at once")
    wait.unlink()
    code, stderr = ground.ended(batch)
    expect(code == 130, stderr)
    expect("0006.wav" in ground.results(), "the row at work is finished")
    done(ground)


def interrupted_twice(ground: Ground, cluster: Cluster) -> None:
    """Ctrl-C comes twice: the rows at work are given up."""
    wait = ground.trap("wait", 6)
    batch = ground.start()
    ground.worker_at(6)
    batch.send_signal(signal.SIGINT)
    heard(batch, "again to stop at once")
    batch.send_signal(signal.SIGINT)
    code, stderr = ground.ended(batch)
    expect(code == 130, stderr)
    expect(not ground.output(6).exists(), "no half an output")
    wait.unlink()
    done(ground)


def disk_full(ground: Ground, cluster: Cluster) -> None:
    """The disk is full, until there is room again."""
    cluster.end()
    ground.out.mkdir()
    here = Path(__file__).parent
    # 64 MB are left free in any case; beyond them there is room for some of the outputs.
    script = f"""
        mount -t tmpfs -o size=80m tmpfs {ground.out} || exit 99
        head -c 16300k /dev/zero > {ground.out}/.ballast
        cd {here} && exec {sys.executable} {Path(__file__).name} {ground.folder}
    """
    arguments = [*ground.where[2:]]
    found = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env=ground.environment | {"BATCH_WHERE": " ".join(arguments)},
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 99 or "unshare" in found.stderr:
        raise NotImplementedError("no file system of its own can be mounted here")
    expect(found.returncode == 0, found.stderr)
    shutil.rmtree(ground.out)
    (ground.folder / "kept").rename(ground.out)


def _inside(folder: Path) -> None:
    """Fill the disk under a batch and its cluster, both of which see this process's file systems."""
    ground = Ground(folder, is_made=True)
    cluster = Cluster(folder / "inside", ground.environment)
    try:
        ground.where = ("--dask", cluster.address, *os.environ["BATCH_WHERE"].split())
        code, stderr = ground.run()
        expect(code in (1, 2) and "make room" in stderr, stderr)
        (ground.out / ".ballast").unlink()
        done(ground)
        shutil.copytree(ground.out, folder / "kept")
    finally:
        cluster.end()


def input_gone(ground: Ground, cluster: Cluster) -> None:
    """A content vanishes half-way, and comes back later."""
    wait = ground.trap("wait", "all")
    batch = ground.start()
    ground.wait_for(lambda: bool(ground.began()), "a row begins")  # none ends before the trap is gone
    hidden = ground.content(9).rename(ground.folder / "hidden")
    wait.unlink()
    code, stderr = ground.ended(batch)
    expect(code == 1, stderr)
    expect(f"{ground.content(9)} does not exist" in ground.results()["0009.wav"]["error"], "the reason")
    hidden.rename(ground.content(9))
    done(ground, "--manifest", ground.out / "failed.csv")


def input_changed(ground: Ground, cluster: Cluster) -> None:
    """A content changes as it is read."""
    wait = ground.trap("wait", 3)
    batch = ground.start()
    ground.worker_at(3)
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE // 4)
    soundfile.write(ground.content(3), noise, RATE)
    wait.unlink()
    well(ground, batch)
    done(ground)  # of bytes that were sent before they changed
    expect(soundfile.info(ground.output(3)).frames == RATE // 4, "the output is of the content as it is")


def style_broken(ground: Ground, cluster: Cluster) -> None:
    """A style is broken, and is repaired."""
    style = ground.folder / "style.wav"
    whole = style.read_bytes()
    style.write_bytes(whole[:300] + b"RIFF")
    code, stderr = ground.run()
    expect(code == 1, stderr)
    style.write_bytes(whole)
    done(ground)


def shards(ground: Ground, cluster: Cluster) -> None:
    """Three shards share the folder and the cluster, and one of them is killed and started again."""
    wait = ground.trap("wait", 3)
    batches = [ground.start("--shard", f"{n}/3") for n in (1, 2, 3)]
    ground.worker_at(3)
    kill(batches[0].pid)
    wait.unlink()
    for batch in batches:
        ground.ended(batch)
    expect([batch.returncode for batch in batches[1:]] == [0, 0], "the others go on")
    done(ground, "--shard", "1/3")


def no_worker(ground: Ground, cluster: Cluster) -> None:
    """All workers are killed, and others come later."""
    wait = ground.trap("wait", 5)
    batch = ground.start()
    pid = ground.worker_at(5)
    for worker in cluster.workers:
        kill_all(worker)
    ground.wait_for(lambda: not is_running(pid), "the worker ends")
    heard(batch, "has no worker")
    wait.unlink()
    cluster.workers = [cluster.worker() for _ in cluster.workers]
    well(ground, batch)


def _of_ground(fault: Callable[[Ground], None]) -> Callable[[Ground, Cluster], None]:
    """Make a fault of a cluster from one that needs nothing of it."""

    @functools.wraps(fault)
    def of_cluster(ground: Ground, cluster: Cluster) -> None:
        fault(ground)

    return of_cluster


CLUSTER_FAULTS = {
    "worker": _of_ground(worker_killed),
    "node": node_lost,
    "hangs": worker_hangs,
    "sigterm": worker_terminated,
    "none": no_worker,
    "deadly": deadly_row,
    "scheduler": scheduler_killed,
    "driver": driver_killed,
    "driver-term": driver_terminated,
    "ctrl-c": interrupted_twice,
    "disk": disk_full,
    "gone": input_gone,
    "changed": input_changed,
    "style": style_broken,
    "two": _of_ground(two_drivers),
    "shards": shards,
}
"""Faults by a short name."""

N_ROWS = {"deadly": _MANY, "worker": _MANY}
"""Number of rows of a fault, where it is another one."""

if __name__ == "__main__":
    _inside(Path(sys.argv[1]))
