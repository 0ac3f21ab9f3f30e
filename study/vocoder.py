"""A vocoder of harmonics plus noise, note by note: the content's notes with the style's partials and noise.

The synthesiser of Engel et al. 2020, "DDSP: differentiable digital signal processing", ICLR (a sum of
harmonics whose shares change over time, and filtered noise, driven by the content's pitch and loudness), with
the classical analysis of Serra and Smith 1990, "Spectral modeling synthesis", Computer Music Journal 14, in
the place of a network that is trained on hours of one instrument: the shares are those of the style's note
that is nearest in pitch, at the same time since its onset. Notes are those that the package finds in both
clips, so that it is not the finding of notes that tells the two apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retimbre.alignment.events import NoteEvent
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from study.clips import as_loud, check_sounding
from study.events import passage_of

N_PARTIALS = 60
"""Partials of a note at most, below Nyquist's frequency."""
RELEASE = 0.15
"""Seconds that a note sounds beyond its end."""

_WINDOW, _HOP = 0.0929, 0.0058  # s: two partials of 65 Hz stay apart
_CENTS = 40  # of a note around its semitone
_LOBE = 2.0  # bins from a partial that are its own

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Vocoder:
    """Settings of the vocoder, tuned on the melodic pairs for tuning (docs/quality.md).

    Args:
        own_loudness: Whether a note's loudness over time is the content's, as in DDSP; the style's otherwise.
        by_frequency: Whether the shares are taken over by frequency, so that formants stay; by number of the
            partial otherwise.
    """

    own_loudness: bool = False
    by_frequency: bool = False


def vocode(
    content: Audio,
    style: Audio,
    settings: Settings | None = None,
    vocoder: Vocoder = Vocoder(),
) -> Audio:
    """Play the content's notes with partials and noise of the style's.

    Args:
        content: Clip whose notes are played; channels are mixed.
        style: Clip whose notes are measured; channels are mixed.
        settings: ``seed`` of the noise, and the transform's for the notes; the defaults if ``None``.
        vocoder: Settings of the vocoder.

    Returns:
        One channel at the content's rate, of its length and loudness; silence where one has no notes.

    Raises:
        InputError: a clip that is silent.
    """
    settings = settings or Settings()
    check_sounding(content, style)
    rate = content.sample_rate
    clips = [Audio(clip.resampled(rate).samples.mean(axis=0), rate) for clip in (content, style)]
    ours, theirs = (_Analysis.of(clip, passage_of(clip, settings).events) for clip in clips)
    made = np.zeros(content.n_samples)
    if ours.notes and theirs.notes:
        strength = np.zeros(ours.magnitudes.shape[1])
        for note in ours.notes:
            model = min(theirs.notes, key=lambda other: (abs(other.pitch - note.pitch), -other.peak))
            levels = _levels(note, model, vocoder)
            strength[note.first :][: levels.shape[1]] += levels.sum(axis=0)
            _add(made, note, levels, rate)
        made += _noise(theirs.noise_share(), strength, rate, len(made), settings.seed)
    audio = Audio(made.astype(np.float32), rate)
    return as_loud(audio, content)


@dataclass(frozen=True)
class _Note:
    """A note as it was measured.

    Args:
        pitch: MIDI number.
        first: Number of its first frame.
        frequency: Fundamental in Hz, (T,).
        amplitudes: Amplitudes of its partials, (K, T).
    """

    pitch: int
    first: int
    frequency: Array
    amplitudes: Array

    @property
    def peak(self) -> float:
        return float(self.amplitudes.sum(axis=0).max())


@dataclass(frozen=True)
class _Analysis:
    """Notes of a clip, and its magnitudes (F, T) as amplitudes of sines."""

    magnitudes: Array
    hertz: float
    notes: Sequence[_Note]

    @classmethod
    def of(cls, clip: Audio, events: Sequence[NoteEvent]) -> "_Analysis":
        """Measure the partials of notes: the highest magnitude near each multiple of the fundamental."""
        rate = clip.sample_rate
        size, hop = _sizes(rate)
        padded = np.pad(clip.samples[0].astype(np.float64), size // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
        window = np.hanning(size)
        magnitudes = np.abs(np.fft.rfft(frames * window, axis=1)).T * 2 / window.sum()
        hertz = rate / size
        notes = []
        for event in events:
            first, end = (round(at * rate / hop) for at in (event.onset, event.end + RELEASE))
            end = min(end, magnitudes.shape[1])
            if end > first >= 0:
                own = magnitudes[:, first:end]
                frequency = _fundamental(own, event.pitch, hertz)
                notes.append(_Note(event.pitch, first, frequency, _partials(own, frequency, hertz)))
        return cls(magnitudes, hertz, notes)

    def noise_share(self) -> Array:
        """Average the magnitudes between partials relative to the partials' sum while notes sound, (F,)."""
        n_bins, n_frames = self.magnitudes.shape
        free, strength = np.ones((n_bins, n_frames), dtype=bool), np.zeros(n_frames)
        bins = np.arange(n_bins)[:, None]
        for note in self.notes:
            frames = slice(note.first, note.first + len(note.frequency))
            strength[frames] += note.amplitudes.sum(axis=0)
            place = note.frequency / self.hertz
            number = np.maximum(np.round(bins / place), 1)
            reach = np.maximum(_LOBE, number * place * (2 ** (_CENTS / 1200) - 1))
            free[:, frames] &= np.abs(bins - number * place) > reach
        loud = strength > 0.05 * strength.max()
        weight = (free & loud).sum(axis=1)
        mean = np.where(free & loud, self.magnitudes, 0).sum(axis=1) / np.maximum(weight, 1)
        known = np.flatnonzero(weight)
        if not len(known):
            return np.zeros(n_bins)
        return np.asarray(np.interp(np.arange(n_bins), known, mean[known]) / strength[loud].mean())


def _sizes(rate: int) -> tuple[int, int]:
    return 2 * round(_WINDOW * rate / 2), max(1, round(_HOP * rate))


def _fundamental(magnitudes: Array, pitch: int, hertz: float) -> Array:
    """Find the fundamental near a semitone in each frame: where eight partials together are highest."""
    cents = np.arange(-_CENTS, _CENTS + 1, 5)
    candidates = 440 * 2 ** ((pitch - 69 + cents / 100) / 12)
    places = candidates[:, None] * np.arange(1, 9) / hertz
    below = np.floor(places).astype(int).clip(0, len(magnitudes) - 2)
    share = np.clip(places - below, 0, 1)[..., None]
    heights = (1 - share) * magnitudes[below] + share * magnitudes[below + 1]
    inside = (places < len(magnitudes) - 1)[..., None]
    best = cents[(heights * inside).sum(axis=1).argmax(axis=0)].astype(np.float64)
    width = min(9, len(best) - (len(best) + 1) % 2)
    smooth = np.median(
        np.lib.stride_tricks.sliding_window_view(np.pad(best, width // 2, mode="edge"), width), axis=1
    )
    return np.asarray(440 * 2 ** ((pitch - 69 + smooth / 100) / 12))


def _partials(magnitudes: Array, frequency: Array, hertz: float) -> Array:
    """Measure the amplitudes (K, T) of partials; 0 above Nyquist's frequency."""
    n_bins, n_frames = magnitudes.shape
    found = np.zeros((N_PARTIALS, n_frames))
    for k in range(N_PARTIALS):
        place = (k + 1) * frequency / hertz
        centre = np.round(place).astype(int)
        inside = centre < n_bins - 1
        near = [magnitudes[(centre + d).clip(0, n_bins - 1), np.arange(n_frames)] for d in (-1, 0, 1)]
        found[k] = np.where(inside, np.max(near, axis=0), 0)
    return found


def _levels(note: _Note, model: _Note, vocoder: Vocoder) -> Array:
    """Give the amplitudes (K, T) of a content's note after a note of the style.

    Of a model that is shorter the last frame goes on.
    """
    n_frames = len(note.frequency)
    at = np.arange(n_frames).clip(max=len(model.frequency) - 1)
    levels = model.amplitudes[:, at]
    if vocoder.by_frequency:
        ratio = float(np.median(note.frequency) / np.median(model.frequency))
        place = np.arange(1, N_PARTIALS + 1) * ratio - 1
        below = np.floor(place).astype(int)
        share = (place - below)[:, None]
        padded = np.vstack([levels, np.zeros((1, n_frames))])
        low, high = (padded[each.clip(0, N_PARTIALS)] for each in (below, below + 1))
        levels = (1 - share) * low + share * high
    strength = levels.sum(axis=0)
    if vocoder.own_loudness:
        return np.asarray(levels / np.maximum(strength, 1e-9) * note.amplitudes.sum(axis=0))
    return np.asarray(levels / max(float(strength.max()), 1e-9) * note.peak)


def _add(made: Array, note: _Note, levels: Array, rate: int) -> None:
    """Add the sines of a note, with frequencies and amplitudes between the frames."""
    _, hop = _sizes(rate)
    start = note.first * hop
    length = min(len(note.frequency) * hop, len(made) - start)
    if length <= 0:
        return
    frames, samples = np.arange(len(note.frequency)) * hop, np.arange(length)
    phase = 2 * np.pi * np.cumsum(np.interp(samples, frames, note.frequency)) / rate
    fade = np.minimum(1, (length - samples) / max(1, round(RELEASE * rate / 2)))
    for k, level in enumerate(levels, start=1):
        if level.any() and k * note.frequency.max() < 0.49 * rate:
            made[start : start + length] += fade * np.interp(samples, frames, level) * np.cos(k * phase)


def _noise(share: Array, strength: Array, rate: int, n_samples: int, seed: int) -> Array:
    """Make noise with the style's share of every frequency, as strong as the partials are."""
    size, hop = _sizes(rate)
    window = np.hanning(size)
    white = np.random.default_rng(seed).standard_normal(n_samples + size)
    padded, weight = np.zeros(n_samples + 2 * size), np.zeros(n_samples + 2 * size)
    # A Hann window makes of white noise magnitudes of sqrt(pi/2 sum w^2 / 2), here as amplitudes of sines.
    scale = share / (np.sqrt(np.pi / 4 * np.square(window).sum()) * 2 / window.sum())
    for number, level in enumerate(strength):
        start = number * hop
        if start + size > len(white):
            break
        spectrum = np.fft.rfft(white[start : start + size] * window) * scale * level
        padded[start : start + size] += np.fft.irfft(spectrum, size) * window
        weight[start : start + size] += np.square(window)
    return np.asarray((padded / np.maximum(weight, 1e-3))[size // 2 :][:n_samples])
