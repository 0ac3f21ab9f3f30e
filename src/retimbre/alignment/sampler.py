"""The style as a sampler: its own notes, cut out and played again at the content's.

After Audio Analogies (Simon, Basu, Salesin and Agrawala, ICMC 2005), for chords as well as for one voice.
For each note of the content the note of the style that costs least is taken
(:func:`Sampler.choose`); it is resampled to the pitch, cut or lengthened behind its attack, and followed by
its own release. What no average keeps is kept: attacks, breath, bow, hammer and vibrato.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from retimbre.alignment.events import NoteEvent
from retimbre.alignment.grid import HIGHEST, LOWEST
from retimbre.alignment.instrument import fit_source_filter
from retimbre.alignment.isolation import NoteSample, Samples, isolate_notes
from retimbre.alignment.partials import EDGE, mean_pitch, pitch_curve, unsteadiness
from retimbre.alignment.passage import Passage
from retimbre.alignment.stretch import bend, change_pitch, stretch

_SEMITONE, _LONGER, _SHORTER, _LOUDER, _UNCLEAR, _RECENT = 0.12, 0.6, 0.3, 0.15, 1.5, 0.1
"""Costs of a note of the style: per semitone to transpose it, per octave of its length to lengthen and to
shorten it, per doubling of its level, for a note whose partials all lie on others', and for the note
that was played last (less by a factor e for every three notes since). Tuned on the melodic pairs for
tuning and eight others of their songs and instruments. None is sharp: half or twice of one moves LSD by
.01."""

_SOFTEST, _LOUDEST = 0.3, 2.5
"""Limits of a note's level over the median level of the content's notes."""

_ATTACK = 0.09  # seconds after the onset that are never stretched, at most half of the note
_CROSSFADE = 0.015  # seconds between a note and its release, and between attack and lengthened rest
_STEEPEST = -60.0  # dB per second of a decay that is restored
_FORMANT, _FORMANT_LIMIT = 0.5, 1.4
"""Share of the change of the partials between two pitches that is applied to a transposed note, and its limit
in nepers: the model knows pitches at which the style plays nothing only by what it assumes. On the pairs
above, the partials of notes transposed by more than 1.5 semitones are 3.6 dB from the truth with a share of
.35 or .5, 3.7 with .7, 3.9 with 1 and with none at all."""

_STEADY = 0.12
"""Standard deviation of a content's pitch in semitones from which on a steady note is bent: less is the
error of the estimate, more a vibrato or a glide."""

_N_PLACED, _PLACED = 8, 0.3
"""Partials and seconds after the onset by which a note's place among the channels is measured."""


@dataclass(frozen=True)
class Wanted:
    """A note to be played: pitch (MIDI number with its fraction), duration (s), level over the median."""

    pitch: float
    duration: float
    level: float


def wanted_notes(content: Passage, events: Sequence[NoteEvent]) -> list[Wanted]:
    """Measure the notes of a content as they are to be played.

    Args:
        content: The clip.
        events: Its notes, by onset.
    """
    median = float(np.median([event.level for event in events])) if events else 1.0
    return [
        Wanted(
            mean_pitch(content, event),
            max(0.05, event.end - event.onset),
            float(np.clip(event.level / max(median, 1e-12), _SOFTEST, _LOUDEST)),
        )
        for event in events
    ]


class Sampler:
    """Notes of a clip as samples, ready to be played.

    Args:
        passage: The clip; it has notes.

    Attributes:
        notes: Its notes, cut out.
        decay: Their mean decay in dB per second, at most 0.
    """

    def __init__(self, passage: Passage) -> None:
        self._passage, self._rate = passage, passage.sample_rate
        self.notes = isolate_notes(passage, passage.events)
        self._level = float(np.median([note.level for note in self.notes])) if self.notes else 0.0
        self.decay = _mean_decay(self.notes)

    @cached_property
    def _amplitudes(self) -> npt.NDArray[np.float64]:
        """Amplitudes of the partials at every pitch, (P, K), from those of the notes."""
        grid = self._passage.transcription.grid
        amplitudes = torch.zeros_like(grid.hertz, device="cpu")
        for note in self.notes:
            amplitudes[round(note.pitch) - LOWEST] += note.clarity * note.partials
        weights = amplitudes.sum(dim=1)
        amplitudes = amplitudes / weights.clamp(min=1e-12)[:, None]
        return fit_source_filter(amplitudes, weights, grid).double().numpy()

    def play(self, content: Passage, events: Sequence[NoteEvent]) -> Samples:
        """Play notes of another clip: samples (C, N) of its shape.

        Args:
            content: The other clip.
            events: Its notes, by onset.
        """
        wanted = wanted_notes(content, events)
        made = np.zeros((len(content.pieces[0]), content.n_samples), np.float32)
        for event, want, index in zip(events, wanted, self.choose(wanted), strict=True):
            places = _channel_levels(content, event)
            sample = self.notes[index]
            samples = self._transposed(sample, want)
            samples = self._bent(samples, sample, content, event)
            samples *= want.level * self._level / sample.level
            onset = sample.onset * 2 ** ((sample.pitch - want.pitch) / 12)
            at = round((event.onset - onset) * self._rate)
            first, last = max(0, at), min(made.shape[1], at + len(samples))
            made[:, first:last] += places[:, None] * samples[first - at : last - at]
        return made

    def choose(self, wanted: Sequence[Wanted]) -> list[int]:
        """Choose the note of the style for each note wanted: the one that costs least."""
        pitch, duration, level, clarity = (
            np.array([getattr(note, name) for note in self.notes])
            for name in ("pitch", "duration", "level", "clarity")
        )
        played = np.full(len(self.notes), -np.inf)
        chosen = []
        for n, want in enumerate(wanted):
            octaves = np.log2(want.duration / duration) + (want.pitch - pitch) / 12  # higher is shorter
            cost = (
                _SEMITONE * np.abs(want.pitch - pitch)
                + np.where(octaves > 0, _LONGER, _SHORTER) * np.abs(octaves)
                + _LOUDER * np.abs(np.log2(want.level * self._level / level))
                + _UNCLEAR * (1 - clarity)
                + _RECENT * np.exp((played - n) / 3)
            )
            index = int(np.argmin(cost))
            played[index] = n
            chosen.append(index)
        return chosen

    def _transposed(self, sample: NoteSample, want: Wanted) -> Samples:
        """Bring a sample to a pitch and a duration."""
        ratio = 2 ** ((want.pitch - sample.pitch) / 12)
        samples = change_pitch(sample.samples, ratio, self._rate)
        samples = self._with_partials_of(samples, sample.pitch, want.pitch)
        onset, end = (round(t / ratio * self._rate) for t in (sample.onset, sample.onset + sample.duration))
        return _with_duration(
            samples,
            onset,
            end,
            round(want.duration * self._rate),
            max(_STEEPEST, self.decay * ratio),
            self._rate,
        )

    def _bent(self, samples: Samples, sample: NoteSample, content: Passage, event: NoteEvent) -> Samples:
        """Bend a steady note as the content's glides or trembles; one with its own vibrato keeps that."""
        curve = pitch_curve(content, event)
        if unsteadiness(curve) <= max(_STEADY, 2 * sample.unsteadiness):
            return samples
        curve = (curve - np.median(curve))[EDGE:-EDGE]
        hop = content.window.hop_length
        frames = (int(event.onset * self._rate / hop) + EDGE + np.arange(len(curve))) * hop
        time = np.arange(len(samples)) + round((event.onset - sample.onset) * self._rate)
        return bend(samples, np.interp(time, frames, curve), self._rate)

    def _with_partials_of(self, samples: Samples, pitch: float, wanted: float) -> Samples:
        """Change the spectrum of a transposed note by what changes between the pitches on the instrument.

        Without it the body's resonances (formants) would be transposed with the note.
        """
        if abs(wanted - pitch) < 1:
            return samples
        one, two = (
            self._amplitudes[int(np.clip(round(p), LOWEST, HIGHEST)) - LOWEST] for p in (pitch, wanted)
        )
        known = np.flatnonzero((one > 0) & (two > 0))
        if len(known) < 2:
            return samples
        gains = np.log(two[known] / one[known])
        gains = (_FORMANT * (gains - np.average(gains, weights=two[known]))).clip(
            -_FORMANT_LIMIT, _FORMANT_LIMIT
        )
        n_fft = 1 << (len(samples) + 64).bit_length()
        hertz = np.fft.rfftfreq(n_fft, 1 / self._rate)
        partials = (known + 1) * 440 * 2 ** ((wanted - 69) / 12)
        gain = np.exp(np.interp(hertz, partials, gains))
        changed = np.fft.irfft(np.fft.rfft(samples, n_fft) * gain, n_fft)[: len(samples)]
        filtered: Samples = changed.astype(np.float32)
        return filtered


def _with_duration(samples: Samples, onset: int, end: int, length: int, decay: float, rate: int) -> Samples:
    """Bring a note to a length, and follow it by its own release.

    A shorter one is cut. A longer one is stretched behind its attack; the stretch slows its decay, and a gain
    restores it.

    Args:
        samples: Samples of the note.
        onset: Sample of its onset.
        end: Sample of its end, where its release begins.
        length: Samples from onset to end in the result.
        decay: Slope of its level in dB per second, at most 0.
        rate: Rate in Hz.
    """
    have = end - onset
    n_fade = round(_CROSSFADE * rate)
    if length <= have:
        body = samples[: onset + length].copy()
    else:
        attack = onset + round(min(_ATTACK * rate, have / 2))
        rest, missing = samples[attack:end], length - (attack - onset)
        time = np.arange(missing) / rate
        slower = time * len(rest) / missing
        longer = stretch(rest, missing, rate) * 10 ** (decay * (time - slower) / 20)
        body = np.concatenate([samples[:attack], longer.astype(np.float32)])
    n_fade = min(n_fade, len(body), end)
    if end >= len(samples) or n_fade == 0:
        return body
    n_level = round(0.03 * rate)
    gain = _rms(body[-n_level:]) / max(_rms(samples[max(0, end - n_level) : end]), 1e-9)
    release = samples[end - n_fade :] * np.float32(np.clip(gain, 0.1, 10.0 if length <= have else 2.0))
    fade = np.linspace(0, 1, n_fade, dtype=np.float32)
    body[-n_fade:] = body[-n_fade:] * (1 - fade) + release[:n_fade] * fade
    return np.concatenate([body, release[n_fade:]])


def _mean_decay(notes: Sequence[NoteSample]) -> float:
    """Average the decays of notes in dB per second, at most 0: the variance of a slope is as 1 / duration^3.

    Of one short note it would be a guess, and the shorter a note, the more often it is lengthened.
    """
    known = [note for note in notes if not np.isnan(note.decay)]
    if not known:
        return 0.0
    weights = [max(note.clarity, 0.01) * note.duration**3 for note in known]
    return min(0.0, float(np.average([note.decay for note in known], weights=weights)))


def _channel_levels(content: Passage, event: NoteEvent) -> Samples:
    """Measure the level of a note in every channel, (C,), of mean square one: in the bins of its partials."""
    bins = content.bins
    if len(bins) == 1:
        return np.ones(1, np.float32)
    rate = content.sample_rate / content.window.hop_length
    first = int(event.onset * rate)
    grid = content.transcription.grid
    row = event.pitch - LOWEST
    at, lobes = grid.bins[row, :_N_PLACED], grid.lobes[row, :_N_PLACED]
    around = bins[:, : grid.n_low, first : first + round(_PLACED * rate) + 1]
    power = (around.abs().square().mean(dim=2)[:, at] * lobes).sum(dim=(1, 2))
    levels: Samples = (power / power.mean().clamp(min=1e-30)).sqrt().cpu().numpy()
    return levels


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.square(samples).mean())) if len(samples) else 0.0
