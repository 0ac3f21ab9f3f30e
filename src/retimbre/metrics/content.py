"""Measures of the notes and the rhythm that two clips share: onsets, chroma, pitch.

Of clips of different lengths the time that both last is compared. Onsets are correlated and paired by hand:
librosa and mir_eval have the same measures, and are half a gigabyte that the tests alone need.
"""

import numpy as np

from retimbre.metrics import transcriber as transcribe
from retimbre.metrics.features import ClipLike, common_duration
from retimbre.metrics.onsets import count_matches


def onset_correlation(output: ClipLike, content: ClipLike) -> float:
    """Correlate the onset envelopes, -1 to 1; 0 where one is constant.

    The envelopes are :attr:`retimbre.metrics.features.ClipFeatures.onset_envelope`.
    """
    ours, theirs = (clip.onset_envelope for clip in common_duration(output, content))
    n = min(len(ours), len(theirs))
    if n == 0 or ours[:n].std() == 0 or theirs[:n].std() == 0:
        return 0.0
    return float(np.corrcoef(ours[:n], theirs[:n])[0, 1])


def onset_f1(output: ClipLike, content: ClipLike) -> float:
    """Compute the F1 of the onsets: ``2 M / (A + B)`` for M pairs of A and B onsets; 0 to 1.

    A pair are two onsets at most 50 ms apart, and each onset is in one pair at most. 1 where neither clip has
    any. Chance pairs some: as a rule an onset in ten for every onset a second.
    """
    ours, theirs = (clip.onsets for clip in common_duration(output, content))
    n_onsets = len(ours) + len(theirs)
    return 2 * count_matches(ours, theirs) / n_onsets if n_onsets else 1.0


def chroma_cosine(output: ClipLike, content: ClipLike) -> float:
    """Average the cosine of the two chroma vectors over the frames, 0 to 1.

    The vectors are :attr:`retimbre.metrics.features.ClipFeatures.chroma`, in which two noises are not alike.
    Frames in which the content has none are left out.
    """
    x, y = (clip.chroma for clip in common_duration(output, content))
    n_frames = min(x.shape[1], y.shape[1])
    x, y = x[:, :n_frames], y[:, :n_frames]
    size = np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0)
    pitched = np.linalg.norm(y, axis=0) > 0
    cosine = np.divide((x * y).sum(axis=0), size, out=np.zeros_like(size), where=size > 0)
    return float(cosine[pitched].mean()) if pitched.any() else 0.0


def pitch_distance(output: ClipLike, target: ClipLike) -> float:
    """Average ``1 - |A & B| / |A | B|`` over the frames, for the sets A and B of sounding semitones; 0 to 1.

    0 in a frame where both are empty (Cifka et al. 2021). The sets are a transcriber's
    (:attr:`retimbre.metrics.features.ClipFeatures.piano_roll`), so that even the right notes are not at 0
    when another instrument plays them.

    Raises:
        DependencyError: the transcriber is not installed.
    """
    ours, theirs = (clip.piano_roll for clip in common_duration(output, target))
    return roll_distance(ours, theirs)


def roll_distance(ours: transcribe.Roll, theirs: transcribe.Roll) -> float:
    """Compute the :func:`pitch_distance` of two rolls (88, T), over the frames that both have."""
    n_frames = min(ours.shape[1], theirs.shape[1])
    ours, theirs = ours[:, :n_frames], theirs[:, :n_frames]
    both, either = (ours & theirs).sum(axis=0), (ours | theirs).sum(axis=0)
    return float(np.where(either > 0, 1 - both / np.maximum(either, 1), 0.0).mean())
