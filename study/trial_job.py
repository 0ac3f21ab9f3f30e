"""The job of the benchmark: trials to their outputs and measures, in the processes of an engine.

The module is light: torch is imported when the job starts, after the environment of its process was set.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.trial_worker import TrialWorker


@dataclass(frozen=True)
class TrialJob:
    """Run trials (:data:`retimbre.apps.engines.job.Job`).

    Args:
        folder: Folder of the trained judge of instruments; ``None`` where it is not asked.
    """

    folder: Path | None = None

    def __call__(self) -> "TrialWorker":
        """Start a process's part, on one thread."""
        import torch

        from study.recognition import Recogniser
        from study.trial_worker import TrialWorker

        torch.set_num_threads(1)
        return TrialWorker(None if self.folder is None else Recogniser.load_or_train(self.folder))
