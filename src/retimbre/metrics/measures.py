"""Measures of a transfer: how much of the content is kept and of the style reached, how far the target is.

None of them is what retimbre optimises: a judge must not be a party. Levels do not matter. Wherever a clip
is asked for, an :class:`Audio` will do; a :class:`retimbre.metrics.features.Heard` remembers what it has
computed, for a clip that is measured against many. Measures of pitch need a transcriber
(:mod:`retimbre.metrics.transcriber`) and are left out of the groups where it is missing.

How near the samples that are written come to the spectrogram that was asked for is known to a run alone:
:attr:`retimbre.Result.spectral_convergence`.
"""

from collections.abc import Callable, Collection, Mapping
from statistics import fmean

import numpy as np

from retimbre.metrics import transcriber as transcribe
from retimbre.metrics.features import Heard
from retimbre.metrics.onsets import pairs
from retimbre.sound.audio import Audio

Clip = Audio | Heard
"""What can be measured."""

WEIGHED = ("onsets", "chroma", "timbre", "spectrum")
"""The measures that make up a balance. The others judge what a balance has chosen."""


def kept(output: Clip, content: Clip, *, names: Collection[str] | None = None) -> dict[str, float]:
    """How much of the content is in the output, over the time that both last.

    ``onsets`` (:func:`onset_correlation`), ``chroma`` (:func:`chroma_cosine`), ``onset_f1``
    (:func:`onset_f1`) and ``pitch`` (1 - :func:`pitch_distance`). 1 is all, 0 nothing.

    Args:
        output: The clip to judge.
        content: What it should keep.
        names: Which of them; all that can be had if ``None``.
    """
    measures: dict[str, Callable[[Clip, Clip], float]] = {
        "onsets": onset_correlation,
        "chroma": chroma_cosine,
        "onset_f1": onset_f1,
    }
    if transcribe.missing() is None:
        measures["pitch"] = lambda one, other: 1 - pitch_distance(one, other)
    ours, theirs = _together(output, content)
    return {name: of(ours, theirs) for name, of in measures.items() if names is None or name in names}


def reached(
    output: Clip, style: Clip, content: Clip, *, names: Collection[str] | None = None
) -> dict[str, float]:
    """How much nearer to the style than the content the output is: 1 minus the ratio of two distances.

    The distances are those of :func:`apart`. 1 is the style's own, 0 no nearer than the content, negative
    further away.
    """
    output, style, content = (Heard.of(clip) for clip in (output, style, content))
    found = {}
    for name, distance in _DISTANCES.items():
        if names is None or name in names:
            before = distance(content, style)
            found[name] = 1 - distance(output, style) / before if before > 1e-9 else 1.0
    return found


def apart(output: Clip, style: Clip) -> dict[str, float]:
    """How far the output's sound is from the style's, whenever things happen; 0 is the style's own.

    ``timbre`` (:func:`timbre_distance`), ``spectrum`` (:func:`spectrum_distance`) and ``gram``
    (:func:`gram_distance`).
    """
    output, style = Heard.of(output), Heard.of(style)
    return {name: distance(output, style) for name, distance in _DISTANCES.items()}


def against(output: Clip, target: Clip) -> dict[str, float]:
    """How far an output is from what it should be, where that is known; lower is better.

    ``lsd`` (:func:`log_spectral_distance`), ``timbre`` (:func:`timbre_distance`) and ``pitch``
    (:func:`pitch_distance`).
    """
    output, target = Heard.of(output), Heard.of(target)
    found = {"lsd": log_spectral_distance(output, target), "timbre": timbre_distance(output, target)}
    if transcribe.missing() is None:
        found["pitch"] = pitch_distance(output, target)
    return found


def soundness(output: Clip, content: Clip, style: Clip | None = None) -> dict[str, float]:
    """What can be wrong with a clip as such; 0 is right for every one.

    - ``clipped``: share of samples at full scale;
    - ``length``: difference in length from the content in seconds;
    - ``samples``: the same in samples of the output;
    - ``treble``: share of energy from 10 kHz up, beyond the inputs' (:func:`beyond`), -1 to 1;
    - ``flatness``: spectral flatness in dB, beyond the inputs': hiss is above, whistling below.
    """
    output, inputs = Heard.of(output), [Heard.of(clip) for clip in (content, style) if clip is not None]
    clip, wanted = output.audio, inputs[0].audio
    return {
        "clipped": float((np.abs(clip.samples) >= 1 - 2**-15).mean()),
        "length": clip.seconds - wanted.seconds,
        "samples": float(clip.n_samples - round(wanted.n_samples * clip.sample_rate / wanted.sample_rate)),
        "treble": beyond(output.treble, [other.treble for other in inputs]),
        "flatness": beyond(output.flatness, [other.flatness for other in inputs]),
    }


def copied(output: Clip, style: Clip) -> dict[str, float]:
    """``copy``: the largest normalised cross-correlation with the style, at any lag; 0 to 1, 1 for a copy."""
    x, y = (Heard.of(c).resampled.samples.mean(axis=0, dtype=np.float64) for c in (output, style))
    n = 1 << (len(x) + len(y) - 1).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(y, n).conj(), n)
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return {"copy": float(np.abs(correlation).max()) / size if size > 0 else 0.0}


def measured(
    output: Clip, *, content: Clip | None = None, style: Clip | None = None, target: Clip | None = None
) -> dict[str, dict[str, float]]:
    """Take all measures for which the clips are given, in groups named by what they ask."""
    output = Heard.of(output)
    content, style, target = (None if c is None else Heard.of(c) for c in (content, style, target))
    found: dict[str, dict[str, float]] = {}
    if content is not None:
        found["kept"] = kept(output, content)
        found["soundness"] = soundness(output, content, style)
    if style is not None:
        found["apart"] = apart(output, style)
        found["copied"] = copied(output, style)
    if content is not None and style is not None:
        found["reached"] = reached(output, style, content)
        found["overall"] = {"balance": balance(found["kept"], found["reached"])}
    if target is not None:
        found["against"] = against(output, target)
    return found


def weighed(part: Mapping[str, float]) -> float:
    """Mean of the measures that make up a balance (:data:`WEIGHED`), of what is kept or what is reached."""
    return fmean(value for name, value in part.items() if name in WEIGHED)


def balance(kept: Mapping[str, float], reached: Mapping[str, float]) -> float:
    """Harmonic mean of what is kept and what is reached (:func:`weighed`); a mean below 0 counts as 0."""
    a, b = (max(0.0, weighed(part)) for part in (kept, reached))
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def onset_correlation(output: Clip, content: Clip) -> float:
    """Correlation of the onset envelopes (:attr:`Heard.envelope`), -1 to 1; 0 where one is constant."""
    ours, theirs = (clip.envelope for clip in _together(output, content))
    n = min(len(ours), len(theirs))
    if n == 0 or ours[:n].std() == 0 or theirs[:n].std() == 0:
        return 0.0
    return float(np.corrcoef(ours[:n], theirs[:n])[0, 1])


def onset_f1(output: Clip, content: Clip) -> float:
    """F1 of the onsets (:attr:`Heard.onsets`): ``2 M / (A + B)`` for M pairs of A and B; 0 to 1.

    A pair are two onsets at most 50 ms apart, and each onset is in one pair at most. 1 where neither clip has
    any. Chance pairs some: as a rule an onset in ten for every onset a second.
    """
    ours, theirs = (clip.onsets for clip in _together(output, content))
    n_onsets = len(ours) + len(theirs)
    return 2 * pairs(ours, theirs) / n_onsets if n_onsets else 1.0


def chroma_cosine(output: Clip, content: Clip) -> float:
    """Mean over the frames of the cosine of the two chroma vectors (:attr:`Heard.chroma`), 0 to 1.

    Only what rises above the frame's own median counts, so that two noises are not alike. Frames in which the
    content has none are left out.
    """
    x, y = (clip.chroma for clip in _together(output, content))
    n_frames = min(x.shape[1], y.shape[1])
    x, y = x[:, :n_frames], y[:, :n_frames]
    size = np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0)
    heard = np.linalg.norm(y, axis=0) > 0
    cosine = np.divide((x * y).sum(axis=0), size, out=np.zeros_like(size), where=size > 0)
    return float(cosine[heard].mean()) if heard.any() else 0.0


def pitch_distance(output: Clip, target: Clip) -> float:
    """Mean over the frames of ``1 - |A & B| / |A | B|`` for the sets A and B of sounding semitones; 0 to 1.

    0 in a frame where both are empty (Cifka et al. 2021). The sets are a transcriber's (:attr:`Heard.roll`),
    so that even the right notes are not at 0 when another instrument plays them.

    Raises:
        DependencyError: the transcriber is not installed.
    """
    ours, theirs = (clip.roll for clip in _together(output, target))
    return roll_distance(ours, theirs)


def roll_distance(ours: transcribe.Roll, theirs: transcribe.Roll) -> float:
    """The same for two rolls (88, T), over the frames that both have."""
    n_frames = min(ours.shape[1], theirs.shape[1])
    ours, theirs = ours[:, :n_frames], theirs[:, :n_frames]
    both, either = (ours & theirs).sum(axis=0), (ours | theirs).sum(axis=0)
    return float(np.where(either > 0, 1 - both / np.maximum(either, 1), 0.0).mean())


def log_spectral_distance(output: Clip, target: Clip) -> float:
    """Log-spectral distance in dB, 0 and up.

    The mean over 40 mel bands of the root mean square difference over time, of spectra of equal mean power
    (after Cifka et al. 2021).
    """
    ours, theirs = (clip.mel for clip in _together(output, target))
    n_frames = min(ours.shape[1], theirs.shape[1])
    levels = [10 * np.log10(p[:, :n_frames] / max(p.mean(), 1e-300) + 1e-8) for p in (ours, theirs)]
    return float(np.sqrt(np.square(levels[0] - levels[1]).mean(axis=1)).mean())


def timbre_distance(one: Clip, other: Clip) -> float:
    """Frechet distance of MFCC 2 to 13, taken as Gaussians, 0 and up.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2)`` for means m and covariances C.
    """
    means, covariances = [], []
    for clip in (one, other):
        coefficients = Heard.of(clip).mfcc
        means.append(coefficients.mean(axis=1))
        several = coefficients.shape[1] > 1
        covariances.append(np.cov(coefficients) if several else np.zeros((len(coefficients),) * 2))
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    # tr (C1 C2)^1/2 = tr (C1^1/2 C2 C1^1/2)^1/2, which is symmetric.
    cross = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(min=0)).sum()
    between = float(np.square(means[0] - means[1]).sum())
    return max(0.0, between + float(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * cross))


def spectrum_distance(one: Clip, other: Clip) -> float:
    """Root mean square difference of the long-term spectra (:attr:`Heard.spectrum`) in dB, 0 and up."""
    return float(np.sqrt(np.square(Heard.of(one).spectrum - Heard.of(other).spectrum).mean()))


def gram_distance(output: Clip, style: Clip) -> float:
    """Distance of the Gram matrices in a held-out network (:mod:`retimbre.metrics.heldout`), 0 and up.

    The mean over its layers of ``||G - S||^2 / ||S||^2``, as :class:`retimbre.StyleLoss` has it: 0 for the
    style's own statistics, 1 for silence. A silent style is 1 from everything but silence.
    """
    distances = []
    for ours, theirs in zip(Heard.of(output).grams, Heard.of(style).grams, strict=True):
        difference, size = float((ours - theirs).square().sum()), float(theirs.square().sum())
        distances.append(difference / size if size > 0 else float(difference > 0))
    return fmean(distances)


def beyond(value: float, others: Collection[float]) -> float:
    """How far a value is outside the range of others: 0 within, positive above, negative below.

    >>> beyond(3.0, [1.0, 4.0]), beyond(5.0, [1.0, 4.0]), beyond(0.5, [1.0, 4.0])
    (0.0, 1.0, -0.5)
    """
    return value - min(max(value, min(others)), max(others))


def _together(one: Clip, other: Clip) -> tuple[Heard, Heard]:
    """Both clips over the time that both last."""
    one, other = Heard.of(one), Heard.of(other)
    seconds = min(one.audio.seconds, other.audio.seconds)
    return one.cut(seconds), other.cut(seconds)


_DISTANCES: dict[str, Callable[[Clip, Clip], float]] = {
    "timbre": timbre_distance,
    "spectrum": spectrum_distance,
    "gram": gram_distance,
}
