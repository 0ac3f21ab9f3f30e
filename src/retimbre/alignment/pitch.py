"""The style at the content's pitches: the content's notes, played on the style's instrument.

A network whose channels are frequencies takes a style's notes for part of its sound. Where both clips have
notes, the style is therefore played anew: the content's notes (:mod:`retimbre.alignment.notes`) on the
style's instrument (:mod:`retimbre.alignment.instrument`). The result is given to the network in the style's
place.
"""

from collections.abc import Sequence
from functools import cached_property

from retimbre.alignment.instrument import Instrument
from retimbre.alignment.passage import Passage
from retimbre.alignment.registry import Played, power_scale
from retimbre.sound.stft import log_magnitude

TONAL = 0.45
"""Least tonality of a clip of music with pitches. Of 22 pitched instruments of a General MIDI
soundfont, on several songs, the least is .54 (a marimba), of five drum kits the highest .39."""


def least_tonality(tonalities: Sequence[float], content: Passage) -> float:
    """Compute the least tonality of styles and a content; 0 where one has no pitches.

    Where a style has none, the content is not transcribed.
    """
    least = min(tonalities)
    if least >= TONAL:
        least = min(least, content.transcription.notes.tonality)
    return least if least >= TONAL else 0.0


class PitchAlignment:
    """Alignment that plays a style at a content's pitches.

    Attributes:
        tonalities: Tonality of each style clip (:attr:`retimbre.alignment.notes.Notes.tonality`).
    """

    def fit(self, style: Sequence[tuple[Passage, float]]) -> None:
        """Transcribe the clips of a style and their shares."""
        self._style = [(passage.transcription, share) for passage, share in style]
        self.tonalities = tuple(clip.notes.tonality for clip, _ in self._style)

    @cached_property
    def _instruments(self) -> list[tuple[Instrument, float]]:
        return [(Instrument.of(clip.notes, clip.grid), share) for clip, share in self._style]

    def suits(self, content: Passage) -> float:
        """Give the least tonality of style and content; 0 where one has no pitches."""
        return least_tonality(self.tonalities, content)

    def play(self, content: Passage) -> Played:
        """Play the notes of a content on the instruments, with the content's power."""
        own = content.transcription
        clips = []
        for instrument, share in self._instruments:
            played = instrument.play(own.notes, own.deviations, own.grid)
            clips.append((log_magnitude(played * power_scale(played, content)), share))
        return Played(clips)
