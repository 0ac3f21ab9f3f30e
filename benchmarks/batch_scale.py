"""The scale of batches: overhead and memory of many rows, a manifest of a million, two workers and one.

Every part: ``python benchmarks/batch_scale.py``; one: ``--only rows``. On a machine with nothing else to do.
"""

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from batch_cluster import Cluster

_FAST = ("--n-iter", "2", "--n-iter-waveform", "0", "--n-iter-phase", "1", "--align", "none")
_CLIPS = 100  # contents, used again and again
_RATE = 8_000
_INSTRUMENTS = (
    "piano",
    "harpsichord",
    "vibraphone",
    "organ",
    "nylon guitar",
    "steel guitar",
    "harp",
    "flute",
)
_PLAYED = [(instrument, piece) for piece in ("MINUET", "GREENSLEEVES") for instrument in _INSTRUMENTS]
"""Contents of the comparison of workers."""


def batch(*options: str | Path) -> list[str]:
    """Give the command of a batch."""
    return [sys.executable, "-m", "retimbre", "batch", *map(str, options)]


def ground(folder: Path) -> None:
    """Write contents of .3 s and a style."""
    rng = np.random.default_rng(0)
    for n in range(_CLIPS):
        time_ = np.arange(round(0.3 * _RATE)) / _RATE
        wave = 0.1 * np.sin(2 * np.pi * (200 + 10 * n) * time_) * (1 + np.sin(2 * np.pi * 3 * time_)) / 2
        soundfile.write(folder / f"c{n}.wav", wave + 0.01 * rng.standard_normal(len(time_)), _RATE)
    soundfile.write(folder / "s.wav", 0.1 * rng.standard_normal(10 * _RATE), _RATE)


def manifest(folder: Path, n_rows: int, n_clips: int = _CLIPS) -> Path:
    """Write a manifest."""
    path = folder / f"rows-{n_rows}.csv"
    with path.open("w", encoding="ascii") as file:
        file.write("content,style,output\n")
        file.writelines(f"c{n % n_clips}.wav,s.wav,{n // 1000:04d}/{n}.wav\n" for n in range(n_rows))
    return path


def music(folder: Path) -> None:
    """Play contents and a style, of 10 s each, in stereo."""
    from retimbre.music import orchestra, score

    clips = {f"c{n}": played for n, played in enumerate(_PLAYED)} | {"s": ("violin", "MINUET")}
    for name, (instrument, piece) in clips.items():
        audio = orchestra.render(getattr(score, piece), instrument, seconds=10)
        soundfile.write(folder / f"{name}.wav", audio.samples.T, audio.sample_rate)


def memory(pid: int) -> float:
    """Give the resident memory of a process, MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def children(pid: int) -> list[int]:
    """List the processes that a process has started."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def overhead(folder: Path) -> None:
    """Measure the processor time of a row in a batch and in a loop."""
    ground(folder)
    script = f"""
import resource, sys, time, retimbre
settings = retimbre.Settings(n_iter=2, n_iter_waveform=0, n_iter_phase=1, align="none")
restyle = retimbre.Transfer("{folder}/s.wav", settings)
restyle("{folder}/c0.wav", output="{folder}/loop.wav")
began = time.process_time()
for n in range(1000):
    restyle(f"{folder}/c{{n % {_CLIPS}}}.wav", output="{folder}/loop.wav")
print(time.process_time() - began)
"""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    alone = float(
        subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        ).stdout
    )

    def used(n_rows: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = batch("--manifest", manifest(folder, n_rows), "-o", folder / f"out-{n_rows}")
        subprocess.run([*rows, *_FAST, "--workers", "2", "-q"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    slope = (used(2500) - used(500)) / 2000
    print(
        f"processor time of a row: {alone:.2f} ms in a loop, {1000 * slope:.2f} ms in a batch of two workers,"
    )
    print(f"of which {1000 * slope - alone:.2f} ms are overhead")


def row(folder: Path) -> None:
    """Measure what a row of 10 s of played music takes of a processor, and of disks."""
    music(folder)
    path = manifest(folder, len(_PLAYED), len(_PLAYED))
    script = f"""
import time, retimbre
restyle = retimbre.Transfer("{folder}/s.wav")
times = [time.process_time()]
for n in range({len(_PLAYED)}):
    restyle(f"{folder}/c{{n}}.wav", output="{folder}/loop.wav")
    times.append(time.process_time())
print(times[1] - times[0], (times[-1] - times[1]) / {len(_PLAYED) - 1})
"""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    first, each = map(float, ran.stdout.split())
    print(f"processor time of a row of 10 s: {each:.2f} s, of the first, with its style, {first:.2f} s")
    command = batch("--manifest", path, "-o", folder / "out", "-q")
    subprocess.run([*command, "--workers", "1"], check=True)
    found = {"content": "c*.wav", "output": "out/*/*.wav", "record": "out/results.jsonl"}
    sizes = {name: sum(each.stat().st_size for each in folder.glob(kind)) for name, kind in found.items()}
    print(", ".join(f"{size // len(_PLAYED)} bytes of a {name}" for name, size in sizes.items()))


def rows(folder: Path) -> None:
    """Do ten thousand rows, and watch the memory."""
    ground(folder)
    n_rows, shown = 10_000, 0
    path = manifest(folder, n_rows)
    began = time.monotonic()
    with subprocess.Popen(
        [*batch("--manifest", path, "-o", folder / "out"), *_FAST, "--workers", "2", "-q"]
    ) as process:
        while process.poll() is None:
            time.sleep(1)
            n_done = sum(len(os.listdir(each)) for each in (folder / "out").glob("0*"))
            if n_done >= shown + 2000:
                shown += 2000
                workers = [f"{memory(pid):.0f}" for pid in children(process.pid) if memory(pid) > 100]
                print(
                    f"{n_done} rows: driver {memory(process.pid):.0f} MB, workers {', '.join(workers)} MB",
                    flush=True,
                )
    seconds = time.monotonic() - began
    print(f"{n_rows} rows of .3 s in {seconds:.0f} s, {1000 * seconds / n_rows:.1f} ms a row, two workers")
    began = time.monotonic()
    subprocess.run([*batch("--manifest", path, "-o", folder / "out"), *_FAST, "-q"], check=True)
    print(f"the same again, with nothing to do: {time.monotonic() - began:.1f} s")


def million(folder: Path) -> None:
    """Start a manifest of a million rows, until it has done some."""
    ground(folder)
    path = manifest(folder, 1_000_000)
    out = folder / "out"
    began, first, highest = time.monotonic(), 0.0, 0.0
    with subprocess.Popen(
        [*batch("--manifest", path, "-o", out), *_FAST, "--workers", "2", "-q"], stderr=subprocess.DEVNULL
    ) as process:
        while time.monotonic() - began < 30:
            time.sleep(0.05)
            highest = max(highest, memory(process.pid))
            if not first and next(out.glob("0*/*.wav"), None):
                first = time.monotonic() - began
        n_done = sum(1 for _ in out.glob("0*/*.wav"))
        process.send_signal(signal.SIGTERM)
    print(
        f"a million rows: the first is done after {first:.1f} s, {n_done} in 30 s, {highest:.0f} MB at most"
    )


def workers(folder: Path) -> None:
    """Do 10 s of played music by one worker and by two, and on a cluster."""
    music(folder)
    path = manifest(folder, len(_PLAYED), len(_PLAYED))

    def wall(name: str, *options: str) -> float:
        began = time.monotonic()
        subprocess.run([*batch("--manifest", path, "-o", folder / name, "-q"), *options], check=True)
        return time.monotonic() - began

    one, two, again = (wall(f"{n}-{k}", "--workers", str(n)) for n, k in ((1, 0), (2, 0), (1, 1)))
    ratio = (one + again) / 2 / two
    print(f"16 clips of 10 s: one worker {one:.1f} and {again:.1f} s, two {two:.1f} s: {ratio:.2f} times")
    for n_workers in (1, 2):
        cluster = Cluster(folder / f"cluster-{n_workers}", os.environ, n_workers)
        try:
            times = [
                wall(f"dask-{n_workers}{ship}", "--dask", cluster.address, *ship.split())
                for ship in ("", " --ship")
            ]
        finally:
            cluster.end()
        print(f"on a cluster of {n_workers}: by paths {times[0]:.1f} s, by bytes {times[1]:.1f} s")


def dask_rows(folder: Path) -> None:
    """Do two thousand short rows on a cluster of two workers, and the same by local ones."""
    ground(folder)
    path = manifest(folder, 2000)

    def wall(name: str, *options: str) -> float:
        began = time.monotonic()
        command = batch("--manifest", path, "-o", folder / name, "-q", *_FAST, *options)
        subprocess.run(command, check=True)
        return time.monotonic() - began

    local = wall("local", "--workers", "2")
    cluster = Cluster(folder / "cluster", os.environ)
    try:
        wall("warm", "--dask", cluster.address)
        paths, shipped = (
            wall("paths", "--dask", cluster.address),
            wall("bytes", "--dask", cluster.address, "--ship"),
        )
    finally:
        cluster.end()
    times = f"local {local / 2:.1f}, by paths {paths / 2:.1f}, by bytes {shipped / 2:.1f}"
    print(f"ms a row of 2000, with the start of the command: {times}")


PARTS: dict[str, Callable[[Path], None]] = {
    "overhead": overhead,
    "row": row,
    "rows": rows,
    "million": million,
    "workers": workers,
    "dask": dask_rows,
}
"""Parts by a short name."""


def main(names: Sequence[str]) -> None:
    for name in names:
        with tempfile.TemporaryDirectory(prefix="batch-", ignore_cleanup_errors=True) as folder:
            PARTS[name](Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=list(PARTS), action="append")
    main(parser.parse_args().only or list(PARTS))
