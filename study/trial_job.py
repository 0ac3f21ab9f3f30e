"""The job of the benchmark: trials to their outputs and measures, in the processes of an engine.

The module is light: torch is imported when the job starts, after the environment of its process was set.
"""

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.trial_worker import Judges, TrialWorker


@dataclass(frozen=True)
class TrialJob:
    """Run trials (:data:`retimbre.apps.engines.job.Job`).

    Args:
        judges: Pickled networks of the judges, or ``None``; to unpickle them is to import torch.
    """

    judges: bytes

    @classmethod
    def of(cls, judges: "Judges | None") -> "TrialJob":
        """Make the job."""
        return cls(pickle.dumps(judges))

    def __call__(self) -> "TrialWorker":
        """Start a process's part, on one thread."""
        import torch

        from study.trial_worker import TrialWorker

        torch.set_num_threads(1)
        return TrialWorker(pickle.loads(self.judges))
