"""Distances of the sound of two clips: log spectra frame by frame, timbre, mean spectrum, Gram matrices.

The Frechet distance is written by hand for the sake of its matrix root: scipy has one, and is an extra of the
tests only.
"""

from statistics import fmean

import numpy as np

from retimbre.metrics.features import ClipFeatures, ClipLike, common_duration


def log_spectral_distance(output: ClipLike, target: ClipLike) -> float:
    """Compute the log-spectral distance in dB, 0 and up, over the time that both clips last.

    The mean over 40 mel bands of the root mean square difference over time, of spectra of equal mean power
    (after Cifka et al. 2021).
    """
    ours, theirs = (clip.mel for clip in common_duration(output, target))
    n_frames = min(ours.shape[1], theirs.shape[1])
    levels = [10 * np.log10(p[:, :n_frames] / max(p.mean(), 1e-300) + 1e-8) for p in (ours, theirs)]
    return float(np.sqrt(np.square(levels[0] - levels[1]).mean(axis=1)).mean())


def timbre_distance(one: ClipLike, other: ClipLike) -> float:
    """Compute the Frechet distance of MFCC 2 to 13, taken as Gaussians, 0 and up.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2)`` for means m and covariances C.
    """
    means, covariances = [], []
    for clip in (one, other):
        coefficients = ClipFeatures.of(clip).mfcc
        means.append(coefficients.mean(axis=1))
        several = coefficients.shape[1] > 1
        covariances.append(np.cov(coefficients) if several else np.zeros((len(coefficients),) * 2))
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    # tr (C1 C2)^1/2 = tr (C1^1/2 C2 C1^1/2)^1/2, which is symmetric.
    cross = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(min=0)).sum()
    between = float(np.square(means[0] - means[1]).sum())
    return max(0.0, between + float(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * cross))


def spectrum_distance(one: ClipLike, other: ClipLike) -> float:
    """Compute the root mean square difference of the mean spectra in dB, 0 and up.

    The spectra are :attr:`retimbre.metrics.features.ClipFeatures.mean_spectrum`.
    """
    difference = ClipFeatures.of(one).mean_spectrum - ClipFeatures.of(other).mean_spectrum
    return float(np.sqrt(np.square(difference).mean()))


def gram_distance(output: ClipLike, style: ClipLike) -> float:
    """Compute the distance of the Gram matrices in a held-out network, 0 and up.

    The mean over the layers of :mod:`retimbre.metrics.heldout` of ``||G - S||^2 / ||S||^2``, as
    :class:`retimbre.StyleLoss` has it: 0 for the style's own statistics, 1 for silence. A silent style is 1
    from everything but silence.
    """
    distances = []
    for ours, theirs in zip(ClipFeatures.of(output).grams, ClipFeatures.of(style).grams, strict=True):
        difference, size = float((ours - theirs).square().sum()), float(theirs.square().sum())
        distances.append(difference / size if size > 0 else float(difference > 0))
    return fmean(distances)
