"""Several windows at once against one: is a transfer with short and long windows better, and where?

    python benchmarks/resolution.py [--strength 0.5]

``--resolutions three`` is not judged by what it optimises: *held out* are the style and content terms under
windows of 46 and 186 ms with another kernel (one layer, 5 frames), as shares of what there was to gain and to
lose, at the gain at which their weighted sum is least; *onsets* is the correlation of the onset envelope
(half-wave rectified rise of log-magnitudes) with the content's.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from retimbre import Audio, Settings, transfer
from retimbre.alignment.passage import Passage
from retimbre.apps.demo import PAIRS
from retimbre.losses.terms import Style, style_statistics
from retimbre.music.orchestra import render
from retimbre.networks.registry import make_network
from retimbre.sound.clips import normalized
from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import Window, log_magnitude

RATE, CPU = 22_050, torch.device("cpu")


class Judge:
    """The terms under one window, of samples (1, N) at the working loudness."""

    def __init__(self, content: Audio, style: Audio, n_fft: int, settings: Settings) -> None:
        self._window = Window(n_fft, n_fft // 4, CPU)
        clips = (Passage([normalized(clip, RATE)], RATE, self._window) for clip in (content, style))
        frames, other = (clip.frames for clip in clips)
        mix = Style([(other, 1.0)]).cut(frames.shape[1])
        network = make_network(settings, len(frames), CPU)
        self._terms = style_statistics(network, mix).terms(frames)
        self._gain = self._terms(frames).style.item()
        self._loss = self._terms(mix.frames(frames.shape[1])).content.item()

    def shares(self, samples: Tensor) -> tuple[float, float]:
        """Shares of the style that is not reached, and of the content that is lost."""
        content, style = self._terms(log_magnitude(joint_magnitude(self._window.stft(samples))))
        return style.item() / self._gain, content.item() / self._loss


def onsets(samples: Tensor) -> np.ndarray:
    """Rise of the log-magnitudes from frame to frame, 12 ms apart."""
    frames = Window(1024, 256, CPU).stft(samples).abs()[0].log1p()
    return frames.diff(dim=1).clamp(min=0).sum(dim=0).numpy()


def main() -> None:
    """Print a line per pair and setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--strength", type=float, default=0.5)
    strength = parser.parse_args().strength
    settings = Settings(strength=strength, align="none")
    print("pair                           windows   style open   content lost   weighted   onsets   seconds")
    for pair in PAIRS:
        content, style = (
            Audio((clip := render(piece, who, seconds=6.0)).samples.mean(0), clip.sample_rate).resampled(RATE)
            for who, piece in (pair.content, pair.style)
        )
        held = replace(settings, layers=1, taps=5)
        judges = [Judge(content, style, n_fft, held) for n_fft in (1024, 4096)]
        wanted = onsets(torch.from_numpy(content.samples))
        for windows in ("one", "three"):
            result = transfer(content, style, replace(settings, resolutions=windows))
            made = torch.from_numpy(result.audio.samples)
            found = []
            for gain in 10 ** (np.arange(-20, 31) / 20):
                left, lost = np.mean([judge.shares(made * float(gain)) for judge in judges], axis=0)
                found.append((strength * left + (1 - strength) * lost, left, lost))
            total, left, lost = min(found)
            print(
                f"{pair.slug:<31}{windows:>7}{left:13.3f}{lost:15.3f}{total:11.3f}"
                f"{np.corrcoef(onsets(made), wanted)[0, 1]:9.3f}{result.seconds:10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
