"""Runs of a network on a pair, in a process of an engine.

The module is light: torch and numpy are imported when the job starts, after the environment was set.
"""

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retimbre.settings import Settings

if TYPE_CHECKING:
    from retimbre._content import Content
    from retimbre._transfer import Transfer
    from retimbre.report.comparison import Score
    from retimbre.result import Result
    from retimbre.sound.audio import Audio

SWEEP_SECONDS = 5.0
"""Length at most of the content in the sweep: its first seconds that sound."""


@dataclass(frozen=True)
class NetworkRun:
    """A run of the network of some settings, at their strength.

    Args:
        pair: Number of the pair, from 0.
        settings: Settings, with a network and a strength.
        is_short: Whether it is one of the sweep: a quarter of the iterations, on the content's opening.
    """

    pair: int
    settings: Settings
    is_short: bool


@dataclass(frozen=True)
class RunRecord:
    """Holds what came of a run.

    Args:
        score: Measures of its output.
        seconds: Time taken, preparation included.
        result: The result; ``None`` of a short run.
    """

    score: "Score"
    seconds: float
    result: "Result | None"


@dataclass(frozen=True)
class NetworkJob:
    """The job of a comparison (:data:`retimbre.apps.engines.job.Job`).

    Args:
        clips: Pickled contents and styles of the pairs; to unpickle arrays is to import numpy.
    """

    clips: bytes

    @classmethod
    def of(cls, clips: "Sequence[tuple[Audio, Audio]]") -> "NetworkJob":
        """Make the job for pairs."""
        return cls(pickle.dumps(clips))

    def __call__(self) -> "NetworkWorker":
        """Start a process's part, on one thread."""
        import torch

        torch.set_num_threads(1)
        return NetworkWorker(pickle.loads(self.clips))


class NetworkWorker:
    """Runs networks on pairs; keeps the latest style and opening, prepared for the runs of one sweep.

    Args:
        clips: Contents and styles of the pairs.
    """

    def __init__(self, clips: "Sequence[tuple[Audio, Audio]]") -> None:
        self._clips = clips
        self._prepared: tuple[NetworkRun, Transfer, Content] | None = None

    def __call__(self, run: NetworkRun) -> RunRecord:
        """Do a run."""
        from retimbre._transfer import transfer
        from retimbre.report.comparison import Score

        began = time.perf_counter()
        content, style = self._clips[run.pair]
        if run.is_short:
            restyle, prepared = self._prepare(run)
            short = restyle(prepared, strength=run.settings.strength)
            score = Score.of(short.audio, style, opening(content))
            return RunRecord(score, time.perf_counter() - began, None)
        result = transfer(content, style, run.settings)
        return RunRecord(Score.of(result.audio, style, content), time.perf_counter() - began, result)

    def close(self) -> None:
        """Leave nothing behind: there are no files."""

    def _prepare(self, run: NetworkRun) -> "tuple[Transfer, Content]":
        """Prepare style and opening for a sweep, at the first of its runs."""
        from retimbre._transfer import Transfer

        sweep = replace(run, settings=replace(run.settings, strength=None))
        if self._prepared is None or self._prepared[0] != sweep:
            content, style = self._clips[run.pair]
            quarters = {name: -(-getattr(run.settings, name) // 4) for name in ("n_iter", "n_iter_waveform")}
            restyle = Transfer(style, replace(sweep.settings, **quarters))
            self._prepared = sweep, restyle, restyle.prepare(opening(content))
        return self._prepared[1:]


def opening(content: "Audio") -> "Audio":
    """Cut the content of the sweep: the first seconds that sound."""
    length = min(content.n_samples, round(SWEEP_SECONDS * content.sample_rate))
    first = int(content.samples.any(axis=0).argmax())
    start = min(first, content.n_samples - length)
    return type(content)(content.samples[:, start : start + length], content.sample_rate)
