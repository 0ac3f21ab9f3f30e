"""The target of a block: the spectrogram for the content term, the style for the style term, and the choice.

Where an alignment suits both clips, the target of the content term moves towards the played style, the
further the higher the strength. The quantile match (:mod:`retimbre.alignment.spectrum`) is not chosen
automatically, although it comes nearer to the target from piano to drums and back: it also gives the content
the style's dynamics, and with a steady style nothing is left of its rhythm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from retimbre.alignment.passage import Passage
from retimbre.alignment.registry import Alignment, Played
from retimbre.settings import ALIGNED, BALANCED, REPLAYED


@dataclass(frozen=True)
class Choice:
    """Choice of alignment and strength for a block.

    Attributes:
        how: Name of the alignment; ``"none"`` where the style stays as it is.
        strength: Amount of style, 0 to 1; ``None`` where a content weight was given.
        tonality: Tonality of the content, 0 to 1; ``None`` where nothing depended on it.
        style_tonality: Tonality of each style clip; empty where nothing depended on it.
        reliability: Mean certainty of the content's notes, 0 to 1; ``None`` where none were sought.
        n_strokes: Number of the content's onsets of strokes; ``None`` where none were sought.
        n_notes: Number of the content's notes, likewise.
        style_strokes: Number of onsets of strokes of each style clip; empty where none were sought.
        style_notes: Number of notes of each style clip, likewise.
    """

    how: str
    strength: float | None
    tonality: float | None = None
    style_tonality: tuple[float, ...] = ()
    reliability: float | None = None
    n_strokes: int | None = None
    n_notes: int | None = None
    style_strokes: tuple[int, ...] = ()
    style_notes: tuple[int, ...] = ()


def choose_alignment(
    alignments: Mapping[str, Alignment],
    align: str,
    content: Passage,
    check: Callable[[], None] = lambda: None,
) -> str:
    """Choose the alignment of a content: the one that is set, or for ``auto`` the one that suits best.

    Args:
        alignments: Alignments by name.
        align: The setting.
        content: The content.
        check: Called after each analysis; it may raise.
    """
    if align != "auto":
        return align
    suits = {}
    for name, alignment in alignments.items():
        suits[name] = alignment.suits(content)
        check()
    best = max(suits, key=lambda name: suits[name], default="none")
    return best if suits.get(best, 0) > 0 else "none"


def default_strength(played: Played | None) -> float:
    """Choose the strength where none is set: higher where the style has the content's notes, and as sound."""
    if played is None or not played.replaces_style:
        return BALANCED
    if played.strength is not None:
        return played.strength
    return ALIGNED if played.samples is None else REPLAYED


def interpolate(content: Tensor, played: Tensor, strength: float) -> Tensor:
    """Interpolate between content and played style: ``(1 - strength) content + strength played``.

    Args:
        content: Compressed spectrogram (F, T).
        played: Compressed spectrogram of the played style, (F, T).
        strength: Share of the played style, 0 to 1.
    """
    return content + strength * (played - content)
