"""Closed-form matches: a content's spectrum, or the distribution of its levels, made the style's.

Both find gains in 40 mel bands, interpolate them to the bins in dB and apply them to the content. A gain
moves what is there; it adds no note and moves none. So a match is a starting point that is nearer to the
style and still in the content's key.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from retimbre.alignment.passage import Passage
from retimbre.alignment.registry import Played
from retimbre.losses.terms import Style
from retimbre.sound.mel import slaney_mel
from retimbre.sound.stft import from_log_magnitude, log_magnitude

N_BANDS = 40
"""Mel bands: few enough that a band holds several partials, so that its level is not that of one note."""

LOWEST = 40.0
"""Hz. The lowest edge of the bands."""

FLOOR = -100.0
"""dB below the content's highest band level, where the noise of 16 bits is. What is quieter is silence and is
not raised. Much of an instrument's treble is only a little above: after the quantile match the timbre's
distance from the target is .76 of the content's on the eight melodic pairs for tuning, .79 with -80 here."""

BOOST = 40.0
"""dB. Most that a band is raised; with 60, and -110 above, that distance is .75. A gain is also at most the
level above ``FLOOR``, so that it fades towards silence. Cuts are free."""


def equalised(content: Tensor, style: Style, bin_width: float) -> Tensor:
    """Give the content the style's long-term spectrum: one gain for each band, at all times.

    ``gain = 10 log10(mean_u e_s(u) / mean_t e_c(t))`` for the band energies e; several styles have their
    weighted mean.

    Args:
        content: Compressed spectrogram (F, T).
        style: Compressed spectrograms (F, T') and their shares.
        bin_width: From bin to bin, in Hz.

    Returns:
        Compressed spectrogram (F, T).
    """
    bands = _Bands(content, bin_width)
    level = _decibels(bands.energies(content).mean(dim=1, keepdim=True))
    wanted = torch.stack([share * bands.energies(clip).mean(dim=1) for clip, share in style.clips]).sum(dim=0)
    return bands.moved(content, level, _decibels(wanted[:, None]))


def quantile(content: Tensor, style: Style, bin_width: float) -> Tensor:
    """Give each band's levels the style's distribution: the loudest frame gets the style's loudest level.

    ``L'(t) = Q(R(L(t)))``, with R the share of the content's frames that are quieter and Q the style's
    quantile function, level by level: the optimal transport of one distribution of levels to the other.
    Several styles are one distribution, each frame with its share. Frames of the same level stay together.

    Args:
        content: Compressed spectrogram (F, T).
        style: Compressed spectrograms (F, T') and their shares.
        bin_width: From bin to bin, in Hz.

    Returns:
        Compressed spectrogram (F, T). Of the style itself: itself.
    """
    bands = _Bands(content, bin_width)
    level = _decibels(bands.energies(content))
    levels = torch.cat([_decibels(bands.energies(clip)) for clip, _ in style.clips], dim=1)
    shares = torch.cat([level.new_full((clip.shape[1],), s / clip.shape[1]) for clip, s in style.clips])
    wanted = [_mapped(mine, theirs, shares) for mine, theirs in zip(level, levels, strict=True)]
    return bands.moved(content, level, torch.stack(wanted))


class _Match:
    """An alignment that moves the content and leaves the style as it is; used where it is asked for."""

    _match: Callable[[Tensor, Style, float], Tensor]

    def fit(self, style: Sequence[tuple[Passage, float]]) -> None:
        """Keep the spectrograms of a style."""
        self._style = Style([(passage.frames, share) for passage, share in style])

    def suits(self, content: Passage) -> float:
        """Give 0: a match is not chosen by itself (:mod:`retimbre.alignment.target` says why)."""
        return 0.0

    def play(self, content: Passage) -> Played:
        """Give the content with the style's spectrum or levels."""
        style = self._style.cut(content.frames.shape[1])
        matched = type(self)._match(content.frames, style, content.sample_rate / content.window.n_fft)
        return Played([(matched, 1.0)], replaces_style=False)


class EqualisedMatch(_Match):
    """Gives the content the style's long-term spectrum (:func:`equalised`)."""

    _match = staticmethod(equalised)


class QuantileMatch(_Match):
    """Gives the content's levels the style's distribution (:func:`quantile`)."""

    _match = staticmethod(quantile)


class _Bands:
    """The mel bands of spectrograms with ``F`` bins: the energies in them, and gains for them."""

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
        """Mean power of each band, (bands, T)."""
        return self._bank @ from_log_magnitude(spectrogram).square()

    def moved(self, content: Tensor, level: Tensor, wanted: Tensor) -> Tensor:
        """The content with its band levels moved to those wanted, both in dB, (bands, T) or (bands, 1)."""
        room = (level - level.max() - FLOOR).clamp(0, BOOST)
        gains = torch.minimum(wanted - level, room)
        gains = gains[self._above - 1] * (1 - self._share) + gains[self._above] * self._share
        return log_magnitude(from_log_magnitude(content) * 10 ** (gains / 20))


def _decibels(energies: Tensor) -> Tensor:
    # In float32 a magnitude of 1e-10 still has a square; below that is what no clip holds.
    return 10 * energies.clamp(min=1e-20).log10()


def _mapped(values: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """Map values (T,) onto the distribution of others (T') with shares, by their rank."""
    _, members, counts = torch.unique(values, return_inverse=True, return_counts=True)
    rank = (counts.cumsum(0) - counts / 2) / len(values)  # of the middle of those with the same value
    others, order = others.sort()
    weights = shares[order]
    at = weights.cumsum(0) - weights / 2
    above = torch.searchsorted(at, rank).clamp(max=len(at) - 1)
    below = (above - 1).clamp(min=0)
    step = (at[above] - at[below]).clamp(min=torch.finfo(at.dtype).tiny)
    share = ((rank - at[below]) / step).clamp(0, 1)
    return torch.lerp(others[below], others[above], share)[members]
