"""The style at the content's pitches: what it would be, had its instrument played the content's notes.

A network whose channels are frequencies takes a style's notes for part of its sound. Where both clips have
notes, the style is therefore played anew: the content's notes (:mod:`retimbre.objective.partials`) on the
style's instrument (:mod:`retimbre.objective.instrument`). The result is given to the network in the style's
place, and what the content term keeps moves towards it with the strength.
"""

from dataclasses import dataclass

from torch import Tensor

from retimbre.objective.instrument import Instrument
from retimbre.objective.losses import Style
from retimbre.objective.partials import Grid, Notes, transcribe, tuning
from retimbre.sound.spectral import compress, expand

TONAL = 0.45
"""Tonality from which on a clip is taken for music with pitches. Of 22 pitched instruments of a General MIDI
soundfont, on several songs, the least is .54 (a marimba), of five drum kits the highest .39."""


@dataclass(frozen=True)
class Aligned:
    """What came of a content.

    Args:
        style: The style at the content's pitches: each clip compressed, (F, T), of the content's power.
        tonality: The content's.
    """

    style: Style
    tonality: float


class Alignment:
    """The instruments of a style, ready to play.

    Args:
        style: Compressed spectrograms (F, T') and their shares.
        n_fft: Length of their window in samples.
        sample_rate: Their rate in Hz.

    Attributes:
        tonality: The least of the instruments' (:attr:`retimbre.objective.partials.Notes.tonality`).
    """

    def __init__(self, style: Style, n_fft: int, sample_rate: int) -> None:
        self._n_fft, self._sample_rate = n_fft, sample_rate
        heard = [(*self._hear(frames), share) for frames, share in style.clips]
        self.tonality = min(notes.tonality for notes, _, _ in heard)
        self._instruments = [(Instrument.of(notes, grid), share) for notes, grid, share in heard]

    def play(self, content: Tensor) -> Aligned:
        """Play the notes of a content, compressed (F, T), not all zero, on the style's instruments."""
        notes, grid = self._hear(content)
        power = expand(content).square().sum()
        clips = []
        for instrument, share in self._instruments:
            played = instrument.play(notes, grid)
            clips.append((compress(played * (power / played.square().sum()).sqrt()), share))
        return Aligned(Style(clips), notes.tonality)

    def _hear(self, frames: Tensor) -> tuple[Notes, Grid]:
        magnitude = expand(frames)
        tuned = tuning(magnitude, self._n_fft, self._sample_rate)
        grid = Grid.of(self._n_fft, self._sample_rate, tuned, frames.device)
        return transcribe(magnitude, grid), grid


def towards(content: Tensor, style: Style, strength: float) -> Tensor:
    """Move a content (F, T) towards an aligned style: what the content term then keeps.

    ``(1 - strength) content + strength style`` in compressed magnitudes; several styles count by their
    shares.
    """
    played = sum((share * frames for frames, share in style.clips), start=content.new_zeros(()))
    return content + strength * (played - content)
