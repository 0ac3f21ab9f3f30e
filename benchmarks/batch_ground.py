"""A folder for batches that go wrong: short clips, a network that can be made to wait or to die, and counts.

Every row has a seed of its own, and with it a prepared style of its own: the network is built at each row. It
writes a line that a row began, and by whom, and looks for a file that says what is to go wrong there.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

FAST = ("--n-iter", "2", "--n-iter-waveform", "0", "--n-iter-phase", "1", "--align", "none")
"""Settings with which a row of .3 s takes 20 ms."""

RATE = 8_000

_PATIENCE = 120.0  # seconds for anything at all

_NETWORK = """
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from retimbre.losses.kernel import SPEC as KERNEL


def build(settings, n_bins):
    ground = Path(os.environ["BATCH_GROUND"])
    with open(ground / "began", "a") as file:
        file.write(f"{settings.seed} {os.getpid()}\\n")
    if (ground / f"deadly-{settings.seed}").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    while any((ground / name).exists() for name in (f"wait-{settings.seed}", "wait-all")):
        time.sleep(0.01)
    return KERNEL.build(settings, n_bins)


SPEC = replace(KERNEL, build=build)
"""


@dataclass
class Counts:
    """What became of the rows of a fault.

    Args:
        rows: Number of rows.
        done: Number of rows done in the end.
        failed: Number of rows recorded as failed.
        repeated: Number of times that a row began again.
    """

    rows: int
    done: int
    failed: int
    repeated: int

    @property
    def lost(self) -> int:
        """Number of rows of which nothing is known."""
        return self.rows - self.done - self.failed


@dataclass
class Ground:
    """A folder with clips, a manifest and the network.

    Args:
        folder: An empty folder.
        n_rows: Number of rows.
        seconds: Length of a content.
        where: Options of a batch that say where the work is done.
        is_made: Whether the folder holds all this already.
    """

    folder: Path
    n_rows: int = 16
    seconds: float = 0.3
    where: Sequence[str] = ("--workers", "2")
    is_made: bool = False
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.is_made:
            return
        rng = np.random.default_rng(0)
        for row in range(1, self.n_rows + 1):
            time_ = np.arange(round(self.seconds * RATE))
            wave = 0.1 * np.sin(time_ * (0.1 + 0.01 * row)) + 0.02 * rng.standard_normal(len(time_))
            soundfile.write(self.content(row), wave, RATE)
        soundfile.write(self.folder / "style.wav", 0.1 * rng.standard_normal(RATE // 2), RATE)
        lines = ["content,style,output,seed,network"]
        lines += [f"{self.content(n).name},style.wav,{n:04d}.wav,{n},trap" for n in range(1, self.n_rows + 1)]
        self.manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
        package = self.folder / "package"
        (package / "trap-1.dist-info").mkdir(parents=True)
        (package / "trap.py").write_text(_NETWORK, encoding="utf-8")
        (package / "trap-1.dist-info" / "METADATA").write_text("Name: trap\nVersion: 1\n", encoding="utf-8")
        entry = "[retimbre.networks]\ntrap = trap:SPEC\n"
        (package / "trap-1.dist-info" / "entry_points.txt").write_text(entry, encoding="utf-8")

    def content(self, row: int) -> Path:
        """Give the content of a row."""
        return self.folder / f"content-{row:04d}.wav"

    @property
    def manifest(self) -> Path:
        """The rows."""
        return self.folder / "rows.csv"

    @property
    def out(self) -> Path:
        """The folder of the batch."""
        return self.folder / "out"

    def output(self, row: int) -> Path:
        """Give the output of a row."""
        return self.out / f"{row:04d}.wav"

    # --- what goes wrong ---

    def trap(self, kind: str, row: int | str) -> Path:
        """Let a row go wrong: ``wait`` or ``deadly``; removing the file ends it."""
        path = self.folder / f"{kind}-{row}"
        path.touch()
        return path

    def wait_for(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not within {_PATIENCE:.0f} s")
            time.sleep(0.01)

    def began(self) -> list[tuple[int, int]]:
        """List the rows that began, in order, and the process of each."""
        path = self.folder / "began"
        lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
        return [(int(row), int(pid)) for row, pid in map(str.split, lines)]

    def worker_at(self, row: int) -> int:
        """Wait until a row has begun; give its process."""
        self.wait_for(lambda: row in dict(self.began()), f"row {row} begins")
        return dict(self.began())[row]

    # --- batches ---

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a batch and its workers."""
        paths = [str(self.folder / "package"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        return os.environ | {"BATCH_GROUND": str(self.folder), "PYTHONPATH": os.pathsep.join(paths)}

    def command(self, *options: str | Path) -> list[str]:
        """Give the command of the batch."""
        rows = ["--manifest", str(self.manifest), "-o", str(self.out), *FAST]
        return [sys.executable, "-m", "retimbre", "batch", *rows, *map(str, options)]

    def start(self, *options: str | Path, group: bool = False) -> "subprocess.Popen[str]":
        """Start the batch, as :attr:`where` says unless the options say otherwise."""
        where = () if "--workers" in options else self.where
        process = subprocess.Popen(
            self.command(*where, *options),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=group,
        )
        self.processes.append(process)
        return process

    def run(self, *options: str | Path) -> tuple[int, str]:
        """Run the batch to its end; give its exit code and its stderr."""
        return self.ended(self.start(*options))

    def ended(self, process: "subprocess.Popen[str]") -> tuple[int, str]:
        """Wait for the end of a batch; give its exit code and its stderr."""
        _, stderr = process.communicate(timeout=_PATIENCE)
        return process.returncode, stderr

    def kill_all(self) -> None:
        """End what is still running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()

    # --- what became of it ---

    def results(self) -> dict[str, dict[str, Any]]:
        """Read results.jsonl, by output."""
        lines = (self.out / "results.jsonl").read_text(encoding="utf-8").splitlines()
        return {record["output"]: record for record in map(json.loads, lines)}

    def counts(self) -> Counts:
        """Count the rows, by results and sounds: one is done if both are there, and whole."""
        results = self.results()
        done = failed = 0
        for row in range(1, self.n_rows + 1):
            record = results.get(self.output(row).name)
            if record is not None and record["status"] == "failed":
                failed += 1
            elif record is not None and is_whole(self.output(row), self.content(row)):
                done += 1
        began = Counter(row for row, _ in self.began())
        return Counts(self.n_rows, done, failed, sum(began.values()) - len(began))

    def leftovers(self) -> Sequence[Path]:
        """List the files in the folder of the batch that should not be there."""
        kept = {self.output(row).name for row in range(1, self.n_rows + 1)}
        kept |= {"results.jsonl", "failed.csv", ".retimbre"}
        found = [path for path in self.out.iterdir() if path.name not in kept]
        return [*found, *(self.out / ".retimbre" / "work").iterdir()]


def expect(condition: object, message: object) -> None:
    """Check what a fault must lead to."""
    if not condition:
        raise AssertionError(message)


def well(ground: Ground, batch: "subprocess.Popen[str]") -> str:
    """Wait for the end of a batch, in which all must be done; give its stderr."""
    code, stderr = ground.ended(batch)
    expect(code == 0, stderr)
    return stderr


def done(ground: Ground, *options: str | Path) -> None:
    """Run the batch again, which must do all that is left."""
    well(ground, ground.start(*options))


def heard(batch: "subprocess.Popen[str]", words: str) -> None:
    """Read the stderr of a batch up to the line that has these words."""
    assert batch.stderr is not None
    while words not in (line := batch.stderr.readline()):
        expect(line, f"the batch ended before it said: {words}")


def is_whole(output: Path, content: Path) -> bool:
    """Tell whether an output can be read and is as long as its content."""
    try:
        return bool(soundfile.info(output).frames == soundfile.info(content).frames)
    except (soundfile.LibsndfileError, OSError):
        return False


def is_running(pid: int) -> bool:
    """Tell whether a process runs, and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def parent(pid: int) -> int:
    """Give the process that started a process."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def kill(pid: int, signum: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process."""
    os.kill(pid, signum)


# --- faults that are the same wherever the work is done ---


def worker_killed(ground: Ground) -> None:
    """A worker is killed by SIGKILL."""
    wait = ground.trap("wait", 5)
    batch = ground.start()
    kill(ground.worker_at(5))
    wait.unlink()
    well(ground, batch)


def two_drivers(ground: Ground) -> None:
    """A second driver is started on the folder."""
    wait = ground.trap("wait", 3)
    batch = ground.start()
    ground.worker_at(3)
    code, stderr = ground.run()
    expect(code == 2, stderr)
    expect(f"is being worked on (process {batch.pid} on " in stderr, stderr)
    wait.unlink()
    well(ground, batch)
