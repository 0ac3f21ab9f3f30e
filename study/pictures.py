"""Spectrograms of several clips side by side, with axes, for documents."""

import os
from collections.abc import Sequence

from retimbre._output import atomic
from retimbre.errors import DependencyError
from retimbre.report.spectrogram import COLOURS, FREQUENCIES, RANGE, kilo, levels, position
from retimbre.sound.audio import Audio


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
