"""Note events against the score: ``python -m study.events [--pairs tune|report]``.

Precision, recall and F1 of the package's note events (:mod:`retimbre.alignment.events`) and of those of a
trained transcriber, Basic Pitch as published, on the clips of the melodic pairs. A note is found where
its pitch is and its onset is within 50 ms; and with its end where that is within 50 ms or a fifth of its
length, whichever is more (Raffel et al. 2014, "mir_eval").
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from retimbre.alignment.passage import Passage
from retimbre.metrics import transcriber
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.clips import normalized
from retimbre.sound.stft import Window
from study.pairs import PAIRS, Pair

Event = tuple[float, float, int]
"""Onset and end in seconds, and the MIDI number."""

_TOLERANCE, _SHARE = 0.05, 0.2
_ONSET, _FRAME, _LEAST, _PATIENCE = 0.5, 0.3, 11, 11  # upstream's; the last two in frames


def score(truth: Sequence[Event], found: Sequence[Event], *, ends: bool) -> tuple[float, float, float]:
    """Compute precision, recall and F1 of events, each 0 to 1.

    The nearest onsets of a pitch are paired first, each in one pair at most.

    >>> score([(0.0, 1.0, 60), (1.0, 2.0, 62)], [(0.02, 1.3, 60)], ends=False)
    (1.0, 0.5, 0.6666666666666666)
    >>> score([(0.0, 1.0, 60), (1.0, 2.0, 62)], [(0.02, 1.3, 60)], ends=True)
    (0.0, 0.0, 0.0)
    """
    near = sorted(
        (abs(a[0] - b[0]), i, j)
        for i, a in enumerate(truth)
        for j, b in enumerate(found)
        if a[2] == b[2] and abs(a[0] - b[0]) <= _TOLERANCE
        if not ends or abs(a[1] - b[1]) <= max(_TOLERANCE, _SHARE * (a[1] - a[0]))
    )
    ours, theirs = set[int](), set[int]()
    for _, i, j in near:
        if i not in ours and j not in theirs:
            ours.add(i)
            theirs.add(j)
    hits = len(ours)
    precision, recall = hits / max(1, len(found)), hits / max(1, len(truth))
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def package_events(clip: Audio) -> list[Event]:
    """Find the events of a clip by :attr:`retimbre.alignment.passage.Passage.events`."""
    return [(event.onset, event.end, event.pitch) for event in passage_of(clip).events]


def passage_of(clip: Audio, settings: Settings = Settings()) -> Passage:  # noqa: B008 - it is frozen
    """Bring a clip to the level and under the window of a transfer."""
    window = Window.at_rate(settings, clip.sample_rate, torch.device("cpu"))
    return Passage([normalized(clip, clip.sample_rate)], clip.sample_rate, window)


def trained_events(clip: Audio) -> list[Event]:
    """Decode the events of a clip from Basic Pitch, with upstream's defaults.

    Onsets are peaks of the onsets' likelihood, or of the rise of the notes', from .5. From the last to the
    first, a note goes on until its likelihood has been under .3 for 11 frames. Then notes without an onset
    are taken around what is left over .3, from the highest ("melodia"). Notes of 11 frames and less are
    dropped.

    Raises:
        DependencyError: the transcriber is not installed.
    """
    frames, onsets = (roll.T.astype(np.float64) for roll in transcriber.note_and_onset_likelihoods(clip))
    rise = np.min([frames - np.pad(frames, ((n, 0), (0, 0)))[: len(frames)] for n in (1, 2)], axis=0)
    rise[:2] = 0
    onsets = np.maximum(onsets, onsets.max() * rise.clip(0) / max(rise.max(), 1e-9))
    inner = onsets[1:-1]
    peaks = (inner > onsets[:-2]) & (inner > onsets[2:]) & (inner >= _ONSET)
    left, found, last = frames.copy(), [], len(frames) - 1
    for start, pitch in reversed([(int(t) + 1, int(p)) for t, p in np.argwhere(peaks)]):
        end = _last(left[:, pitch], range(start + 1, last))
        if end - start > _LEAST:
            left[start:end, max(0, pitch - 1) : pitch + 2] = 0
            found.append((start, end, pitch))
    while left.max() > _FRAME:
        middle, pitch = (int(at) for at in np.unravel_index(left.argmax(), left.shape))
        end = _last(left[:, pitch], range(middle + 1, last)) - 1
        start = _last(left[:, pitch], range(middle - 1, 0, -1)) + 1
        left[max(0, start - _PATIENCE) : end + _PATIENCE + 1, max(0, pitch - 1) : pitch + 2] = 0
        left[middle, pitch] = 0
        if end - start > _LEAST:
            found.append((start, end, pitch))
    frame = transcriber.HOP / transcriber.RATE
    return [(a * frame, b * frame, transcriber.LOWEST + p) for a, b, p in sorted(found)]


def _last(likelihood: npt.NDArray[np.float64], frames: range) -> int:
    """Follow a note along the frames until it has been unlikely for long; give the frame it ended before."""
    silent, at = 0, frames.start
    for at in frames:
        silent = silent + 1 if likelihood[at] < _FRAME else 0
        if silent >= _PATIENCE:
            break
    else:
        at += frames.step if len(frames) else 0
        return at - frames.step * silent
    return at + frames.step - frames.step * silent


def clips(group: str) -> Iterator[tuple[str, list[Event], Audio]]:
    """Render the different clips of the melodic pairs of a group: instrument, events of the score, sound."""
    done = set()
    for pair in PAIRS:
        if pair.group != group or pair.kind != "melodic":
            continue
        for song, instrument, clip in (
            (pair.content_song, pair.content_instrument, Pair.content),
            (pair.style_song, pair.style_instrument, Pair.style),
            (pair.content_song, pair.style_instrument, Pair.target),
        ):
            if (song, instrument) in done:
                continue
            done.add((song, instrument))
            quarter = 60 / song.tempo
            notes = [
                (n.start * quarter, min((n.start + n.duration) * quarter, pair.seconds), n.pitch)
                for n in song.notes
                if n.start * quarter < pair.seconds
            ]
            yield instrument, notes, clip(pair)


def table(group: str) -> str:
    """Make the table of a group, in Markdown: a row per instrument, and their mean over the clips."""
    methods = {"package": package_events, "Basic Pitch": trained_events}
    rows = defaultdict[str, list[list[float]]](list)
    for instrument, truth, clip in clips(group):
        found = [method(clip) for method in methods.values()]
        scores = [score(truth, events, ends=ends) for events in found for ends in (False, True)]
        rows[instrument].append([value for three in scores for value in three])
    means = {name: np.mean(values, axis=0) for name, values in sorted(rows.items())}
    means["**mean**"] = np.mean([row for values in rows.values() for row in values], axis=0)
    head = ["instrument", "clips"]
    for name in methods:
        head += [f"{name}: onsets P", "R", "F1", "with ends P", "R", "F1"]
    lines = [head, ["---"] * len(head)]
    for name, values in means.items():
        count = len(rows[name]) if name in rows else sum(map(len, rows.values()))
        lines.append([name, str(count), *(f"{value:.2f}".removeprefix("0") for value in values)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m study.events", description=table.__doc__)
    parser.add_argument("--pairs", default="report", choices=("report", "tune"))
    print(table(parser.parse_args().pairs))


if __name__ == "__main__":
    main()
