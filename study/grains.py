"""Grains: each frame of the content replaced by the style's nearest grain, as GAMuT does it.

Written from the behaviour of the package ``gamut`` 1.2.1 (Tovar-Henao 2022, "Granular Audio Musaicing Toolkit
for Python"), with the values that it has where none are given. It is not used itself: to be imported it
needs PortAudio, a library of the system, its metadata asks for kivy and Sphinx besides, and with NumPy 2.4 it
fails. The differences: the nearest grain is searched among all, not in a leaf of a tree that is cut at random
(docs/quality.md has both); the sound has one channel.
"""

import numpy as np
import numpy.typing as npt

from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from study.clips import as_loud, check_sounding

FRAME, HOP = 1024, 512
"""Samples of a frame under a Hann window, and from one to the next."""
N_COEFFICIENTS = 13
"""Coefficients of the cosine transform of a frame's magnitudes that are compared."""
GRAIN = 0.1
"""Seconds of a grain, rounded to multiples of :data:`HOP`; under a cosine window."""

Matrix = npt.NDArray[np.float64]


def granulate(
    content: Audio, style: Audio, settings: Settings | None = None, *, grain: float = GRAIN
) -> Audio:
    """Replace each frame of the content by the style's nearest grain.

    Args:
        content: Clip to compose; channels are mixed.
        style: Clip to compose it of; channels are mixed.
        settings: Not used: nothing here is random.
        grain: Seconds of a grain.

    Returns:
        One channel at the content's rate, of its length and loudness.

    Raises:
        InputError: a clip that is silent.
    """
    check_sounding(content, style)
    rate = content.sample_rate
    clips = (clip.resampled(rate) for clip in (content, style))
    target, source = (clip.samples.mean(axis=0, dtype=np.float64) for clip in clips)
    features = [_features(clip) for clip in (target, source)]
    low, high = features[1].min(axis=0), features[1].max(axis=0)
    ours, theirs = ((each - low) / np.maximum(high - low, 1e-12) for each in features)
    size = max(1, round(grain * rate / HOP)) * HOP
    made = np.zeros(len(ours) * HOP + size)
    for number, frame in enumerate(ours):
        nearest = int(np.square(theirs - frame).sum(axis=1).argmin())
        start = nearest * HOP + FRAME // 2  # as the package marks a frame
        length = min(size, (len(source) - 1 - start) // HOP * HOP)
        if length > 0:
            window = np.sin(np.pi * (np.arange(length) + 0.5) / length)
            made[number * HOP :][:length] += source[start : start + length] * window
    audio = Audio(made[: content.n_samples].astype(np.float32), rate)
    return as_loud(audio, content)


def _features(clip: Matrix) -> Matrix:
    """Compute the first coefficients of the cosine transform of each frame's magnitudes, (T, 13).

    The package hands the magnitudes to a function that expects levels in mel bands, so that no bands and no
    logarithm are in between. Its last frame is left out.
    """
    padded = np.pad(clip, FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    magnitudes = np.abs(np.fft.rfft(frames * hann, axis=1))
    n = magnitudes.shape[1]
    basis = np.cos(np.pi / n * np.outer(np.arange(n) + 0.5, np.arange(N_COEFFICIENTS))) * np.sqrt(2 / n)
    basis[:, 0] /= np.sqrt(2)
    return np.asarray((magnitudes @ basis)[:-1], dtype=np.float64)
