"""One evaluation of an objective: progress, preview, trace, early stop and interrupt listen to it alone."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Literal, Protocol

from torch import Tensor

from retimbre.errors import InputError
from retimbre.sound.audio import Audio

StopReason = Literal["n_iter", "tolerance", "converged", "interrupted", "terminated", "diverged", "untouched"]
"""Reasons for the end: all iterations done; the loss no longer fell; nothing left to descend (gradient or
step of zero); interrupted; interrupted by SIGTERM; the loss stopped being a number; strength 0, nothing to
do."""

PARTIAL = "terminated", "diverged"
"""Reasons after which an output keeps what it held."""

Stage = Literal["spectrogram", "waveform"]


@dataclass(frozen=True)
class Step:
    """One evaluation of the objective.

    Attributes:
        stage: Variable that descends: ``"spectrogram"``, or at the end ``"waveform"``.
        evaluation: Number of this evaluation, from 1, counted over all stages and blocks.
        iteration: Iterations of the optimiser completed before it in this stage.
        n_iter: Iterations of this stage at most.
        loss: ``content_weight * content + style``.
        content: Content term.
        style: Style term.
        seconds: Time since the start of the work.
        block: Number of the block of a long clip, from 1.
        n_blocks: Number of blocks.
        done: Fraction of the whole work that is done, 0 to 1, if every iteration is needed.
    """

    stage: Stage
    evaluation: int
    iteration: int
    n_iter: int
    loss: float
    content: float
    style: float
    seconds: float
    block: int = 1
    n_blocks: int = 1
    done: float = 0.0
    _preview: Callable[[], Audio] | None = field(default=None, repr=False, compare=False)

    def audio(self) -> Audio:
        """Render the best sound so far of the block at hand, for a preview.

        Computed at the call, with the content's phase and no search for a better one: one inverse transform.
        A step in :attr:`retimbre.Result.steps` has no sound any more.

        Raises:
            InputError: the step is no longer the one at hand.
        """
        if self._preview is None:
            raise InputError("this step has no sound any more: expected one that a callback was just given")
        return self._preview()

    def __getstate__(self) -> dict[str, object]:
        """Leave the sound out of a pickle: it belongs to the run."""
        return self.__dict__ | {"_preview": None}

    def numbers(self) -> dict[str, str | int | float]:
        """Give the public fields by name, as a trace writes them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}

    def silent(self) -> "Step":
        """Give the step without its sound, to be kept."""
        return replace(self, _preview=None)


OnStep = Callable[[Step], None]
"""Called with every step; a ``KeyboardInterrupt`` in it ends the run with the best result so far.

Where it has a method ``check``, that is called between the parts of an analysis too, a second in which there
is no step; a ``KeyboardInterrupt`` in it ends the run as well.
"""


class Report(Protocol):
    """Takes in the steps of one block, for a run of several."""

    def count(self, step: Step) -> Step:
        """Number a step among those of all blocks and pass it on; give it as it was passed on."""

    def check(self) -> None:
        """Raise a ``KeyboardInterrupt`` where the run is to stop."""


Preview = Callable[[Tensor], Audio]
"""From a point (a compressed spectrogram or samples) to its sound."""
