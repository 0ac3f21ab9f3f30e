"""A clip as alignments take it: samples, spectrogram, notes and strokes, each computed at first use."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.alignment.events import NoteEvent, find_events, reliability
from retimbre.alignment.grid import Grid
from retimbre.alignment.intonation import estimate_deviations
from retimbre.alignment.kit import Kit
from retimbre.alignment.notes import Notes, estimate_tuning, transcribe
from retimbre.alignment.strokes import StrokeFrames, Strokes
from retimbre.sound.stereo import in_phase_mix, joint_magnitude
from retimbre.sound.stft import Window, from_log_magnitude, log_magnitude


@dataclass(frozen=True, eq=False)
class Transcription:
    """The notes of a clip.

    Attributes:
        notes: Partials, loudness of every pitch, noise.
        deviations: Distance of each note from its pitch in semitones, (P, T).
        grid: Places of the partials.
    """

    notes: Notes
    deviations: Tensor
    grid: Grid


class Passage:
    """A clip at the working rate and level; each part is computed once and kept while the object lives.

    Args:
        pieces: Samples (C, N): one tensor for a whole clip, several for the excerpts of a long one.
        sample_rate: Rate in Hz.
        window: Short-time Fourier transform.
        mirrored: Samples at the start of the first piece and at the end of the last that are a mirror image
            of what follows or precedes them: the frames of a network go on there, but no note begins.
    """

    def __init__(
        self,
        pieces: Sequence[Tensor],
        sample_rate: int,
        window: Window,
        *,
        mirrored: tuple[int, int] = (0, 0),
    ) -> None:
        self.pieces, self.sample_rate, self.window = list(pieces), sample_rate, window
        self._mirrored = mirrored
        self._frames: dict[Window, Tensor] = {}

    @property
    def n_samples(self) -> int:
        """Number of samples N per channel, over all pieces."""
        return sum(piece.shape[1] for piece in self.pieces)

    @cached_property
    def unmirrored(self) -> list[Tensor]:
        """The pieces, silent where they are a mirror image."""
        before, after = self._mirrored
        if not before and not after:
            return self.pieces
        pieces = list(self.pieces)
        pieces[0] = functional.pad(pieces[0][:, before:], (before, 0))
        pieces[-1] = functional.pad(pieces[-1][:, : pieces[-1].shape[1] - after], (0, after))
        return pieces

    @cached_property
    def own_frames(self) -> Tensor:
        """One in every frame of the clip itself, and zero in those of its mirror image, (T,)."""
        before, after = (n // self.window.hop_length for n in self._mirrored)
        own = torch.ones_like(self.frames[0])
        own[:before] = 0
        own[len(own) - after :] = 0
        return own

    @property
    def sounding_seconds(self) -> float:
        """Seconds from the start of the first piece to where the last becomes a mirror image."""
        return (self.n_samples - self._mirrored[1]) / self.sample_rate

    @cached_property
    def bins(self) -> Tensor:
        """Complex bins (C, F, T), one piece after the other."""
        bins = [self.window.stft(piece) for piece in self.pieces]
        return bins[0] if len(bins) == 1 else torch.cat(bins, dim=2)

    @property
    def frames(self) -> Tensor:
        """Compressed spectrogram (F, T) of the joint magnitude of all channels."""
        return self.frames_under(self.window)

    def frames_under(self, window: Window) -> Tensor:
        """Compute the compressed spectrogram (F, T) under a window, once for each."""
        if window not in self._frames:
            self._frames[window] = self._compute_frames(window)
        return self._frames[window]

    def _compute_frames(self, window: Window) -> Tensor:
        if window == self.window and "bins" in vars(self):
            return log_magnitude(joint_magnitude(self.bins))
        spectrograms = [log_magnitude(joint_magnitude(window.stft(piece))) for piece in self.pieces]
        return torch.cat(spectrograms, dim=1)

    @cached_property
    def transcription(self) -> Transcription:
        """Transcription of the clip, which must not be silent."""
        magnitude, n_fft = from_log_magnitude(self.frames), self.window.n_fft
        tuning = estimate_tuning(magnitude, n_fft, self.sample_rate)
        grid = Grid.of(n_fft, self.sample_rate, tuning, magnitude.device)
        notes = transcribe(magnitude, grid)
        return Transcription(notes, estimate_deviations(magnitude, notes.activations, grid), grid)

    @cached_property
    def events(self) -> list[NoteEvent]:
        """Notes of the clip by onset; it must not be silent."""
        return find_events(self)

    @cached_property
    def strokes(self) -> Strokes:
        """Strokes of the clip, of all channels together."""
        samples = in_phase_mix(torch.cat(self.unmirrored, dim=1)).cpu().numpy()
        return Strokes.of(StrokeFrames.of(samples, self.sample_rate))

    @cached_property
    def kit(self) -> Kit:
        """Kit that plays the strokes."""
        return Kit.of(self.strokes)

    @property
    def n_notes(self) -> int | None:
        """Number of notes; ``None`` before they are found."""
        return len(self.events) if "events" in vars(self) else None

    @property
    def n_strokes(self) -> int | None:
        """Number of onsets of strokes; ``None`` before they are found."""
        return len(self.kit.onsets) if "kit" in vars(self) else None

    @property
    def reliability(self) -> float | None:
        """Mean certainty of the notes, 0 to 1; ``None`` before they are found."""
        return reliability(self.events) if "events" in vars(self) else None

    @property
    def tonality(self) -> float | None:
        """Share of the notes in the sum of all magnitudes, 0 to 1; ``None`` before the transcription."""
        return self.transcription.notes.tonality if "transcription" in vars(self) else None
