"""Whole transfers: seconds for 10 s of sound and peak memory, by length of the clip.

    python benchmarks/run.py [--lengths 10 60 600] [--networks kernel shallow] [--rate 22050]

Each line is a process of its own, and so is its peak memory. Clips are the demonstration's minuet and
Greensleeves, played over and over (mono at 22 050 Hz; stereo from 44 100 Hz on). Also given: evaluations
until the loss was within 1 % of where it ended, and what was written against what was asked for.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np


def measure(network: str, seconds: float, rate: int) -> dict[str, float]:
    """Make one transfer in this process and report on it."""
    from retimbre import Audio, Settings, transfer
    from retimbre.apps.orchestra import render
    from retimbre.apps.score import GREENSLEEVES, MINUET

    def clip(instrument: str) -> Audio:
        parts = [render(piece, instrument, seconds=10.0) for piece in (MINUET, GREENSLEEVES)]
        samples = np.concatenate([part.samples for part in parts], axis=1)
        if rate < 44_100:
            samples = samples.mean(axis=0, keepdims=True)
        n_samples = round(seconds * parts[0].sample_rate)
        repeated = np.tile(samples, (1, -(-n_samples // samples.shape[1])))[:, :n_samples]
        return Audio(repeated, parts[0].sample_rate).resampled(rate)

    content, style = clip("piano"), clip("strings")
    transfer(Audio(content.samples[:, :rate], rate), style, Settings(network="kernel", n_iter=1))  # warm up
    began = time.perf_counter()
    result = transfer(content, style, Settings(network=network))  # type: ignore[arg-type]
    taken = time.perf_counter() - began
    assert result.best is not None
    first = [s.loss for s in result.steps if s.block == 1 and s.stage == "spectrogram"]
    near = next(i for i, loss in enumerate(first, start=1) if loss <= 1.01 * min(first))
    return {
        "per_10_s": 10 * taken / seconds,
        "evaluations": near,
        "written": result.written / result.best.loss,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print one line per network and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lengths", type=float, nargs="+", default=[10, 60, 600])
    parser.add_argument("--networks", nargs="+", default=["kernel"])
    parser.add_argument("--rate", type=int, default=22_050)
    parser.add_argument("--one", action="store_true", help="measure here and print JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.networks[0], arguments.lengths[0], arguments.rate)))
        return
    print("network   clip (s)   s per 10 s   evaluations to 1 %   written/asked   peak (MiB)")
    for network in arguments.networks:
        for seconds in arguments.lengths:
            command = [sys.executable, __file__, "--one", "--networks", network, "--lengths", str(seconds)]
            done = subprocess.run(
                [*command, "--rate", str(arguments.rate)], check=True, capture_output=True, text=True
            )
            got = json.loads(done.stdout)
            print(
                f"{network:<9} {seconds:8g} {got['per_10_s']:12.2f} {got['evaluations']:20g} "
                f"{got['written']:15.3f} {got['peak']:12.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
