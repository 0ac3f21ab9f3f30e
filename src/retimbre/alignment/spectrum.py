"""Spectral matches in closed form: equalisation, and quantile mapping of band levels.

Both find gains in 40 mel bands, interpolate them to the bins in dB and apply them to the content. A gain
adds no note and moves none. So a match is a starting point that is nearer to the
style and still in the content's key.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from retimbre.alignment.passage import Passage
from retimbre.alignment.registry import Played
from retimbre.losses.terms import Style
from retimbre.sound.mel import slaney_mel
from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import from_log_magnitude, log_magnitude

N_BANDS = 40
"""Mel bands: few enough that a band holds several partials, so that its level is not that of one note."""

LOWEST = 40.0
"""Hz. The lowest edge of the bands."""

FLOOR = -100.0
"""dB below the content's highest band level, where the noise of 16 bits is. Lower levels are silence and
are not raised. Much of an instrument's treble is only a little above: after the quantile match the timbre's
distance from the target is .76 of the content's on the eight melodic pairs for tuning, .79 with -80 here."""

BOOST = 40.0
"""dB. Highest gain of a band; with 60, and -110 above, that distance is .75. A gain is also at most the
level above ``FLOOR``, so that it fades towards silence. Cuts are free."""

APART = 3.65
"""Least distance of the mean spectra in dB of clips that do not sound alike. Of 14 pairs of grooves for
tuning four are nearer, and on three of them an exchange of strokes is further from the target than averages
are (LSD 1.03 to 1.39 of the content's instead of .88 to 1.17); of the other ten it is nearer on eight."""

FAR = 21.0
"""Distance in dB above which one clip has nothing where the other sounds: no gain would raise anything but
noise. Between a tone and a hiss in another band it is 22 to 27, between recordings for tuning 4 to 17."""

_LIMIT = 20.0
"""dB, the most that a band is raised or cut by the equaliser as an alignment: what is cut away entirely
cannot keep the rhythm. Without it the distances of recordings to the style are .02 less."""

_HIGHEST, _SILENCE = 11_025.0, 1e-7  # Hz, edge of the bands of mean spectra; power of a band, over the mean


def match_spectrum(content: Tensor, style: Style, bin_width: float, limit: float = math.inf) -> Tensor:
    """Match the content's long-term spectrum to the style's: one gain for each band, at all times.

    ``gain = 10 log10(mean_u e_s(u) / mean_t e_c(t))`` for the band energies e; several styles have their
    weighted mean.

    Args:
        content: Compressed spectrogram of the content, (F, T).
        style: Compressed spectrograms of the style, (F, T'), and their shares.
        bin_width: Distance of neighbouring bins in Hz.
        limit: Highest gain in dB, up and down.

    Returns:
        Compressed spectrogram (F, T).
    """
    bands = _Bands(content, bin_width)
    level = _decibels(bands.energies(content).mean(dim=1, keepdim=True))
    wanted = torch.stack([share * bands.energies(clip).mean(dim=1) for clip, share in style.clips]).sum(dim=0)
    gains = (_decibels(wanted[:, None]) - level).clamp(-limit, limit)
    return bands.set_levels(content, level, level + gains)


def match_quantiles(content: Tensor, style: Style, bin_width: float) -> Tensor:
    """Match the distribution of each band's levels to the style's: loudest frame to loudest level, and so on.

    ``L'(t) = Q(R(L(t)))``, with R the share of the content's frames that are quieter and Q the style's
    quantile function, level by level: the optimal transport of one distribution of levels to the other.
    Several styles are one distribution, each frame with its share. Frames of the same level stay together.

    Args:
        content: Compressed spectrogram of the content, (F, T).
        style: Compressed spectrograms of the style, (F, T'), and their shares.
        bin_width: Distance of neighbouring bins in Hz.

    Returns:
        Compressed spectrogram (F, T); the style itself is unchanged.
    """
    bands = _Bands(content, bin_width)
    level = _decibels(bands.energies(content))
    levels = torch.cat([_decibels(bands.energies(clip)) for clip, _ in style.clips], dim=1)
    shares = torch.cat([level.new_full((clip.shape[1],), s / clip.shape[1]) for clip, s in style.clips])
    wanted = [_map_quantiles(mine, theirs, shares) for mine, theirs in zip(level, levels, strict=True)]
    return bands.set_levels(content, level, torch.stack(wanted))


def equalise(
    samples: Tensor, content: Passage, style: Sequence[tuple[Passage, float]], share: float
) -> Tensor:
    """Equalise samples (C, N) of a content's shape: a share of the way, in dB, to a style's mean spectrum."""
    bins = content.window.stft(samples)
    frames = log_magnitude(joint_magnitude(bins))
    spectra = Style([(passage.frames, weight) for passage, weight in style])
    matched = match_spectrum(frames, spectra, content.sample_rate / content.window.n_fft)
    gains = from_log_magnitude(matched) / from_log_magnitude(frames).clamp(min=1e-12)
    return content.window.istft(bins * gains.clamp(min=1e-6) ** share, content.n_samples)


def spectrum_distance(one: Passage, other: Passage) -> float:
    """Average the difference of the mean spectra of two clips over mel bands, in dB, at equal powers."""
    levels = []
    for passage in (one, other):
        bank = slaney_mel(N_BANDS, passage.window.n_fft, passage.sample_rate, LOWEST, _HIGHEST).T
        frames = passage.frames[:, passage.own_frames > 0]  # not the mirror image
        power = bank.to(frames) @ from_log_magnitude(frames).square().mean(dim=1)
        levels.append(10 * (power / power.mean().clamp(min=1e-30) + _SILENCE).log10())
    return float((levels[0] - levels[1]).abs().mean())


def distance_from_style(content: Passage, style: Sequence[tuple[Passage, float]]) -> float:
    """Average the distances of the mean spectra of a content from those of a style's clips, in dB."""
    return sum(share * spectrum_distance(content, passage) for passage, share in style)


class _Match:
    """Alignment that changes the content and leaves the style as it is."""

    _match: Callable[[Tensor, Style, float], Tensor]

    def fit(self, style: Sequence[tuple[Passage, float]]) -> None:
        """Keep the clips of a style and their shares."""
        self._style = Style([(passage.frames, share) for passage, share in style])

    def suits(self, content: Passage) -> float:
        """Give 0: it is used only where the settings name it (:mod:`retimbre.alignment.target` says why)."""
        return 0.0

    def play(self, content: Passage) -> Played:
        """Match the content to the style, in its spectrum or its levels."""
        style = self._style.cut(content.frames.shape[1])
        matched = type(self)._match(content.frames, style, content.sample_rate / content.window.n_fft)
        return Played([(matched, 1.0)], replaces_style=False)


class EqualisedMatch(_Match):
    """Alignment that gives the content the style's long-term spectrum (:func:`match_spectrum`)."""

    _match = staticmethod(partial(match_spectrum, limit=_LIMIT))


class QuantileMatch(_Match):
    """Alignment that gives the content's levels the style's distribution (:func:`match_quantiles`)."""

    _match = staticmethod(match_quantiles)


class _Bands:
    """Mel bands of spectrograms with ``F`` bins: energies in them, and gains for them."""

    def __init__(self, content: Tensor, bin_width: float) -> None:
        n_bins = len(content)
        n_fft = 2 * (n_bins - 1)
        rate = n_fft * bin_width
        bank = slaney_mel(N_BANDS, n_fft, round(rate), min(LOWEST, rate / 8), rate / 2).T.to(content)
        self._bank = bank[bank.sum(dim=1) > 0]  # under a short window the lowest bands have no bin
        # Each bin has the gains of the two bands whose centres are its neighbours, in dB and in proportion.
        positions = torch.arange(n_bins, device=content.device, dtype=content.dtype)
        self._centres = (self._bank @ positions) / self._bank.sum(dim=1)
        above = torch.searchsorted(self._centres, positions).clamp(1, len(self._centres) - 1)
        low, high = self._centres[above - 1], self._centres[above]
        step = (high - low).clamp(min=1e-6)  # bands of the same single bin have the same centre, and gain
        self._above, self._share = above, ((positions - low) / step).clamp(0, 1)[:, None]

    def energies(self, spectrogram: Tensor) -> Tensor:
        """Compute the mean power of each band, (bands, T)."""
        return self._bank @ from_log_magnitude(spectrogram).square()

    def set_levels(self, content: Tensor, level: Tensor, wanted: Tensor) -> Tensor:
        """Apply the gains between two levels of the bands to the content.

        Args:
            content: Compressed spectrogram (F, T).
            level: Levels of its bands in dB, (bands, T) or (bands, 1).
            wanted: Target of these levels in dB, of the same shape.
        """
        room = (level - level.max() - FLOOR).clamp(0, BOOST)
        gains = torch.minimum(wanted - level, room)
        gains = gains[self._above - 1] * (1 - self._share) + gains[self._above] * self._share
        return log_magnitude(from_log_magnitude(content) * 10 ** (gains / 20))


def _decibels(energies: Tensor) -> Tensor:
    # The square of a magnitude of 1e-10, far below the noise of any clip; float32 holds it.
    return 10 * energies.clamp(min=1e-20).log10()


def _map_quantiles(values: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """Map values (T,) to the quantiles of others (T') with shares (T'), by rank."""
    _, members, counts = torch.unique(values, return_inverse=True, return_counts=True)
    rank = (counts.cumsum(0) - counts / 2) / len(values)  # of the middle of equal values
    others, order = others.sort()
    weights = shares[order]
    at = weights.cumsum(0) - weights / 2
    above = torch.searchsorted(at, rank).clamp(max=len(at) - 1)
    below = (above - 1).clamp(min=0)
    step = (at[above] - at[below]).clamp(min=torch.finfo(at.dtype).tiny)
    share = ((rank - at[below]) / step).clamp(0, 1)
    return torch.lerp(others[below], others[above], share)[members]
