"""Loudness by ITU-R BS.1770-4.

Written by hand although ``pyloudnorm`` has it: that works on whole clips in memory, refuses clips under 0.4 s
and needs scipy; this one takes pieces, any length, any rate and no scipy. A test holds the two together.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from retimbre.sound.audio import Samples, Sound


def loudness(sound: Sound) -> float:
    """Measure the integrated loudness: K-weighted mean power, gated at -70 LUFS and 10 LU below the mean.

    All channels weigh the same (BS.1770 raises surround channels by 1.5 dB). A clip under 0.4 s
    is one block; where the gates leave nothing, the ungated value is given.

    Returns:
        Loudness in LUFS; ``-inf`` for silence.

    >>> from retimbre.sound.audio import Audio
    >>> tone = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)
    >>> round(loudness(Audio(tone, 48000)), 1)  # the standard's calibration: 0 dBFS at 997 Hz
    -3.0
    """
    # The power of every tenth of a second, in pieces of ten seconds with a second before each in which
    # the filters settle.
    hop, settle = min(sound.sample_rate // 10, sound.n_samples), sound.sample_rate
    power, before = [], np.zeros((sound.n_channels, 0), np.float32)
    for piece in sound.pieces(100 * hop):
        settled = np.concatenate([before, piece], axis=1)
        weighted = _k_weighted(settled, sound.sample_rate)[:, before.shape[1] :]
        n_hops = weighted.shape[1] // hop
        power.append(np.square(weighted[:, : n_hops * hop]).sum(axis=0).reshape(n_hops, hop).mean(axis=1))
        before = settled[:, -settle:]
    tenths = np.concatenate(power)
    blocks = np.lib.stride_tricks.sliding_window_view(tenths, min(4, len(tenths))).mean(axis=1)
    kept = blocks[_lufs(blocks) > -70.0]
    if kept.size:
        kept = kept[_lufs(kept) > _lufs(kept.mean()) - 10.0]
    return float(_lufs((kept if kept.size else blocks).mean()))


def _lufs(power: npt.ArrayLike) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(-0.691 + 10 * np.log10(power))


def _k_weighted(samples: Samples, sample_rate: int) -> npt.NDArray[np.float64]:
    """Apply the K weighting, as a product with its exact frequency response.

    The padding of half a second holds the ringing of the 38 Hz pole pair, which has fallen by more than
    400 dB at its end.
    """
    n = 1 << (samples.shape[1] + sample_rate // 2 - 1).bit_length()
    spectrum = torch.fft.rfft(torch.from_numpy(samples).double(), n)
    spectrum *= torch.from_numpy(_k_response(n, sample_rate))
    weighted: npt.NDArray[np.float64] = torch.fft.irfft(spectrum, n)[:, : samples.shape[1]].numpy()
    return weighted


@lru_cache(maxsize=4)
def _k_response(n: int, sample_rate: int) -> npt.NDArray[np.complex128]:
    """Compute the response of the K weighting, a shelf and a high pass, at the bins of n samples.

    The two analogue prototypes behind the standard's 48 kHz coefficients, bilinear at any rate
    (De Man 2014, "Evaluation of implementations of the EBU R128 loudness measurement").
    """
    w = np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n)  # z^-1

    def biquad(b: tuple[float, ...], a: tuple[float, ...]) -> npt.NDArray[np.complex128]:
        return np.asarray((b[0] + b[1] * w + b[2] * w**2) / (a[0] + a[1] * w + a[2] * w**2))

    k, q = math.tan(math.pi * 1681.974450955533 / sample_rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    poles = (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    zeros = (high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k)
    shelf = biquad(zeros, poles)

    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    poles = (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    high_pass = biquad((poles[0], -2 * poles[0], poles[0]), poles)
    return shelf * high_pass
