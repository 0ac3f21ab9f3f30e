"""Stages of one transfer: seconds of each, its floor on this machine, and the ratio.

    python benchmarks/stages.py [--rate 44100]

Ten seconds of content and twenty of style, the demonstration's, new style, default settings. A stage's floor
is the time that its counted operations take at the rate of this machine's matrix products, or its counted
bytes (what it must read and write once) at the rate of its copies, whichever is longer; an operation of a
Fourier transform counts as one of a product. A stage's seconds are its own: those of a stage inside it are
not its own. All rates are measured in the same run.
"""

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any

from run import clip, product_rate


@dataclass
class Stage:
    """A stage of the transfer.

    Attributes:
        where: The module and the names in it of what is timed.
        operations: Counted operations of the run.
        bytes: Counted bytes.
    """

    where: tuple[str, ...]
    operations: float
    bytes: float


def stages(rate: int, n_channels: int, evaluations: int, n_notes: int) -> dict[str, Stage]:
    """Count the operations and bytes of every stage.

    Args:
        rate: Rate in Hz.
        n_channels: Number of channels.
        evaluations: Evaluations of the objective in the run.
        n_notes: Notes of the style.
    """
    from retimbre import Settings
    from retimbre.alignment.grid import HIGHEST, LOWEST, N_PARTIALS, Grid
    from retimbre.sound.blocks import TRANSFER
    from retimbre.sound.stft import Window, compute_device

    window = Window.at_rate(Settings(), rate, compute_device(Settings()))
    grid = Grid.of(window.n_fft, rate, 0.0, window.device)
    seconds = {"content": 10 + 2 * TRANSFER.margin, "style": 20.0}
    frames = {name: length * rate / window.hop_length for name, length in seconds.items()}
    both, fft = sum(frames.values()), 2.5 * window.n_fft * log2(window.n_fft)
    n_bins, n_low, n_bands = window.n_bins, grid.n_low, len(grid.bands)
    n_pitches = HIGHEST - LOWEST + 1
    # 20 updates of activations and 12 of amplitudes on a quarter of the frames, 21 and 20 on all: four
    # products and three, over the bins with partials.
    activations, amplitudes = 20 / 4 + 21, 12 / 4 + 20
    factorised = (2 * activations * 2 + amplitudes * 3) * n_pitches * n_low * both
    factorised += activations * 4 * n_bands * n_bins * both
    spectrogram, sound = 8 * n_channels * n_bins, 4 * n_channels * rate
    T = frames["content"]
    padded = 2 ** (int(log2(11.5 * rate)) + 1)
    return {
        "decode and encode": Stage(
            ("sound.files.Recording.__init__", "sound.outputs.deliver"), 0, 40 * sound
        ),
        "loudness, limiter": Stage(
            ("sound.loudness.loudness", "sound.limiter.match_loudness"),
            7 * n_channels * 2 * 2.5 * padded * log2(padded),
            7 * 10 * sound * 4,
        ),
        "transform": Stage(("sound.stft.Window.stft",), n_channels * both * 9 * fft, both * 4 * spectrogram),
        "notes": Stage(("alignment.notes.transcribe",), factorised, 49 * 2 * 4 * n_low * both),
        "attacks": Stage(
            ("alignment.attacks.find_attacks",),
            22 * 4 * 60 * (n_low / 2) * 4 * both,
            (22 * 2 * 4 + 2 * 8 * n_channels * 3) * (n_low / 2) * 4 * both,
        ),
        "note network": Stage(("alignment.note_network.note_likelihoods",), 2 * 33_500 * 60 * 2 * both, 0),
        "isolation": Stage(
            ("alignment.isolation.isolate_notes",),
            n_notes * 40 * (N_PARTIALS * 31 * 5 * 4 + fft),
            n_notes * 40 * (spectrogram * 3 + 8 * 4 * n_low),
        ),
        "playing notes": Stage(("alignment.replay.NoteAlignment.play",), 60 * 1e6, 3 * T * spectrogram),
        "stereo image": Stage(("sound.stereo.stereo_image",), 0, 2 * T * spectrogram * 6),
        "descent": Stage(
            ("optim.minimise.minimise",),
            evaluations * 3 * 2 * T * T * n_bins,
            evaluations * 12 * 4 * T * n_bins,
        ),
        "phase": Stage(("sound.phase.griffin_lim",), n_channels * T * 17 * fft, 8 * T * spectrogram * 6),
    }


class Clock:
    """Clock that gives each stage its own seconds, without those of stages inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[float] = []

    def time(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function, whose time counts for a stage."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0.0)
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - began
                own = spent - self._inside.pop()
                self.seconds[name] = self.seconds.get(name, 0.0) + own
                if self._inside:
                    self._inside[-1] += spent

        return timed

    def watch(self, name: str, where: str) -> None:
        """Put a timed function in the place of one, wherever a module of the package has it."""
        import importlib
        import sys

        module, *names = where.split(".")
        path = f"retimbre.{module}.{names.pop(0)}"
        holder: Any = importlib.import_module(path)
        for inner in names[:-1]:
            holder = getattr(holder, inner)
        function = getattr(holder, names[-1])
        timed = self.time(name, function)
        setattr(holder, names[-1], timed)
        for other in [m for key, m in sys.modules.items() if key.startswith("retimbre")]:
            if getattr(other, names[-1], None) is function:
                setattr(other, names[-1], timed)


def copy_rate() -> float:
    """Measure the machine's rate of copies in bytes a second, read and written: the fastest of ten."""
    import torch

    source = torch.zeros(16_000_000)
    target, times = torch.empty_like(source), []
    for _ in range(10):
        began = time.perf_counter()
        target.copy_(source)
        times.append(time.perf_counter() - began)
    return 2 * 4 * len(source) / min(times)


def main() -> None:
    """Print one line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=int, default=44_100)
    arguments = parser.parse_args()
    import retimbre
    from retimbre import Transfer

    clock, rate = Clock(), arguments.rate
    retimbre.Transfer  # noqa: B018 - the modules are imported before their functions are watched
    operations, copies = product_rate() * 1e9, copy_rate()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        style = clip("strings", 20.0, rate, folder / "style.wav")
        content = clip("piano", 10.0, rate, folder / "content.wav")
        output = folder / "output.wav"
        result = Transfer(style)(content, output=output)  # what is imported and allocated once
        counted = stages(rate, result.audio.n_channels, len(result.steps), n_notes=70)
        for stage, count in counted.items():
            for where in count.where:
                clock.watch(stage, where)
        totals, runs = [], []
        for _ in range(5):
            clock.seconds.clear()
            began = time.perf_counter()
            Transfer(style)(content, output=output)
            totals.append(time.perf_counter() - began)
            runs.append(dict(clock.seconds))
    print(f"products {operations / 1e9:.0f} G operations a second, copies {copies / 1e9:.1f} GB a second")
    print("| stage | seconds | floor | ratio |\n|---|---|---|---|")
    rest = statistics.median(totals)
    for stage, count in counted.items():
        seconds = statistics.median(run.get(stage, 0.0) for run in runs)
        floor = max(count.operations / operations, count.bytes / copies)
        rest -= seconds
        print(f"| {stage} | {seconds:.3f} | {floor:.3f} | {seconds / floor:.1f} |")
    print(f"| all else | {rest:.3f} | - | - |\n| **whole** | {statistics.median(totals):.3f} | | |")


if __name__ == "__main__":
    main()
