"""What keeps a melody: the matches and the harmonic network against the kernel, as in docs/method.md.

    python benchmarks/melody.py [--group report] [--kind melodic] [--strengths .5 .8 .95]

Mean over the pairs of distances from the target, the content's song on the style's instrument: timbre and
log-spectral distance as ratios to the content's own, the pitch distance as it is (it needs the transcriber),
and seconds of computing on one core.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from retimbre import Audio, Settings, transfer
from retimbre._clips import analyse, spectrogram
from retimbre.objective.losses import Style
from retimbre.objective.match import MATCHES
from retimbre.quality.heard import Heard
from retimbre.quality.measure import against
from retimbre.quality.pairs import PAIRS, RATE
from retimbre.sound.spectral import Window, expand

Method = Callable[[Audio, Audio], Audio]


def main() -> None:
    """Print one line per method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--group", choices=["report", "tune"], default="report")
    parser.add_argument("--kind", choices=["melodic", "percussive", "mixed"], default="melodic")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.5, 0.8, 0.95])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs = [p for p in PAIRS if (p.group, p.kind) == (arguments.group, arguments.kind)]
    clips = [(pair.content(), pair.style(), Heard.of(pair.target())) for pair in pairs]
    before = [against(content, target) for content, _, target in clips]
    print(f"{len(pairs)} pairs                     timbre   lsd  pitch  seconds")
    for name, method in _methods(arguments.strengths):
        began = time.process_time()
        made = [method(content, style) for content, style, _ in clips]
        seconds = (time.process_time() - began) / len(clips)
        after = [against(clip, target) for clip, (_, _, target) in zip(made, clips, strict=True)]
        ratios = [[a[key] / b[key] for key in ("timbre", "lsd")] for a, b in zip(after, before, strict=True)]
        timbre, lsd = np.mean(ratios, axis=0)
        pitch = np.mean([a.get("pitch", np.nan) for a in after])
        print(f"{name:<28}  {timbre:7.2f}  {lsd:4.2f}  {pitch:5.2f}  {seconds:7.1f}", flush=True)


def _methods(strengths: list[float]) -> Iterator[tuple[str, Method]]:
    yield "content copied", lambda content, style: content
    yield "style copied", lambda content, style: style
    for name in MATCHES:
        yield f"{name} alone", partial(_matched, name)
    for network, init in (("kernel", "content"), ("harmonic", "content"), ("harmonic", "quantile")):
        for strength in strengths:
            settings = Settings(network=network, init=init, strength=strength)  # type: ignore[arg-type]
            yield f"{network}, from {init}, {strength:g}", partial(_transferred, settings)


def _matched(name: str, content: Audio, style: Audio) -> Audio:
    window = Window.at_rate(Settings(), RATE, torch.device("cpu"))
    bins = analyse(content, RATE, window)
    frames, wanted = spectrogram(bins), spectrogram(analyse(style, RATE, window))
    matched = MATCHES[name](frames, Style([(wanted, 1.0)]), RATE / window.n_fft)
    gains = expand(matched) / expand(frames).clamp(min=1e-30)
    return Audio(window.istft(bins * gains, content.n_samples).numpy(), RATE)


def _transferred(settings: Settings, content: Audio, style: Audio) -> Audio:
    return transfer(content, style, settings).audio


if __name__ == "__main__":
    main()
