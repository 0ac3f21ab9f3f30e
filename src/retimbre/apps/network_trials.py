"""Trials of a comparison: the runs of each network on each pair, and their order."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from retimbre.apps.network_runs import NetworkRun, RunRecord
from retimbre.networks import weights
from retimbre.report.comparison import UNTRAINED, NetworkTrial
from retimbre.settings import Settings

STRENGTHS = (0.3, 0.5, 0.7, 0.9)
"""Strengths of the sweep, for each network, with a quarter of the iterations each."""


@dataclass
class PendingTrial:
    """A network on a pair: the runs of its sweep, then the full run at the best strength.

    Args:
        pair: Number of the pair, from 0.
        settings: Settings with the network.
        sweep: Records of the short runs that are done, by strength.
        done: The trial, when all is done.
    """

    pair: int
    settings: Settings
    sweep: dict[float, RunRecord] = field(default_factory=dict)
    done: NetworkTrial | None = None

    @property
    def label(self) -> str:
        """Number of the pair, from 1, and network."""
        return f"{self.pair + 1} {self.settings.network}"

    @property
    def file(self) -> str:
        """Name of the output."""
        return f"{self.pair + 1}-{self.settings.network}.wav"

    @property
    def share(self) -> float:
        """Share that is done: half of it is the full run."""
        return 1.0 if self.done is not None else 0.5 * len(self.sweep) / len(STRENGTHS)

    def has(self, run: NetworkRun) -> bool:
        """Tell whether a run is one of its own."""
        return (run.pair, run.settings.network) == (self.pair, self.settings.network)

    def short_runs(self) -> Iterator[NetworkRun]:
        """Give the runs of the sweep."""
        for strength in STRENGTHS:
            yield NetworkRun(self.pair, replace(self.settings, strength=strength), is_short=True)

    def full_run(self) -> NetworkRun:
        """Give the run at the best strength of the sweep."""
        score = {strength: record.score for strength, record in self.sweep.items()}
        # Where no strength has a balance, for it is 0 as soon as one of the two is, their sum decides.
        best = max(STRENGTHS, key=lambda strength: (score[strength].balance, sum(score[strength].means)))
        return NetworkRun(self.pair, replace(self.settings, strength=best), is_short=False)

    def take(self, run: NetworkRun, record: RunRecord) -> None:
        """Take the record of a run."""
        if run.is_short:
            assert run.settings.strength is not None
            self.sweep[run.settings.strength] = record
            return
        assert record.result is not None
        self.done = NetworkTrial(
            self.settings.network,
            kind_of_weights(self.settings.network, self.settings),
            record.result,
            record.score,
            {strength: self.sweep[strength].score for strength in STRENGTHS},
            sum(short.seconds for short in self.sweep.values()),
            self.file,
        )


def runs_in_turn(trials: Sequence[PendingTrial]) -> Iterator[list[NetworkRun]]:
    """Give every run as soon as it can be done, full runs first; nothing while none can."""
    short = deque(run for trial in trials for run in trial.short_runs())
    swept = list(trials)
    while short or swept:
        ready = next((trial for trial in swept if len(trial.sweep) == len(STRENGTHS)), None)
        if ready is not None:
            swept.remove(ready)
            yield [ready.full_run()]
        else:
            yield [short.popleft()] if short else []


def kind_of_weights(network: str, settings: Settings) -> str:
    """Name the kind of weights that a network will have."""
    if network not in weights.REGISTRY:
        return "none"
    return UNTRAINED if settings.random_weights or not weights.path(network).exists() else "trained"
