"""Mixes in parts: what is tonal and what is percussive, each aligned in its own way.

A spectrogram of a mix is cut by median filters (Fitzgerald 2010, "Harmonic/percussive separation using median
filtering"): a tone is a ridge along time, a stroke one along frequency. With H the median over time and P
that over frequency of the magnitudes, the tonal part has the mask ``H^2 / (H^2 + P^2)`` and the percussive
part the rest, so that both together are the mix. The tonal part of the style is played at the pitches of the
content's (:mod:`retimbre.alignment.pitch`), the percussive part of the content takes the levels of the
style's (:mod:`retimbre.alignment.spectrum`), and the sum takes half of the way to the style's long-term
spectrum, which is what neither part explains.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.alignment.events import reliability
from retimbre.alignment.passage import Passage
from retimbre.alignment.pitch import PitchAlignment, least_tonality
from retimbre.alignment.registry import Alignment, Played, power_scale
from retimbre.alignment.spectrum import APART, FAR, QuantileMatch, distance_from_style, equalise
from retimbre.alignment.strokes import KINDS
from retimbre.losses.terms import Style
from retimbre.sound.stereo import joint_magnitude, stereo_image
from retimbre.sound.stft import from_log_magnitude, log_magnitude

_LENGTH, _WIDTH = 0.4, 180.0
"""Seconds and Hz that the medians reach over."""

_EQUALISED = 0.6
"""Share of the way to the style's long-term spectrum, in dB: timbre of the bands for tuning is .52 of the
content's without it and .40 with it, and with .35 to .7 LSD is within .015."""

_HIGHEST, _EVERY = 11_025.0, 8  # Hz up to which a mix is judged; bins of which one is looked at
_TREBLE, _STRUCK, _BASS_DRUM = 5000.0, 0.045, 0.07
"""A mix has at least this share of its magnitudes in strokes above 5 kHz, and its onsets at least this mean
likelihood to be a bass drum's. Of 160 random bands of the instruments and kits for tuning .98 are mixes so,
of 160 pieces for one or two of these instruments .03, of 36 for one of 18 others (pizzicato, xylophone,
banjo, distorted guitar) .03. Parts are aligned where both clips look like a mix."""

_NOTES_PER_SECOND, _SURE = 1.0, 0.6
"""Notes of music, and their mean certainty, of which a clip has one or the other. Slow melodies and chords of
the instruments for tuning (one note in 1.8 s, two chords of 3.5 s) have a certainty of .62 to .99, but for
choirs (.48 to .60) and one viola's chords (.55); recordings of a flute's, an organ's and a choir's single
sounds .13 to .54."""


def separate(passage: Passage) -> tuple[Passage, Passage]:
    """Separate a clip into its tonal and its percussive part, whose sum it is."""
    window = passage.window
    tonal, percussive = [], []
    for piece in passage.pieces:
        bins = window.stft(piece)
        part = window.istft(bins * tonal_mask(joint_magnitude(bins), passage), piece.shape[1])
        tonal.append(part)
        percussive.append(piece - part)
    rate = passage.sample_rate
    return Passage(tonal, rate, window), Passage(percussive, rate, window)


def tonal_mask(magnitude: Tensor, passage: Passage) -> Tensor:
    """Compute the share of every bin that is tonal, (F, T), from its magnitudes (F, T)."""
    return _tonal(*_medians(magnitude, passage))


def _medians(magnitude: Tensor, passage: Passage, every: int = 1) -> tuple[Tensor, Tensor]:
    """Compute the medians along time and along frequency, (F, T) each, or in every so many bins."""
    rate, window = passage.sample_rate, passage.window
    frames = _odd(_LENGTH * rate / window.hop_length)
    bins = _odd(_WIDTH * window.n_fft / rate)
    return _median(magnitude[::every], frames), _median(magnitude.T, bins, every).T


def _tonal(along_time: Tensor, along_frequency: Tensor) -> Tensor:
    tonal, struck = along_time.square(), along_frequency.square()
    return tonal / (tonal + struck).clamp(min=1e-20)


def is_mix(passage: Passage) -> bool:
    """Tell whether strokes sound beside notes in a clip that has notes."""
    if _struck_share(passage) < _STRUCK or not len(passage.strokes.onsets):
        return False
    return bool(passage.strokes.likelihoods[:, KINDS.index("kick")].mean() >= _BASS_DRUM)


def is_one_sound(passage: Passage) -> bool:
    """Tell whether a clip is a sound rather than music: it has few notes, and these are not sure."""
    events = passage.events
    if len(events) >= _NOTES_PER_SECOND * passage.n_samples / passage.sample_rate:
        return False
    return reliability(events) < _SURE


def _struck_share(passage: Passage) -> float:
    """Estimate the share of a clip's magnitudes that is in strokes in the treble, from a part of the bins."""
    step = passage.window.n_fft / passage.sample_rate
    first, end = round(_TREBLE * step), round(_HIGHEST * step) + 1
    magnitude = from_log_magnitude(passage.frames)[:end]
    treble = magnitude[first:]
    if not len(treble):  # at such a rate there is none
        return 0.0
    along_time, along_frequency = _medians(treble, passage, every=_EVERY)
    struck = treble[::_EVERY] * (1 - _tonal(along_time, along_frequency))
    return _EVERY * float(struck.sum() / magnitude.sum().clamp(min=1e-20))


class PartsAlignment:
    """Alignment that separates content and style, and aligns the parts.

    Attributes:
        tonalities: Tonality of each style clip (:attr:`retimbre.alignment.notes.Notes.tonality`).
    """

    def fit(self, style: Sequence[tuple[Passage, float]]) -> None:
        """Keep the clips of a style and their shares."""
        self._style = list(style)
        self.tonalities = tuple(passage.transcription.notes.tonality for passage, _ in style)

    def suits(self, content: Passage) -> float:
        """Rate it above all others where both clips are mixes with notes, or the content one long sound.

        Otherwise it is below them, and 0 where the mean spectra are alike, or so far apart that no gain would
        help.
        """
        least = least_tonality(self.tonalities, content)
        if least and (is_one_sound(content) or (self._are_mixes and is_mix(content))):
            return (3 + least) / 4
        return 0.25 if APART <= distance_from_style(content, self._style) <= FAR else 0.0

    @cached_property
    def _are_mixes(self) -> bool:
        return all(is_mix(passage) for passage, _ in self._style)

    def play(self, content: Passage) -> Played:
        """Play the parts of the style at the parts of a content, at the levels that these have."""
        mix = torch.zeros_like(content.pieces[0])
        for alignment, part in zip(self._alignments, separate(content), strict=True):
            if not part.frames.any():
                continue
            magnitude = from_log_magnitude(Style(list(alignment.play(part).clips)).mean)
            magnitude = magnitude * power_scale(magnitude, part)
            mix = mix + content.window.istft(magnitude * stereo_image(part.bins), content.n_samples)
        mix = equalise(mix, content, self._style, _EQUALISED)
        return Played([(log_magnitude(joint_magnitude(content.window.stft(mix))), 1.0)], samples=mix)

    @cached_property
    def _alignments(self) -> tuple[Alignment, Alignment]:
        """Alignments fitted to the tonal and to the percussive parts."""
        parts = [(separate(passage), share) for passage, share in self._style]
        tonal, percussive = PitchAlignment(), QuantileMatch()
        tonal.fit([(part, share) for (part, _), share in parts])
        percussive.fit([(part, share) for (_, part), share in parts])
        return tonal, percussive


def _odd(length: float) -> int:
    return 2 * round(length / 2) + 1


def _median(rows: Tensor, length: int, every: int = 1) -> Tensor:
    """Compute the median over ``length`` neighbours in every row (R, T), at every so many places."""
    padded = functional.pad(rows[None], (length // 2, length // 2), mode="replicate")[0]
    return padded.unfold(1, length, every).median(dim=2).values
