"""Pictures of several clips for documents: spectrograms side by side, constant-Q transforms in a column."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retimbre._output import atomic
from retimbre.errors import DependencyError
from retimbre.report.spectrogram import COLOURS, FREQUENCIES, RANGE, kilo, levels, position
from retimbre.sound.audio import Audio
from retimbre.sound.files import read
from study.pairs import REPORT

_CONSTANT_Q_RATE = 22_050  # Hz


def save_spectrograms(path: str | os.PathLike[str], clips: Sequence[tuple[str, Audio]]) -> None:
    """Draw clips side by side, with axes and one scale of colours, into a PNG.

    Args:
        path: Where to write, whole or not at all.
        clips: Titles and clips, at least one.

    Raises:
        DependencyError: matplotlib is not installed.
        AudioReadError: the folder is missing or cannot be written to.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("matplotlib", extra="report") from error
    grids = [levels(clip) for _, clip in clips]
    loudest = max(float(grid.max()) for grid in grids)
    figure = Figure(figsize=(4 * len(clips) + 0.8, 3.2), layout="constrained")
    row = figure.subplots(1, len(clips), sharey=True, squeeze=False)[0]
    for axes, (title, clip), grid in zip(row, clips, grids, strict=True):
        image = axes.imshow(
            grid - loudest,
            extent=(0, clip.seconds, 0, 1),
            aspect="auto",
            interpolation="antialiased",
            cmap=COLOURS,
            vmin=-RANGE,
            vmax=0,
        )
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("time (s)")
        axes.set_yticks([position(hertz) for hertz in FREQUENCIES], map(kilo, FREQUENCIES))
    row[0].set_ylabel("frequency (Hz)")
    figure.colorbar(image, ax=row, label="level (dB)", pad=0.01)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def save_constant_q(path: str | os.PathLike[str], clips: Sequence[tuple[str, Audio]]) -> None:
    """Draw the constant-Q transforms of clips one above the other into a JPEG, for notes and their attacks.

    Five octaves and a half from C2, three bins a semitone, 10 ms a frame, levels down to 60 dB below the
    loudest of each clip.

    Args:
        path: Where to write, whole or not at all.
        clips: Titles and clips of one length, at least one.

    Raises:
        DependencyError: librosa or matplotlib is not installed.
    """
    try:
        import librosa
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("librosa", extra="test") from error
    figure = Figure(figsize=(9, 1.75 * len(clips)), layout="constrained")
    column = figure.subplots(len(clips), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (title, clip) in zip(column, clips, strict=True):
        mono = clip.resampled(_CONSTANT_Q_RATE).samples.mean(axis=0)
        bins = librosa.cqt(
            mono,
            sr=_CONSTANT_Q_RATE,
            hop_length=_CONSTANT_Q_RATE // 100 // 32 * 32,  # librosa halves it once for each octave
            fmin=librosa.note_to_hz("C2"),
            n_bins=36 * 11 // 2,
            bins_per_octave=36,
        )
        level = 20 * np.log10(np.abs(bins) / np.abs(bins).max() + 1e-9)
        axes.imshow(
            level,
            extent=(0, clip.seconds, 0, len(level) / 36),
            aspect="auto",
            origin="lower",
            cmap=COLOURS,
            vmin=-60,
            vmax=0,
        )
        axes.set_ylabel(title, fontsize=9)
        axes.set_yticks(range(6), [f"C{octave}" for octave in range(2, 8)], fontsize=8)
    column[-1].set_xlabel("time (s)", fontsize=9)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="jpeg", dpi=80, pil_kwargs={"quality": 70})


def main() -> None:
    """Draw content, style, output and target of pairs, with outputs from the benchmark's cache."""
    parser = argparse.ArgumentParser(prog="python -m study.pictures", description=main.__doc__)
    parser.add_argument("quality", type=Path, help="folder of the benchmark")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("pairs", nargs="+", help="numbers of pairs in study.pairs.REPORT, from 0")
    options = parser.parse_args()
    for number in map(int, options.pairs):
        pair = REPORT[number]
        output = read(options.quality / "cache" / pair.slug / "retimbre.flac")
        clips = (pair.content(), pair.style(), output, pair.target())
        titles = (
            f"content: {pair.content_instrument}",
            f"style: {pair.style_instrument}",
            "output",
            "target",
        )
        save_constant_q(options.output / f"pair-{number}.jpg", list(zip(titles, clips, strict=True)))


if __name__ == "__main__":
    main()
