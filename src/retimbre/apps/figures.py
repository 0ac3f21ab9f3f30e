"""Figures of a transfer, and in words: what it keeps of the content, how near it comes to the style."""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass

from retimbre.metrics.content import chroma_cosine
from retimbre.metrics.features import ClipFeatures, ClipLike, common_duration
from retimbre.metrics.measures import style_gain
from retimbre.metrics.onsets import count_matches

_KEPT = (0.25, 0.6, 0.85, 0.95), ("few", "some", "most", "nearly all", "all")
_REACHED = (0.1, 0.35, 0.6, 0.85), ("hardly nearer", "part of the way", "half-way", "near", "very near")


@dataclass(frozen=True)
class Figure:
    """Figure of a result.

    Attributes:
        label: Its name.
        value: The figure.
        words: The same in words.
    """

    label: str
    value: str
    words: str


def figures(
    output: ClipLike, content: ClipLike, style: ClipLike, *, has_pitches: bool = True
) -> Iterator[Figure]:
    """Measure a result against its clips, one figure after the other, by measures that need no extra.

    Args:
        output: The result.
        content: Clip whose notes and rhythm it should have.
        style: Clip whose sound it should have.
        has_pitches: Whether the content has a harmony to keep.
    """
    output, content, style = (ClipFeatures.of(clip) for clip in (output, content, style))
    ours, theirs = common_duration(output, content)
    if len(theirs.onsets):
        n_kept = count_matches(ours.onsets, theirs.onsets)
        words = _words(n_kept / len(theirs.onsets), *_KEPT)
        yield Figure("onsets kept", f"{n_kept} of {len(theirs.onsets)}", words)
    if has_pitches:
        cosine = chroma_cosine(ours, theirs)
        yield Figure("harmony kept", f"{cosine:.2f} of 1", _words(cosine, *_KEPT))
    for label, name in (("timbre reached", "timbre"), ("spectrum reached", "spectrum")):
        gain = style_gain(output, style, content, names=[name])[name]
        yield Figure(label, f"{gain:.0%}".replace("%", " %"), _words(gain, *_REACHED))


def _words(value: float, limits: tuple[float, ...], words: tuple[str, ...]) -> str:
    return words[bisect(limits, value)]
