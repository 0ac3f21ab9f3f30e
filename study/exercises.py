"""Random music for an instrument: what a judge is trained on, so that it knows no song of the study."""

import torch

from retimbre.music.score import Note, Piece
from study.ranges import RANGES

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
_LENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)  # quarter notes
_LIKELY = (0.15, 0.35, 0.3, 0.08, 0.09, 0.03)
_REST, _CHORD = 0.08, 0.2  # likelihoods of a rest, and of a second and third note


def exercise(instrument: str, seconds: float, generator: torch.Generator) -> Piece:
    """Draw a piece of one to three voices in the range of an instrument.

    Each voice is a walk on the scale of a random key in a register of its own, with chords and rests here and
    there. Tempo, lengths and velocities are random.

    Args:
        instrument: One of :data:`study.ranges.RANGES`.
        seconds: Length of the piece at least.
        generator: Source of the numbers.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    def whole(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    tempo, tonic, scale = uniform(55, 165), whole(0, 11), _SCALES[whole(0, 1)]
    lowest, highest = RANGES[instrument]
    ladder = [pitch for pitch in range(lowest, highest + 1) if (pitch - tonic) % 12 in scale]
    quarters, loudness = seconds * tempo / 60, uniform(55, 110)
    likely, voices = torch.tensor(_LIKELY), []
    for _ in range(whole(1, 3)):
        width = min(whole(7, 16), len(ladder))
        bottom = whole(0, len(ladder) - width)
        step, at, notes = whole(0, width - 1), 0.0, []
        while at < quarters:
            length = _LENGTHS[int(torch.multinomial(likely, 1, generator=generator))]
            last = at + length >= quarters  # sounds, so that the piece lasts as long as it should
            if at == 0 or last or uniform(0, 1) > _REST:
                velocity = round(min(max(loudness + uniform(-15, 15), 25), 127))
                above = (0, 2, 4)[: whole(2, 3)] if uniform(0, 1) < _CHORD else (0,)
                steps = {min(step + k, width - 1) for k in above}
                notes += [Note(at, length, ladder[bottom + k], velocity) for k in sorted(steps)]
            at += length
            step = min(max(step + whole(-3, 3), 0), width - 1)
        voices.append(tuple(notes))
    return Piece("Exercise", "", tempo, 4, 1, tuple(voices))
