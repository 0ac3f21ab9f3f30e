"""Registry of alignments: their protocol, finding one by name, and choosing one for a content.

An alignment brings a style to a content before their statistics are compared: it plays the style at the
content's pitches, say. Packages add alignments of their own through the entry-point group
``retimbre.alignments``, where each name leads to a class without arguments that is an :class:`Alignment`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

import torch
from torch import Tensor

from retimbre.alignment.passage import Passage
from retimbre.errors import InputError, meant
from retimbre.settings import Settings
from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import from_log_magnitude, log_magnitude

GROUP = "retimbre.alignments"


@dataclass(frozen=True, eq=False)
class Played:
    """The style with the content's notes, or the content with the style's sound.

    Attributes:
        clips: Compressed magnitudes (F, T) of the content's shape, and the share of each; shares sum to one.
            The content term is drawn to their mean.
        replaces_style: Whether they also stand in the style's place in the style term. A match moves the
            content, and the style stays as it is.
        samples: The same as sound, (C, N) of the content's shape, where the alignment has it: the search for
            a phase then starts from its phase, and not from the content's.
        strength: Strength where none is set, if the alignment has one of its own.
    """

    clips: Sequence[tuple[Tensor, float]]
    replaces_style: bool = True
    samples: Tensor | None = None
    strength: float | None = None

    @classmethod
    def mix(
        cls, content: Passage, sounds: Iterable[tuple[Tensor, float]], strength: float | None = None
    ) -> "Played":
        """Mix sounds (C, N) of a content's shape by their shares, each at the content's power."""
        clips, mixed = [], torch.zeros_like(content.pieces[0][:, :1])
        for samples, share in sounds:
            magnitude = joint_magnitude(content.window.stft(samples))
            scale = power_scale(magnitude, content)
            clips.append((log_magnitude(magnitude * scale), share))
            mixed = mixed + share * scale * samples
        return cls(clips, samples=mixed, strength=strength)


def power_scale(magnitude: Tensor, content: Passage) -> Tensor:
    """Compute the factor at which magnitudes (F, T) have the power of a content."""
    power = from_log_magnitude(content.frames).square().sum()
    return (power / magnitude.square().sum().clamp(min=1e-30)).sqrt()


class Alignment(Protocol):
    """A way to bring a style to a content."""

    def fit(self, style: Sequence[tuple[Passage, float]]) -> None:
        """Learn a style, once: clips and their shares."""

    def suits(self, content: Passage) -> float:
        """Rate how well it suits the content and the style: 0 not at all, 1 perfectly.

        Of all alignments ``auto`` takes the highest; where all are 0, the style stays as it is. One that is
        to be used only where the settings name it is always 0.
        """

    def play(self, content: Passage) -> Played:
        """Bring the style to a content that is not silent."""


def alignment_names() -> list[str]:
    """List the alignments that are installed."""
    return sorted(entry_points(group=GROUP).names)


def check_alignment(settings: Settings, *, takes_samples: bool) -> None:
    """Check before the work that the alignment of the settings can be had.

    Raises:
        InputError: there is none of this name; or the settings name one and the network takes samples.
    """
    names = ("auto", "none") if takes_samples else ("auto", "none", *alignment_names())
    if settings.align not in names:
        why = f", as the network {settings.network} takes samples and no spectrogram" if takes_samples else ""
        near = meant(settings.align, names)
        raise InputError(f"align is {settings.align}: expected one of {', '.join(names)}{why}{near}")


def find_alignments(name: str) -> Mapping[str, Alignment]:
    """Make the alignments that a setting allows, by name: all for ``auto``, none for ``none``, or one.

    >>> list(find_alignments("none")), list(find_alignments("pitch"))
    ([], ['pitch'])
    """
    if name == "none":
        return {}
    entries = sorted(entry_points(group=GROUP))
    return {entry.name: entry.load()() for entry in entries if name in ("auto", entry.name)}
