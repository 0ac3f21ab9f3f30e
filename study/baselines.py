"""Musaicing: the content composed of the style's own frames, as a baseline for the benchmark.

Written from the paper: Driedger, Prätzlich and Müller 2015, "Let it Bee: towards NMF-inspired audio
mosaicing", ISMIR. The magnitudes of the style's frames are a fixed dictionary W (F, K), the content's are V
(F, T), and only the activations H (K, T) are learnt, by the multiplicative rule that lowers the
Kullback-Leibler divergence (Lee and Seung 2001). What makes it a mosaic are three constraints, each applied
to H before every update and the harder the later.
"""

import torch
from torch import Tensor
from torch.nn import functional

from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.phase import griffin_lim
from retimbre.sound.stft import Window
from study.clips import as_loud, check_sounding

ROUNDS = 20
"""Updates, L."""
REPETITION = 3
"""Frames on either side in which a frame of the style may sound once, r."""
POLYPHONY = 10
"""Frames of the style that may sound at once, p."""
CONTINUITY = 3
"""Frames on either side, along the diagonal, that support each other, c."""

_PHASE_ROUNDS = 32
_SILENT = 1e-3  # of the loudest frame: quieter ones are no material, and their scale would be arbitrary


def musaicing(content: Audio, style: Audio, settings: Settings | None = None) -> Audio:
    """Compose the content of frames of the style.

    For the phase the activations are given the style's complex frames, whose phases go on from frame to
    frame along a diagonal; from there fast Griffin-Lim, 32 rounds (:mod:`retimbre.sound.phase`; the paper has
    the original). Window and hop are the settings', so that all rows of a table see the same frames.

    Args:
        content: Clip to compose; channels are mixed.
        style: Clip to compose it of; channels are mixed.
        settings: ``n_fft``, ``hop_length`` and ``seed``; the defaults if ``None``.

    Returns:
        One channel at the content's rate, of its length and loudness.

    Raises:
        InputError: a clip that is silent.
    """
    settings = settings or Settings()
    window = Window.at_rate(settings, content.sample_rate, torch.device("cpu"))
    check_sounding(content, style)
    target, source = (_bins(clip.resampled(content.sample_rate), window) for clip in (content, style))
    size = source.abs().sum(dim=0)
    source = source * (size > _SILENT * size.max())
    h = activations(target.abs(), source.abs(), torch.Generator().manual_seed(settings.seed))
    composed = source @ h.to(source.dtype)
    image = torch.polar(torch.ones_like(composed.real), composed.angle())[None]
    samples, _ = griffin_lim(source.abs() @ h, image, window, content.n_samples, n_iter=_PHASE_ROUNDS)
    made = Audio(samples.numpy(), content.sample_rate)
    return as_loud(made, content)


def activations(target: Tensor, source: Tensor, generator: torch.Generator) -> Tensor:
    """Fit activations of the source's frames to the target, under the three constraints.

    In round l of L, with f = 1 - l / L:

    - repetition: all but the largest of 2 r + 1 frames in a row are multiplied by f;
    - polyphony: all but the p largest of a column are multiplied by f;
    - continuity: each becomes the sum of 2 c + 1 along its diagonal, so that the source goes on;
    - update: ``H <- H * (W^T (V / W H)) / (W^T 1)``.

    Args:
        target: Magnitudes V (F, T).
        source: Magnitudes W (F, K), the dictionary; columns of zeros stay unused.
        generator: Generator of the uniform start.

    Returns:
        H (K, T), at least 0.
    """
    tiny = torch.finfo(target.dtype).tiny
    floor = max(tiny, 1e-9 * float(target.max()))  # where no frame of the source has anything
    h = torch.rand(source.shape[1], target.shape[1], generator=generator, dtype=target.dtype)
    weight = source.sum(dim=0)[:, None]
    h = torch.where(weight > 0, h, 0.0)
    for number in range(1, ROUNDS + 1):
        left = 1 - number / ROUNDS
        largest = functional.max_pool1d(h[None], 2 * REPETITION + 1, stride=1, padding=REPETITION)[0]
        h = torch.where(h < largest, left * h, h)
        least = h.topk(min(POLYPHONY, len(h)), dim=0).values[-1]
        h = torch.where(h < least, left * h, h)
        h = _diagonal_sums(h)
        ratio = target / (source @ h).clamp(min=floor)
        h = torch.where(weight > 0, h * (source.T @ ratio) / weight.clamp(min=tiny), 0.0)
    return h


def _diagonal_sums(h: Tensor) -> Tensor:
    """Sum along diagonals: ``sum over i from -c to c of h[k + i, t + i]``, zeros beyond the ends."""
    c, (k, t) = CONTINUITY, h.shape
    padded = functional.pad(h, (c, c, c, c))
    return torch.stack([padded[i : i + k, i : i + t] for i in range(2 * c + 1)]).sum(dim=0)


def _bins(clip: Audio, window: Window) -> Tensor:
    return window.stft(torch.from_numpy(clip.samples).mean(dim=0, keepdim=True))[0]
