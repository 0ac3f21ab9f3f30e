"""Whole transfers, from file to file: seconds for 10 s of sound and peak memory, by length of the clip.

    python benchmarks/run.py [--lengths 10 60 600] [--networks kernel aligned shallow naive]
                             [--rate 22050] [--jobs 1]

Each line is a process of its own, and so is its peak memory. Clips are the demonstration's minuet and
Greensleeves, played over and over by piano and, 20 s of it, by strings (mono at 22 050 Hz; stereo from
44 100 Hz on). Also given: evaluations until the loss was within 1 % of where it ended, and what was written
against what was asked for. ``kernel`` takes the style as it is, ``aligned``, the default for these clips,
plays it at the content's pitches; ``naive`` is the network shallow with conv1d and whole Gram matrices; it
and ``shallow`` are measured at the first length only.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def clip(instrument: str, seconds: float, rate: int, path: Path) -> Path:
    """Write a clip of any length."""
    from retimbre import Audio, write
    from retimbre.music.orchestra import render
    from retimbre.music.score import GREENSLEEVES, MINUET

    parts = [render(piece, instrument, seconds=10.0) for piece in (MINUET, GREENSLEEVES)]
    samples = np.concatenate([part.samples for part in parts], axis=1)
    if rate < 44_100:
        samples = samples.mean(axis=0, keepdims=True)
    n_samples = round(seconds * parts[0].sample_rate)
    repeated = np.tile(samples, (1, -(-n_samples // samples.shape[1])))[:, :n_samples]
    write(path, Audio(repeated, parts[0].sample_rate).resampled(rate))
    return path


def measure(network: str, content: Path, style: Path, jobs: int) -> dict[str, float]:
    """Make one transfer in this process and report on it."""
    from evaluation import naive_terms

    from retimbre import Settings, _work, transfer

    settings = Settings(
        network="kernel" if network in {"kernel", "aligned"} else "shallow",
        align="auto" if network == "aligned" else "off",
        jobs=jobs,
    )
    if network == "naive":
        _work.NetworkTerms = lambda net, x, mix: naive_terms(net, x, mix.clips[0][0])  # type: ignore
    began = time.perf_counter()
    result = transfer(content, style, settings, output=content.with_suffix(".out.wav"))
    taken = time.perf_counter() - began
    assert result.best is not None
    first = [s.loss for s in result.steps if s.block == 1 and s.stage == "spectrogram"]
    return {
        "seconds": taken,
        "evaluations": next(i for i, loss in enumerate(first, start=1) if loss <= 1.01 * min(first)),
        "written": result.written / result.best.loss,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print one line per network and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lengths", type=float, nargs="+", default=[10, 60, 600])
    parser.add_argument("--networks", nargs="+", default=["kernel", "aligned", "shallow", "naive"])
    parser.add_argument("--rate", type=int, default=22_050)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--one", nargs=2, type=Path, help="measure these two clips here and print JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.networks[0], arguments.one[0], arguments.one[1], arguments.jobs)))
        return
    print("network   clip (s)   s per 10 s   evaluations to 1 %   written/asked   peak (MiB)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        style = clip("strings", 20.0, arguments.rate, folder / "style.wav")
        for network in arguments.networks:
            for seconds in arguments.lengths if network in {"kernel", "aligned"} else arguments.lengths[:1]:
                content = clip("piano", seconds, arguments.rate, folder / "content.wav")
                command = [sys.executable, __file__, "--networks", network, "--jobs", str(arguments.jobs)]
                done = subprocess.run(
                    [*command, "--one", content, style], check=True, capture_output=True, text=True
                )
                got = json.loads(done.stdout)
                print(
                    f"{network:<9} {seconds:8g} {10 * got['seconds'] / seconds:12.2f} "
                    f"{got['evaluations']:20g} {got['written']:15.3f} {got['peak']:12.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
