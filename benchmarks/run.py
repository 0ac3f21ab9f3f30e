"""Whole transfers, from file to file: seconds for 10 s of sound, what preparing saves, and peak memory.

    python benchmarks/run.py [--lengths 10 60 600] [--networks kernel aligned shallow naive]
                             [--rates 44100 22050] [--channels 2] [--jobs 1]

Stereo at 44.1 kHz is the main case; at 22 050 Hz the clips are mono, unless ``--channels`` says otherwise:
more than two are the same two, each pair softer than the one before. Each line is a process of its own, and
so is its peak memory. Clips are the demonstration's minuet and Greensleeves, repeated, by piano and, 20 s
of it, by strings. ``kernel`` takes the style as it is, ``aligned``, the default for these clips, plays it
at the content's pitches; ``naive`` is the network shallow with conv1d and whole Gram matrices; it and
``shallow`` are measured at the first length and the last rate only.

*new style*: everything, from opening both files on. *prepared style*: another content with the same
``Transfer``. *prepared both*: a content that was prepared too, as for another strength. Also given:
evaluations until the loss was within 1 % of its end, and the loss of the samples against that of the
spectrogram asked for. The machine's rate is that of a matrix product of 2048 x 2048 in float32.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


def clip(instrument: str, seconds: float, rate: int, path: Path, n_channels: int | None = None) -> Path:
    """Write a clip of any length; stereo, and mono below 44.1 kHz, unless a number of channels is given."""
    from retimbre import Audio, write
    from retimbre.music.orchestra import render
    from retimbre.music.score import GREENSLEEVES, MINUET

    parts = [render(piece, instrument, seconds=10.0) for piece in (MINUET, GREENSLEEVES)]
    samples = np.concatenate([part.samples for part in parts], axis=1)
    n_channels = n_channels or (1 if rate < 44_100 else 2)
    if n_channels == 1:
        samples = samples.mean(axis=0, keepdims=True)
    else:
        samples = np.concatenate([samples * 0.8**n for n in range(-(-n_channels // 2))])[:n_channels]
    n_samples = round(seconds * parts[0].sample_rate)
    repeated = np.tile(samples, (1, -(-n_samples // samples.shape[1])))[:, :n_samples]
    write(path, Audio(repeated, parts[0].sample_rate).resampled(rate))
    return path


class Naive:
    """The shallow network with conv1d and whole Gram matrices, for one size of spectrogram."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def statistics(self, style: Any) -> Any:
        """Keep the style; all is computed with the content."""
        from evaluation import naive_terms

        self.terms = lambda content: naive_terms(self._network, content, style.clips[0][0])
        return self


def measure(network: str, content: Path, style: Path, jobs: int) -> dict[str, float]:
    """Make transfers in this process and report on them."""
    import torch

    from retimbre import Settings, Transfer, read
    from retimbre.networks.registry import make_network
    from retimbre.sound.stft import Window

    settings = Settings(
        network="shallow" if network in {"shallow", "naive"} else "kernel",
        align="auto" if network == "aligned" else "none",
        jobs=jobs,
    )
    handed: Any = None
    if network == "naive":
        rate, cpu = read(content).sample_rate, torch.device("cpu")
        window = Window.at_rate(settings, rate, cpu)
        handed = Naive(make_network(window.restate(settings, rate), window.n_bins, cpu))
    output = content.with_suffix(".out.wav")
    seconds = []
    began = time.perf_counter()
    restyle = Transfer(style, settings, network=handed)
    result = restyle(content, output=output)
    seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    restyle(content, output=output)
    seconds.append(time.perf_counter() - began)
    assert result.best is not None
    if result.audio.seconds <= 60:  # a prepared content is kept in memory
        prepared = restyle.prepare(content)
        restyle(prepared, output=output)
        began = time.perf_counter()
        restyle(prepared, output=output)
        seconds.append(time.perf_counter() - began)
    first = [s.loss for s in result.steps if s.block == 1 and s.stage == "spectrogram"]
    return {
        **dict(zip(("new", "style", "both"), seconds, strict=False)),
        "evaluations": next(i for i, loss in enumerate(first, start=1) if loss <= 1.01 * min(first)),
        "loss": result.loss / result.best.loss,
        "peak": peak,
    }


def product_rate() -> float:
    """Measure the machine's rate in G operations a second: the fastest of ten matrix products."""
    import torch

    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(times) / 1e9


def main() -> None:
    """Print one line per network, rate and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lengths", type=float, nargs="+", default=[10, 60, 600])
    parser.add_argument("--networks", nargs="+", default=["aligned", "kernel", "shallow", "naive"])
    parser.add_argument("--rates", type=int, nargs="+", default=[44_100, 22_050])
    parser.add_argument("--channels", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--one", nargs=2, type=Path, help="measure these two clips here and print JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.networks[0], arguments.one[0], arguments.one[1], arguments.jobs)))
        return
    print(f"matrix products: {product_rate():.0f} G operations a second")
    print("                                seconds for 10 s of sound")
    print(
        "network   rate (Hz)  clip (s)   new style  prepared style  prepared both"
        "   to 1 %  loss/asked  peak (MiB)"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rate in arguments.rates:
            style = clip("strings", 20.0, rate, folder / "style.wav", arguments.channels)
            for network in arguments.networks:
                finite = network in {"shallow", "naive"}
                if finite and rate != arguments.rates[-1]:
                    continue
                for seconds in arguments.lengths[:1] if finite else arguments.lengths:
                    content = clip("piano", seconds, rate, folder / "content.wav", arguments.channels)
                    command = [sys.executable, __file__, "--networks", network, "--jobs", str(arguments.jobs)]
                    done = subprocess.run(
                        [*command, "--one", content, style], check=True, capture_output=True, text=True
                    )
                    got = json.loads(done.stdout)
                    pace = [
                        10 * got[k] / seconds if k in got else float("nan") for k in ("new", "style", "both")
                    ]
                    print(
                        f"{network:<9} {rate:9d} {seconds:9g} {pace[0]:11.2f} {pace[1]:15.2f} {pace[2]:14.2f}"
                        f" {got['evaluations']:8g} {got['loss']:11.3f} {got['peak']:11.0f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
