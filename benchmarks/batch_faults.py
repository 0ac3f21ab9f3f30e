"""Faults of a batch with real processes: how many rows are done, lost and repeated.

Every fault as a table: ``python benchmarks/batch_faults.py``; one: ``--only disk``; on a cluster of Dask,
which needs the extra ``dask``: ``--where dask``, and by bytes: ``--where ship``.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from batch_cluster import Cluster
from batch_cluster_faults import CLUSTER_FAULTS, N_ROWS
from batch_ground import (
    RATE,
    Counts,
    Ground,
    done,
    expect,
    heard,
    is_running,
    kill,
    parent,
    two_drivers,
    well,
    worker_killed,
)

Fault = Callable[[Ground], None]

_CLOCK = """
import itertools
import time

real, reals = time.time, time.time_ns
jumps = itertools.cycle([0, 86_400, -86_400, 40 * 86_400])
time.time = lambda: real() + next(jumps)
time.time_ns = lambda: reals() + 10**9 * next(jumps)
"""


def deadly_row(ground: Ground) -> None:
    """A row kills its worker every time."""
    ground.trap("deadly", 4)
    code, stderr = ground.run()
    expect(code == 1, stderr)
    record = ground.results()["0004.wav"]
    expect("ended its worker 3 times (SIGKILL)" in record["error"], record)
    expect(stderr.count("row 4:") == 1, stderr)
    expect([row for row, _ in ground.began()].count(4) == 3, ground.began())


def driver_killed(ground: Ground) -> None:
    """The driver is killed by SIGKILL, and started again."""
    wait = ground.trap("wait", 6)
    batch = ground.start()
    worker = ground.worker_at(6)
    kill(batch.pid)
    ground.ended(batch)
    ground.wait_for(lambda: not is_running(worker), "the worker ends after its driver")
    wait.unlink()
    done(ground)


def terminated(ground: Ground) -> None:
    """SIGTERM comes to every process, as from Slurm or a spot machine."""
    waits = [ground.trap("wait", row) for row in (6, 7)]
    batch = ground.start()
    pids = {ground.worker_at(6), ground.worker_at(7), batch.pid}
    for pid in pids:
        kill(pid, signal.SIGTERM)
    for wait in waits:
        wait.unlink()
    code, stderr = ground.ended(batch)
    expect(code == 130, stderr)
    expect("the same command goes on" in stderr, stderr)
    expect({"0006.wav", "0007.wav"} <= set(ground.results()), "the rows at work are finished")
    done(ground)


def interrupted_twice(ground: Ground) -> None:
    """Ctrl-C comes twice: the rows at work are given up."""
    waits = [ground.trap("wait", row) for row in (6, 7)]
    batch = ground.start()
    workers = [ground.worker_at(6), ground.worker_at(7)]
    batch.send_signal(signal.SIGINT)
    heard(batch, "again to stop at once")
    batch.send_signal(signal.SIGINT)
    code, stderr = ground.ended(batch)
    expect(code == 130, stderr)
    ground.wait_for(lambda: not any(map(is_running, workers)), "the workers end")
    expect(not ground.output(6).exists(), "no half an output")
    for wait in waits:
        wait.unlink()
    done(ground)


def disk_full(ground: Ground) -> None:
    """The disk is full, until there is room again."""
    command = subprocess.list2cmdline(ground.command("--workers", "2"))
    ground.out.mkdir()
    # 64 MB are left free in any case; beyond them there is room for some of the outputs.
    script = f"""
        mount -t tmpfs -o size=80m tmpfs {ground.out} || exit 99
        head -c 16300k /dev/zero > {ground.out}/.ballast
        {command}
        echo first $? >&2
        rm {ground.out}/.ballast
        {command}
        code=$?
        cp -a {ground.out} {ground.folder}/kept
        exit $code
    """
    # A file system of a process and its children: no root is needed, and nothing has to be unmounted.
    found = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env=ground.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 99 or "unshare" in found.stderr:
        raise NotImplementedError("no file system of its own can be mounted here")
    shutil.rmtree(ground.out)
    (ground.folder / "kept").rename(ground.out)
    expect(found.returncode == 0, found.stderr)
    expect("first 1" in found.stderr and "make room" in found.stderr, found.stderr)


def input_gone(ground: Ground) -> None:
    """A content vanishes half-way, and comes back later."""
    wait = ground.trap("wait", 3)
    batch = ground.start("--workers", "1")
    ground.worker_at(3)
    hidden = ground.content(9).rename(ground.folder / "hidden")
    wait.unlink()
    code, stderr = ground.ended(batch)
    expect(code == 1, stderr)
    expect(f"{ground.content(9)} does not exist" in ground.results()["0009.wav"]["error"], "the reason")
    hidden.rename(ground.content(9))
    done(ground, "--manifest", ground.out / "failed.csv")
    expect(not (ground.out / "failed.csv").exists(), "nothing failed")


def input_changed(ground: Ground) -> None:
    """A content changes as it is read."""
    wait = ground.trap("wait", 3)
    batch = ground.start()
    ground.worker_at(3)
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE // 4)
    soundfile.write(ground.content(3), noise, RATE)
    wait.unlink()
    well(ground, batch)
    expect(soundfile.info(ground.output(3)).frames == RATE // 4, "the output is of the content as it is")
    _, stderr = ground.run()
    expect(f"{ground.n_rows} as they were" in stderr, stderr)


def style_broken(ground: Ground) -> None:
    """A style is broken, and is repaired."""
    style = ground.folder / "style.wav"
    whole = style.read_bytes()
    style.write_bytes(whole[:300] + b"RIFF")
    text = ground.manifest.read_text(encoding="utf-8")
    shutil.copy(ground.content(1), ground.folder / "other.wav")
    ground.manifest.write_text(text.replace("style.wav,0001", "other.wav,0001"), encoding="utf-8")
    code, stderr = ground.run()
    expect(code == 1, stderr)
    expect(ground.output(1).exists(), "rows of the other style are done")
    style.write_bytes(whole)
    done(ground)


def clock_jumps(ground: Ground) -> None:
    """The clock jumps by days, back and forth, and so do the times of files."""
    (ground.folder / "package" / "sitecustomize.py").write_text(_CLOCK, encoding="utf-8")
    worker_killed(ground)
    import os

    for number, path in enumerate(sorted([*ground.folder.glob("*.wav"), *ground.out.glob("*.wav")])):
        os.utime(path, (10**9, 10**9) if number % 2 else (4 * 10**9, 4 * 10**9))
    _, stderr = ground.run()
    expect(f"{ground.n_rows} as they were" in stderr, stderr)


def shards(ground: Ground) -> None:
    """Three shards share a folder, and one of them is killed and started again."""
    wait = ground.trap("wait", 3)
    batches = [ground.start("--workers", "1", "--shard", f"{n}/3") for n in (1, 2, 3)]
    driver = parent(ground.worker_at(3))
    kill(driver)
    for batch in batches:
        ground.ended(batch)
    codes = {batch.pid: batch.returncode for batch in batches}
    expect(all(code == 0 for pid, code in codes.items() if pid != driver), "the others go on")
    wait.unlink()
    number = 1 + list(codes).index(driver)
    done(ground, "--workers", "1", "--shard", f"{number}/3")


def line_torn(ground: Ground) -> None:
    """A record is torn, as by a machine that loses its power."""
    done(ground)
    file = max((ground.out / ".retimbre" / "records").iterdir(), key=lambda path: path.stat().st_size)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 100)
    code, stderr = ground.run()
    expect(code == 0, stderr)
    expect("1 rows done" in stderr, stderr)


def output_torn(ground: Ground) -> None:
    """An output is torn, and another one is gone."""
    done(ground)
    with ground.output(2).open("r+b") as file:
        file.truncate(1000)
    ground.output(3).unlink()
    _, stderr = ground.run()
    expect("1 the output is gone" in stderr and "1 the output was changed" in stderr, stderr)


FAULTS: dict[str, Fault] = {
    "worker": worker_killed,
    "deadly": deadly_row,
    "driver": driver_killed,
    "sigterm": terminated,
    "ctrl-c": interrupted_twice,
    "disk": disk_full,
    "gone": input_gone,
    "changed": input_changed,
    "style": style_broken,
    "clock": clock_jumps,
    "two": two_drivers,
    "shards": shards,
    "line": line_torn,
    "output": output_torn,
}
"""Faults by a short name."""


def counted(name: str, folder: Path, where: str) -> Counts:
    """Let a fault happen in an empty folder; give what became of the rows."""
    cluster = None
    if where == "local":
        ground = Ground(folder)
    else:
        ground = Ground(folder, N_ROWS.get(name, 16))
        cluster = Cluster(folder / "cluster", ground.environment)
        ground.where = ("--dask", cluster.address, *(["--ship"] if where == "ship" else []))
    try:
        if cluster is None:
            FAULTS[name](ground)
        else:
            CLUSTER_FAULTS[name](ground, cluster)
        expect(not ground.leftovers(), ground.leftovers())
        return ground.counts()
    finally:
        ground.kill_all()
        if cluster is not None:
            cluster.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--where", choices=["local", "dask", "ship"], default="local")
    parser.add_argument("--only", choices=sorted({*FAULTS, *CLUSTER_FAULTS}), action="append")
    arguments = parser.parse_args()
    titles = {name: fault.__doc__ or name for name, fault in FAULTS.items()}
    if arguments.where != "local":
        titles = {name: fault.__doc__ or name for name, fault in CLUSTER_FAULTS.items()}
    print("| fault | rows | done | failed, recorded | lost | repeated |\n|---|---|---|---|---|---|")
    lost = 0
    for name in arguments.only or titles:
        title = titles[name].rstrip(".")
        with tempfile.TemporaryDirectory(prefix="batch-", ignore_cleanup_errors=True) as folder:
            try:
                found = counted(name, Path(folder), arguments.where)
            except NotImplementedError as error:
                print(f"| {title} | {error} | | | | |", flush=True)
                continue
            except (AssertionError, TimeoutError) as error:
                print(f"{title}: {error}", file=sys.stderr, flush=True)
                lost += 1
                continue
        lost += found.lost
        cells = (found.rows, found.done, found.failed, found.lost, found.repeated)
        print(f"| {title} | {' | '.join(map(str, cells))} |", flush=True)
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
