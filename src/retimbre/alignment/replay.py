"""The style's own notes at the content's: a sampler, and the instrument's frames where no note is sure.

The sampler (:mod:`retimbre.alignment.sampler`) plays the notes that were found in the content. What sounds in
the content and is part of no note, such as a voice of an organ's chord that could not be told apart, is
played frame by frame on the style's averaged instrument (:mod:`retimbre.alignment.instrument`). Beneath a
note the same frames are softer, the softer the surer the note is, and fill what a sample leaves empty.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.alignment.events import NoteEvent
from retimbre.alignment.grid import LOWEST
from retimbre.alignment.holding import held_notes
from retimbre.alignment.instrument import Instrument
from retimbre.alignment.notes import Notes
from retimbre.alignment.partials import TAIL
from retimbre.alignment.passage import Passage
from retimbre.alignment.pitch import least_tonality
from retimbre.alignment.registry import Played
from retimbre.alignment.sampler import Sampler
from retimbre.errors import InputError
from retimbre.sound.stereo import stereo_image

_FILL = 0.35
"""Loudness of the frames beneath a note that is certain. On the melodic pairs for tuning, LSD is .486 of the
content's with it and .493 with none, timbre .104 and .113, and the instrument is recognised as often."""

_EARLY = 0.02  # seconds before an onset, from which frames have its sound

_LASTING = 0.15
"""Seconds for which a pitch beside the notes must last: the factorisation takes attacks, and the noise of a
bow, for short notes far below, which would be heard as thumps. On the melodic pairs for tuning the instrument
is recognised at .80 with it and .77 without, and LSD is .006 less; .11 and .25 s are as good."""


class NoteAlignment:
    """Alignment that replays a style's notes at a content's.

    Attributes:
        tonalities: Tonality of each style clip (:attr:`retimbre.alignment.notes.Notes.tonality`).
    """

    def fit(self, style: Sequence[tuple[Passage, float]]) -> None:
        """Transcribe the clips of a style and their shares."""
        self._style = list(style)
        self.tonalities = tuple(passage.transcription.notes.tonality for passage, _ in style)

    @cached_property
    def _players(self) -> list[tuple[Sampler, Instrument, float]]:
        players = []
        for passage, share in self._style:
            transcription = passage.transcription
            instrument = Instrument.of(transcription.notes, transcription.grid)
            players.append((Sampler(passage), instrument, share))
        return players

    def suits(self, content: Passage) -> float:
        """Rate it above the alignment by frames where style and content have notes; 0 otherwise."""
        least = least_tonality(self.tonalities, content)
        if not least or not content.events or not all(sampler.notes for sampler, _, _ in self._players):
            return 0.0
        return (1 + least) / 2

    def play(self, content: Passage) -> Played:
        """Play the notes of a content on the samplers, with the content's power.

        Raises:
            InputError: no note was found in a style.
        """
        if not all(sampler.notes for sampler, _, _ in self._players):
            raise InputError(
                "no note was found in the style: expected a clip with pitches, or another alignment"
            )
        transcription = content.transcription
        is_heard = (content.bins.abs().amax(dim=(1, 2)) > 0)[:, None, None]  # a silent channel stays silent
        image = stereo_image(content.bins) * is_heard
        events = held_notes(content)
        sounds = []
        for sampler, instrument, share in self._players:
            samples = torch.from_numpy(sampler.play(content, events)).to(content.pieces[0])
            rest = _beside_events(content, events, sampler.decay)
            frames = instrument.play(rest, transcription.deviations, transcription.grid)
            sounds.append((samples + content.window.istft(frames * image, content.n_samples), share))
        return Played.mix(content, sounds)


def _beside_events(content: Passage, events: Sequence[NoteEvent], decay: float) -> Notes:
    """Turn the notes of a transcription down within these events; without noise, which samples have.

    They fall since the newest onset as the style's notes do, by ``decay`` dB per second: what a content holds
    is no struck or plucked instrument's.
    """
    notes, rate = content.transcription.notes, content.sample_rate / content.window.hop_length
    activations = _lasting(notes.activations, 2 * round(_LASTING * rate / 2) + 1)
    gain = content.own_frames.repeat(len(activations), 1)
    for event in events:
        row = event.pitch - LOWEST
        inside = slice(max(0, round(event.onset * rate) - 2), round((event.end + TAIL) * rate))
        activations[row, inside] = notes.activations[row, inside]
        gain[row, inside] = gain[row, inside].clamp(max=1 - (1 - _FILL) * event.certainty)
    time = torch.arange(gain.shape[1]) / rate
    onsets = torch.tensor([-torch.inf, *(event.onset - _EARLY for event in events)])
    newest = onsets[torch.searchsorted(onsets, time, right=True) - 1]
    since = (time - newest).nan_to_num(posinf=0).clamp(min=0)
    gain *= (10 ** (decay * since / 20)).to(gain)
    return replace(notes, activations=gain * activations, noise=torch.zeros_like(notes.noise))


def _lasting(activations: Tensor, n_frames: int) -> Tensor:
    """Take away what is shorter than an odd number of frames (the morphological opening in time), (P, T)."""
    reach = n_frames // 2
    least = -functional.max_pool1d(-activations[None], n_frames, 1, reach)
    return functional.max_pool1d(least, n_frames, 1, reach)[0]
