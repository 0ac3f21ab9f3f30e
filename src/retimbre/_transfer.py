"""The transfer: two clips in, one out. The orchestrator of everything below."""

import os
import time
from pathlib import Path

import torch
from torch import Tensor

from retimbre._clips import (
    MAX_WORKING_RATE,
    Clip,
    Mix,
    analyse,
    as_mix,
    as_sound,
    check_length,
    device,
    excerpts,
    levelled,
    paths,
    spectrogram,
)
from retimbre._result import Result, delivered, mean, mean_step
from retimbre._work import Work
from retimbre.alignment.target import Aims, explained
from retimbre.losses.terms import Style
from retimbre.networks.registry import kind_of
from retimbre.optim.minimise import OnStep
from retimbre.settings import Settings
from retimbre.sound import blocks, files
from retimbre.sound.audio import Audio, Sound
from retimbre.sound.limiter import Limited, match_loudness
from retimbre.sound.spool import Spool
from retimbre.sound.stft import Window


def transfer(
    content: Clip,
    style: Clip | Mix,
    settings: Settings | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    on_step: OnStep | None = None,
) -> Result:
    """Give the content's notes and rhythm the style's sound.

    All clips are brought to one rate (the content's, at most 48 kHz) and loudness; their channels are
    seen as one joint spectrogram, which descends the objective and is then spread over the channels by
    the content's own stereo image. Griffin-Lim finds a waveform for it, and a few steps on the waveform
    itself bring that as near to the objective as the spectrogram was. The result has the content's
    loudness.

    Args:
        content: The clip whose notes and rhythm are kept.
        style: The clip whose sound is taken; any length, rate and number of channels. Or a list of
            (clip, weight): their statistics are mixed, not their sound.
        settings: :class:`Settings`; its defaults if ``None``.
        output: File to write. With it, and with paths as clips, no clip is ever in memory as a whole.
        on_step: Called with a :class:`Step` after every evaluation, by one thread at a time.
            ``KeyboardInterrupt``, raised in it or by Ctrl-C, ends the run with the best result so far:
            of a clip in blocks those that are done, and the content from there on.

    Raises:
        InputError: a clip that is silent or shorter than a window, weights that cannot be used, an output
            that cannot be written, or a device that is not there.
        AudioReadError: a path that cannot be read.
        DivergedError: the loss stopped being a number; its ``result`` is the best before that.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> content = (np.sin(np.arange(11025) * 0.1), 22050)
    >>> style = (rng.standard_normal((2, 8000)), 16000)
    >>> result = transfer(content, style, Settings(n_iter=3))
    >>> result.audio.n_channels, result.audio.n_samples, result.audio.sample_rate
    (1, 11025, 22050)
    """
    began = time.perf_counter()
    settings = settings or Settings()
    of_samples = kind_of(settings).sample_rate is not None
    output = None if output is None else Path(output)
    clip, styles = as_sound(content, "content"), as_mix(style)
    if output is not None:
        files.check_output(
            output, sample_rate=clip.sample_rate, n_channels=clip.n_channels, inputs=paths(content, style)
        )
    rate = min(clip.sample_rate, MAX_WORKING_RATE)
    window = Window.at_rate(settings, rate, device(settings))
    check_length(clip, "content", settings)
    if settings.content_weight is None and settings.strength == 0:
        return _untouched(clip, settings, output, began)
    heard = [(excerpts(sound, settings), share) for sound, share in styles]
    windows = window.around() if settings.resolutions == "three" else [window]
    see = _samples if of_samples else _frames
    styles_seen = [(w, Style([(see(pieces, rate, w), share) for pieces, share in heard])) for w in windows]

    aims = None if of_samples else Aims(styles_seen[0][1], settings, window.n_fft, rate)
    work = Work(clip, rate, styles_seen, settings, on_step, aims)
    with Spool(clip.sample_rate, clip.n_channels, output and output.parent) as spool:
        for piece in blocks.join(work.blocks(), clip.n_samples, clip.n_channels):
            spool.append(piece)
        best = mean_step([o.best for o in work.outcomes if o.best is not None])
        made = match_loudness(spool, work.loudness) if work.sounds else spool
        delivery = delivered(made, output if best is not None else None)
    return Result(
        clip=delivery,
        settings=settings,
        steps=tuple(work.steps),
        best=best,
        written=mean([o.written for o in work.outcomes]),
        content_weight=mean([o.content_weight for o in work.outcomes]),
        spectral_convergence=mean([o.spectral_convergence for o in work.outcomes]),
        stopped=work.stopped,
        seconds=time.perf_counter() - began,
        choices=_explained(work, aims, settings),
    ).checked()


def _explained(work: Work, aims: Aims | None, settings: Settings) -> tuple[str, ...]:
    choices = [outcome.choice for outcome in work.outcomes if outcome.choice is not None]
    return explained(choices, aims.tonality, settings) if aims is not None else ()


def _frames(pieces: list[Audio], rate: int, window: Window) -> Tensor:
    """Compressed spectrogram (F, T') of pieces, one after the other."""
    return torch.cat([spectrogram(analyse(piece, rate, window)) for piece in pieces], dim=1)


def _samples(pieces: list[Audio], rate: int, window: Window) -> Tensor:
    """Samples (C, N) of pieces, one after the other."""
    return torch.cat([levelled(piece, rate) for piece in pieces], dim=1).to(window.device)


def _untouched(content: Sound, settings: Settings, output: Path | None, began: float) -> Result:
    return Result(
        clip=delivered(Limited(content, ceiling=1.0), output),
        settings=settings,
        steps=(),
        best=None,
        written=0.0,
        content_weight=float("inf"),
        spectral_convergence=-float("inf"),
        stopped="untouched",
        seconds=time.perf_counter() - began,
    )
