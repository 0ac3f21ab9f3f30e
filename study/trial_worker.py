"""Trials in one process: the output of a method for a pair, and its measures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retimbre.metrics import measures
from retimbre.metrics.content import pitch_distance, roll_distance
from retimbre.metrics.features import ClipFeatures
from retimbre.music.orchestra import PROGRAMS
from retimbre.sound.audio import Audio
from study import triplets
from study.envelopes import compare_envelopes, compare_noise
from study.methods import Clips
from study.pairs import Pair
from study.recognition import Recogniser
from study.strokes import compare_strokes
from study.trials import Made, Measures, Task
from study.triplets import TripletNetwork


@dataclass(frozen=True)
class Judges:
    """Holds the networks that are trained for the study.

    Args:
        recogniser: Judge of instruments.
        triplets: Distances of timbre.
    """

    recogniser: Recogniser
    triplets: TripletNetwork

    @classmethod
    def load_or_train(cls, folder: Path, on_step: Callable[[int, int], None] | None = None) -> "Judges":
        """Load them from a folder, or train and save them there; as their own methods do."""
        return cls(
            Recogniser.load_or_train(folder, on_step=on_step),
            TripletNetwork.load_or_train(folder, on_step=on_step),
        )


@dataclass(frozen=True)
class _Analysed:
    """The clips of a pair, analysed."""

    pair: Pair
    content: ClipFeatures
    style: ClipFeatures
    target: ClipFeatures

    @classmethod
    def of(cls, pair: Pair) -> "_Analysed":
        return cls(pair, *(ClipFeatures(clip) for clip in (pair.content(), pair.style(), pair.target())))

    @property
    def clips(self) -> Clips:
        return Clips(self.content.audio, self.style.audio, self.target.audio)

    def of_output(self, output: Audio) -> ClipFeatures:
        """Give the features of an output; of a copy of one of the clips they are there already."""
        known = (clip for clip in (self.content, self.style, self.target) if clip.audio is output)
        return next(known, ClipFeatures(output))


class TrialWorker:
    """Runs trials; keeps the clips of the latest pair, rendered and analysed.

    Args:
        judges: Trained networks; without them ``heard`` and ``cifka`` are not measured.
    """

    def __init__(self, judges: Judges | None = None) -> None:
        self._judges = judges
        self._analysed: _Analysed | None = None

    def __call__(self, task: Task) -> Made:
        """Run a trial."""
        if self._analysed is None or self._analysed.pair != task.pair:
            self._analysed = _Analysed.of(task.pair)
        clips = self._analysed.clips
        began = time.process_time()
        output = task.method.make(clips, task.method.at(task.strength))
        spent = time.process_time() - began
        copy = output in (clips.content, clips.style, clips.target)
        pace = 0.0 if copy else 10 * spent / clips.content.seconds
        return Made(output, pace, _measure(output, self._analysed, self._judges))

    def close(self) -> None:
        """Leave nothing behind: there are no files."""


def _measure(output: Audio, clips: _Analysed, judges: Judges | None) -> Measures:
    pair, target, known = clips.pair, clips.target, clips.of_output(output)
    found = measures.measure(known, content=clips.content, style=clips.style, target=target)
    if pair.pitched:
        found["score_distance"] = {"pitch": roll_distance(known.piano_roll, pair.score_roll())}
        if output.samples.any():
            compared = (
                compare(output, target.audio, pair.score()) for compare in (compare_envelopes, compare_noise)
            )
            found["envelope"] = {name: value for values in compared for name, value in values.items()}
    elif output.samples.any():
        found["strokes"] = compare_strokes(output, target.audio, pair.strokes())
    one = pair.kind != "bands" and pair.style_instrument in PROGRAMS
    if judges is not None and one and output.samples.any():
        likelihoods = judges.recogniser.likelihoods(output)
        ours = likelihoods[pair.style_instrument]
        found["heard"] = {"recognised": ours, "first": float(ours == max(likelihoods.values()))}
    if judges is not None and pair.pitched and output.samples.any() and pair.seconds >= triplets.SHORTEST:
        found["cifka"] = {
            "lsd": triplets.log_spectral_distance(output, target.audio),
            "timbre": judges.triplets.distance(output, target.audio),
            "pitch": pitch_distance(known, target),
        }
    return found
