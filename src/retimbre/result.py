"""Records of a run: one for each block, and the result."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy.typing as npt

from retimbre.alignment.target import Choice
from retimbre.errors import InputError
from retimbre.optim.step import Step, StopReason
from retimbre.settings import Settings
from retimbre.sound import files, outputs, player
from retimbre.sound.audio import Audio, Samples, as_array
from retimbre.sound.limiter import LIMIT


@dataclass(frozen=True, eq=False)
class Block:
    """One block of a clip, made.

    Attributes:
        samples: float32 (C, n) at the clip's rate; ``None`` in a :class:`Result`, whose clip holds them.
        best: Step of the requested spectrogram; ``None`` where the first evaluation diverged.
        loss: Loss recomputed from the samples, before their level was set.
        content_weight: Weight of the content term, set or found from the strength.
        spectral_convergence: Of the requested spectrogram and that of the samples, in dB
            (:func:`retimbre.sound.phase.spectral_convergence`); lower is nearer.
        stopped: Reason for the end of the spectrogram's stage.
        choice: Alignment and strength; ``None`` for a network that takes samples, and for a texture.
    """

    samples: Samples | None
    best: Step | None
    loss: float
    content_weight: float
    spectral_convergence: float
    stopped: StopReason
    choice: Choice | None = None


@dataclass(frozen=True)
class Result:
    """The result of a transfer or a texture.

    ``np.asarray`` gives the samples of its clip, (C, N), read from the file where it was written to one. A
    notebook shows it with a player and its waveform. It can be pickled; a clip that was written goes by its
    path, not with its samples.

    Attributes:
        clip: The clip, or the path that it was written to: that of the output, and of a run that diverged or
            was terminated one beside it.
        settings: Settings of the run.
        steps: One per evaluation, in order; empty at strength 0.
        blocks: One record for each block that was worked on; silent ones are not.
        stopped: Reason for the end: that of the block that ended before its time, or else of the last one;
            ``"untouched"`` at strength 0. Of a run that was interrupted, terminated or diverged the clip is
            the best before that.
        seconds: Time taken.
        ignored: Names of the settings that mean nothing here, though they were set.
        delivery: Record of the writing: samples that were clipped, the rate that was written.
        quieter: LU below the loudness that was meant, where that would have had samples over -1 dBFS.
        bits: Bits of the content's samples, which :meth:`save` keeps: ``"16"``, ``"24"`` or ``"float"``.
        origin: File of the content, whose tags :meth:`save` keeps as long as it is there.
    """

    clip: Audio | Path
    settings: Settings
    steps: tuple[Step, ...]
    blocks: tuple[Block, ...]
    stopped: StopReason
    seconds: float
    ignored: tuple[str, ...] = ()
    delivery: outputs.Delivery | None = None
    quieter: float = 0.0
    bits: str = "24"
    origin: outputs.Origin | None = None

    @property
    def path(self) -> Path:
        """The file that was written.

        Raises:
            InputError: the clip is in memory.
        """
        if not isinstance(self.clip, Path):
            raise InputError("the clip was not written: expected a run with an output")
        return self.clip

    @property
    def audio(self) -> Audio:
        """The clip; of a transfer to a file it is read from there."""
        return files.read(self.clip) if isinstance(self.clip, Path) else self.clip

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Give the samples (C, N) of the clip to NumPy; those of a file are always a copy."""
        if copy is False and isinstance(self.clip, Path):
            raise ValueError("the clip is in a file: expected copy=None or True, as it has to be read")
        return as_array(self.audio.samples, dtype, copy)

    def _repr_html_(self) -> str:
        """Show the clip in a notebook, with the choices that were made and the reason for the end."""
        facts = [f"made in {self.seconds:.1f} s ({self.stopped})"]
        if self.choices:
            facts[:0] = [" and ".join(dict.fromkeys(map(_shortly, self.choices)))]
        if isinstance(self.clip, Path):
            facts.append(str(self.clip))
        return player.page(self.audio, "; ".join(facts))

    @property
    def best(self) -> Step | None:
        """The last block's best step, with the mean terms of all blocks; ``None`` at strength 0."""
        steps = [block.best for block in self.blocks if block.best is not None]
        if not steps:
            return None
        loss, content, style = (fmean(getattr(s, k) for s in steps) for k in ("loss", "content", "style"))
        return replace(steps[-1], loss=loss, content=content, style=style)

    @property
    def loss(self) -> float:
        """Mean over the blocks of the loss recomputed from the samples; 0 at strength 0."""
        return self._mean(lambda block: block.loss, 0.0)

    @property
    def content_weight(self) -> float:
        """Mean over the blocks of the weight of the content term; infinite at strength 0."""
        return self._mean(lambda block: block.content_weight, float("inf"))

    @property
    def spectral_convergence(self) -> float:
        """Mean over the blocks of the spectral convergence in dB; -inf at strength 0."""
        return self._mean(lambda block: block.spectral_convergence, -float("inf"))

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Choice of each block that has one."""
        return tuple(block.choice for block in self.blocks if block.choice is not None)

    def _mean(self, of: Callable[[Block], float], otherwise: float) -> float:
        return fmean(map(of, self.blocks)) if self.blocks else otherwise

    def save(self, path: str | os.PathLike[str]) -> outputs.Delivery:
        """Write the clip; the suffix says the format (:func:`retimbre.write`), settings its bits and quality.

        No sample of the file as decoded again is over -1 dBFS, but for strength 0.
        """
        audio = self.audio
        output = outputs.Output.checked(
            path, None, audio, self.settings, inputs=(), bits=self.bits, origin=self.origin
        )
        return outputs.deliver(audio, output, limit=None if self.stopped == "untouched" else LIMIT)


def _shortly(choice: Choice) -> str:
    """Say an alignment and a strength in a few words."""
    return f"align {choice.how}" + ("" if choice.strength is None else f", strength {choice.strength:g}")
