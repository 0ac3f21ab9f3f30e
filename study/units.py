"""Units: each stroke of the content replaced by the style's most similar one, for drums.

Concatenative synthesis with units from onset to onset and distances of standardised features, after Schwarz
2006, "Concatenative sound synthesis: the early years", Journal of New Music Research 35, and its use for drum
loops in Zils and Pachet 2001, "Musical mosaicing", DAFx. It knows nothing of kinds of drums and no network
hears for it; this is what a drum replacer with a sampler does.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from retimbre.metrics.features import ClipFeatures
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from study.clips import as_loud, check_sounding

LISTENED = 0.1
"""Seconds from an onset that are compared."""
EARLY = 0.01
"""Seconds before an onset at which a unit begins, with a fade of that length."""
SHORTAGE = 16.0
"""Cost of a unit that ends before the content's next onset, for each octave by which it is too short. Of 0,
1, 4, 16 and 64 the one with the lowest sum of LSD, timbre and stroke over the pairs with drums for tuning;
units that fall silent at their own end instead of going on are worse."""

_N_BANDS = 12

Matrix = npt.NDArray[np.float64]


def replace_units(content: Audio, style: Audio, settings: Settings | None = None) -> Audio:
    """Replace each unit of the content by the style's most similar one, at the content's level.

    Features are the levels in 12 bands of the first 100 ms, less their mean, and each is standardised within
    its clip: a dark kit's brightest stroke is like a bright kit's. A unit lasts until the content's next
    onset, and the style goes on where it is longer than its own.

    Args:
        content: Clip whose onsets and levels are kept; channels are mixed.
        style: Clip whose units are used; channels are mixed.
        settings: Not used: nothing here is random.

    Returns:
        One channel at the content's rate, of its length and loudness.

    Raises:
        InputError: a clip that is silent.
    """
    check_sounding(content, style)
    rate = content.sample_rate
    fade = round(EARLY * rate)
    clips = [Audio(clip.resampled(rate).samples.mean(axis=0), rate) for clip in (content, style)]
    starts = [_onsets(clip) for clip in clips]
    features, levels = zip(
        *(_features(clip, first) for clip, first in zip(clips, starts, strict=True)), strict=True
    )
    ours, theirs = (_standardised(each) for each in features)
    source = clips[1].samples[0].astype(np.float64)
    made = np.zeros(content.n_samples)
    wanted, given = (
        np.diff(np.append(first, clip.n_samples)) for first, clip in zip(starts, clips, strict=True)
    )
    for start, length, unit, level in zip(starts[0], wanted, ours, levels[0], strict=True):
        shortage = np.log2(length / given).clip(min=0)
        nearest = int((np.square(theirs - unit).sum(axis=1) + SHORTAGE * shortage).argmin())
        piece = source[starts[1][nearest] :][: length + fade].copy()
        piece[:fade] *= np.linspace(0, 1, len(piece[:fade]), endpoint=False)
        piece[max(0, len(piece) - fade) :] *= np.linspace(1, 0, min(fade, len(piece)))
        piece = piece[: len(made) - start] * 10 ** ((level - levels[1][nearest]) / 20)
        made[start : start + len(piece)] += piece
    audio = Audio(made.astype(np.float32), rate)
    return as_loud(audio, content)


def _onsets(clip: Audio) -> npt.NDArray[np.int64]:
    """Find where units begin, in samples; the clip's start is one where nothing else is."""
    onsets = np.round((ClipFeatures(clip).onsets - EARLY) * clip.sample_rate).astype(np.int64)
    return np.unique(onsets.clip(0, clip.n_samples - 1)) if len(onsets) else np.zeros(1, np.int64)


def _features(clip: Audio, starts: npt.NDArray[np.int64]) -> tuple[Matrix, Matrix]:
    """Compute the bands' levels in dB about their mean, (U, 12), and the level of each unit, (U,)."""
    size = round((LISTENED + EARLY) * clip.sample_rate)
    padded = np.pad(clip.samples[0].astype(np.float64), (0, size))
    frames = np.stack([padded[start : start + size] for start in starts]) * np.hanning(size)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    frequencies = np.fft.rfftfreq(size, 1 / clip.sample_rate)
    edges = np.geomspace(40, clip.sample_rate / 2, _N_BANDS + 1)
    bands = np.stack(
        [power[:, (frequencies >= low) & (frequencies < high)].sum(axis=1) for low, high in pairwise(edges)],
        axis=1,
    )
    levels = 10 * np.log10(bands + 1e-8 * max(float(bands.max()), 1e-30))
    whole = 10 * np.log10(power.sum(axis=1) + 1e-12)
    return levels - levels.mean(axis=1, keepdims=True), whole


def _standardised(features: Matrix) -> Matrix:
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0))
