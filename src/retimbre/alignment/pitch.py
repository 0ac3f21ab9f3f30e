"""The style at the content's pitches: what it would be, had its instrument played the content's notes.

A network whose channels are frequencies takes a style's notes for part of its sound. Where both clips have
notes, the style is therefore played anew: the content's notes (:mod:`retimbre.alignment.notes`) on the
style's instrument (:mod:`retimbre.alignment.instrument`). The result is given to the network in the style's
place.
"""

from dataclasses import dataclass

from torch import Tensor

from retimbre.alignment.instrument import Instrument
from retimbre.alignment.intonation import deviations
from retimbre.alignment.notes import Grid, Notes, transcribe, tuning
from retimbre.losses.terms import Style
from retimbre.sound.stft import from_log_magnitude, log_magnitude


@dataclass(frozen=True)
class Heard:
    """The notes of a clip, how far they are from their pitches, and where they were looked for."""

    notes: Notes
    deviations: Tensor
    grid: Grid


class Alignment:
    """The instruments of a style, ready to play.

    Args:
        style: Compressed spectrograms (F, T') and their shares.
        n_fft: Length of their window in samples.
        sample_rate: Their rate in Hz.

    Attributes:
        tonality: The least of the clips' (:attr:`retimbre.alignment.notes.Notes.tonality`).
    """

    def __init__(self, style: Style, n_fft: int, sample_rate: int) -> None:
        self._n_fft, self._sample_rate = n_fft, sample_rate
        heard = [(self.hear(frames), share) for frames, share in style.clips]
        self.tonality = min(clip.notes.tonality for clip, _ in heard)
        self._instruments = [(Instrument.of(clip.notes, clip.grid), share) for clip, share in heard]

    def hear(self, frames: Tensor) -> Heard:
        """Find the notes of a clip, compressed (F, T), not all zero."""
        magnitude = from_log_magnitude(frames)
        tuned = tuning(magnitude, self._n_fft, self._sample_rate)
        grid = Grid.of(self._n_fft, self._sample_rate, tuned, frames.device)
        notes = transcribe(magnitude, grid)
        return Heard(notes, deviations(magnitude, notes.activations, grid), grid)

    def play(self, content: Tensor, heard: Heard | None = None) -> Style:
        """Play the notes of a content, compressed (F, T), on the instruments.

        Args:
            content: The content.
            heard: Its notes, if they have been found already.

        Returns:
            The style at the content's pitches: each clip compressed, (F, T), of the content's power.
        """
        heard = heard or self.hear(content)
        power = from_log_magnitude(content).square().sum()
        clips = []
        for instrument, share in self._instruments:
            played = instrument.play(heard.notes, heard.deviations, heard.grid)
            scale = (power / played.square().sum().clamp(min=1e-30)).sqrt()
            clips.append((log_magnitude(played * scale), share))
        return Style(clips)
