"""Groups of measures of a transfer: content preservation, style gain, distances to the style and the target.

None of them is what retimbre optimises: otherwise a method would be scored by its own loss. Levels do not
matter. Wherever a clip is expected, an :class:`Audio` will do; a
:class:`retimbre.metrics.features.ClipFeatures` keeps its features where a clip is measured more than once.
Measures of pitch need a transcriber (:mod:`retimbre.metrics.transcriber`) and are left out of the groups
where it is not installed.

The distance of the samples from the optimised spectrogram is known to a run alone:
:attr:`retimbre.Result.spectral_convergence`.
"""

from collections.abc import Callable, Collection, Mapping
from statistics import fmean

import numpy as np

from retimbre.metrics import transcriber as transcribe
from retimbre.metrics.content import chroma_cosine, onset_correlation, onset_f1, pitch_distance
from retimbre.metrics.features import ClipFeatures, ClipLike, common_duration
from retimbre.metrics.spectral import (
    gram_distance,
    log_spectral_distance,
    spectrum_distance,
    timbre_distance,
)

BALANCE_TERMS = ("onsets", "chroma", "timbre", "spectrum")
"""Measures that make up a balance. The others judge outputs that were chosen by their balance."""


def content_preservation(
    output: ClipLike, content: ClipLike, *, names: Collection[str] | None = None
) -> dict[str, float]:
    """Measure the content preserved in the output, over the time that both last; 1 is all, 0 nothing.

    ``onsets`` (:func:`retimbre.metrics.content.onset_correlation`), ``chroma``
    (:func:`retimbre.metrics.content.chroma_cosine`), ``onset_f1``
    (:func:`retimbre.metrics.content.onset_f1`) and ``pitch`` (1 -
    :func:`retimbre.metrics.content.pitch_distance`).

    Args:
        output: Clip to judge.
        content: Clip whose notes and rhythm it should have.
        names: Measures to take; all that can be taken if ``None``.
    """
    measures: dict[str, Callable[[ClipLike, ClipLike], float]] = {
        "onsets": onset_correlation,
        "chroma": chroma_cosine,
        "onset_f1": onset_f1,
    }
    if transcribe.missing() is None:
        measures["pitch"] = lambda one, other: 1 - pitch_distance(one, other)
    ours, theirs = common_duration(output, content)
    return {name: take(ours, theirs) for name, take in measures.items() if names is None or name in names}


def style_gain(
    output: ClipLike, style: ClipLike, content: ClipLike, *, names: Collection[str] | None = None
) -> dict[str, float]:
    """Measure the fraction of the distance from the content to the style that the output has covered.

    ``1 - d(output, style) / d(content, style)`` for the distances d of :func:`style_distance`: 1 for the
    style's own sound, 0 for no nearer than the content, negative for further away.

    Args:
        output: Clip to judge.
        style: Clip whose sound it should have.
        content: Clip that the transfer started from.
        names: Distances to take; all if ``None``.
    """
    output, style, content = (ClipFeatures.of(clip) for clip in (output, style, content))
    gains = {}
    for name, distance in _STYLE_DISTANCES.items():
        if names is None or name in names:
            before = distance(content, style)
            gains[name] = 1 - distance(output, style) / before if before > 1e-9 else 1.0
    return gains


def style_distance(output: ClipLike, style: ClipLike) -> dict[str, float]:
    """Measure the distance of the output's sound from the style's, at whatever times; 0 for the same sound.

    ``timbre`` (:func:`retimbre.metrics.spectral.timbre_distance`), ``spectrum``
    (:func:`retimbre.metrics.spectral.spectrum_distance`) and ``gram``
    (:func:`retimbre.metrics.spectral.gram_distance`).
    """
    output, style = ClipFeatures.of(output), ClipFeatures.of(style)
    return {name: distance(output, style) for name, distance in _STYLE_DISTANCES.items()}


def target_distance(output: ClipLike, target: ClipLike) -> dict[str, float]:
    """Measure the distance from the right answer, where one is known; lower is better.

    ``lsd`` (:func:`retimbre.metrics.spectral.log_spectral_distance`), ``timbre``
    (:func:`retimbre.metrics.spectral.timbre_distance`) and ``pitch``
    (:func:`retimbre.metrics.content.pitch_distance`).
    """
    output, target = ClipFeatures.of(output), ClipFeatures.of(target)
    distances = {"lsd": log_spectral_distance(output, target), "timbre": timbre_distance(output, target)}
    if transcribe.missing() is None:
        distances["pitch"] = pitch_distance(output, target)
    return distances


def artifacts(output: ClipLike, content: ClipLike, style: ClipLike | None = None) -> dict[str, float]:
    """Measure technical faults of the output; 0 is right for every one.

    - ``clipped``: share of samples at full scale;
    - ``length``: difference in length from the content in seconds;
    - ``samples``: the same in samples of the output;
    - ``treble``: share of energy from 10 kHz up, outside the inputs' range (:func:`outside_range`), -1 to 1;
    - ``flatness``: spectral flatness in dB, outside the inputs' range: hiss is above, whistling below.
    """
    output = ClipFeatures.of(output)
    inputs = [ClipFeatures.of(clip) for clip in (content, style) if clip is not None]
    clip, wanted = output.audio, inputs[0].audio
    return {
        "clipped": float((np.abs(clip.samples) >= 1 - 2**-15).mean()),
        "length": clip.seconds - wanted.seconds,
        "samples": float(clip.n_samples - round(wanted.n_samples * clip.sample_rate / wanted.sample_rate)),
        "treble": outside_range(output.treble, [other.treble for other in inputs]),
        "flatness": outside_range(output.flatness, [other.flatness for other in inputs]),
    }


def copying(output: ClipLike, style: ClipLike) -> dict[str, float]:
    """Measure copying of the style's samples.

    ``correlation``: the largest normalised cross-correlation with the style at any lag, 0 to 1; 1 for a copy.
    """
    x, y = (ClipFeatures.of(c).resampled.samples.mean(axis=0, dtype=np.float64) for c in (output, style))
    n = 1 << (len(x) + len(y) - 1).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(y, n).conj(), n)
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return {"correlation": float(np.abs(correlation).max()) / size if size > 0 else 0.0}


def measure(
    output: ClipLike,
    *,
    content: ClipLike | None = None,
    style: ClipLike | None = None,
    target: ClipLike | None = None,
) -> dict[str, dict[str, float]]:
    """Take all measures for which the clips are given, in groups named as the functions of this module.

    Args:
        output: Clip to judge.
        content: Clip whose notes and rhythm it should have.
        style: Clip whose sound it should have.
        target: The right answer, where one is known.

    Returns:
        From the name of a group to its measures by name; ``overall`` holds the ``balance``.
    """
    output = ClipFeatures.of(output)
    content, style, target = (None if c is None else ClipFeatures.of(c) for c in (content, style, target))
    groups: dict[str, dict[str, float]] = {}
    if content is not None:
        groups["content_preservation"] = content_preservation(output, content)
        groups["artifacts"] = artifacts(output, content, style)
    if style is not None:
        groups["style_distance"] = style_distance(output, style)
        groups["copying"] = copying(output, style)
    if content is not None and style is not None:
        groups["style_gain"] = style_gain(output, style, content)
        groups["overall"] = {"balance": balance(groups["content_preservation"], groups["style_gain"])}
    if target is not None:
        groups["target_distance"] = target_distance(output, target)
    return groups


def mean_balance_term(group: Mapping[str, float]) -> float:
    """Average the terms of a balance (:data:`BALANCE_TERMS`) in a group: preservation or gain."""
    return fmean(value for name, value in group.items() if name in BALANCE_TERMS)


def balance(preservation: Mapping[str, float], gain: Mapping[str, float]) -> float:
    """Take the harmonic mean of content preservation and style gain, 0 to 1.

    Each is the mean of its terms (:func:`mean_balance_term`); a mean below 0 counts as 0.

    Args:
        preservation: Group of :func:`content_preservation`.
        gain: Group of :func:`style_gain`.
    """
    a, b = (max(0.0, mean_balance_term(group)) for group in (preservation, gain))
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def outside_range(value: float, others: Collection[float]) -> float:
    """Measure by how much a value is outside the range of others: 0 within, positive above, negative below.

    >>> outside_range(3.0, [1.0, 4.0]), outside_range(5.0, [1.0, 4.0]), outside_range(0.5, [1.0, 4.0])
    (0.0, 1.0, -0.5)
    """
    return value - min(max(value, min(others)), max(others))


_STYLE_DISTANCES: dict[str, Callable[[ClipLike, ClipLike], float]] = {
    "timbre": timbre_distance,
    "spectrum": spectrum_distance,
    "gram": gram_distance,
}
