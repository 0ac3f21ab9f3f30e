"""The domain of networks that take a spectrogram: a prepared style, and the descent towards it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from retimbre._synthesis import to_waveform
from retimbre.alignment.passage import Passage
from retimbre.alignment.registry import find_alignments
from retimbre.alignment.target import Choice, choose_alignment, default_strength, interpolate
from retimbre.losses.terms import Style, StyleStatistics, balanced_objective, style_statistics
from retimbre.optim.minimise import minimise
from retimbre.optim.step import Report
from retimbre.result import Block
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.phase import griffin_lim
from retimbre.sound.stereo import joint_magnitude, stereo_image
from retimbre.sound.stft import Window, from_log_magnitude, log_magnitude

_ENOUGH = 3e-3
"""Loss, as a share of that of silence, at which to stop where the played style is sound of its own: the rest
of the way changes no figure of the melodic pairs for tuning for the better (LSD .57 instead of .54, the
instrument as often recognised), and takes half of the time."""


_NEAR, _NEAR_PLAYED = 1.05, 1.5
"""Ratios of the samples' loss to the spectrogram's at which to stop, and where the played style is sound of
its own. After the search for a phase it is 1.03 to 1.2; a descent over the waveform to its end, half of the
time, changes no figure of the pairs for tuning, played or as they are, at strengths of .25 to .95."""


class _LazyStyle:
    """Style in a network, whose statistics are computed at first use."""

    def __init__(self, network: Any, style: Style) -> None:
        self._network, self.style = network, style

    @cached_property
    def statistics(self) -> StyleStatistics:
        return style_statistics(self._network, self.style)


class _WindowedStyle:
    """Style under one window, with the network for its spectrograms."""

    def __init__(self, window: Window, network: Any, style: Style) -> None:
        self.window, self.network, self._style = window, network, style
        self._cut: tuple[int, _LazyStyle] | None = None

    def cut(self, n_frames: int) -> _LazyStyle:
        """Cut the style into clips of ``n_frames``; blocks and contents of one length share them."""
        if self._cut is None or self._cut[0] != n_frames:
            self._cut = n_frames, _LazyStyle(self.network, self._style.cut(n_frames))
        return self._cut[1]


@dataclass(frozen=True, eq=False)
class _AlignedStyle:
    """Style aligned with a content, with everything that does not depend on the strength.

    Attributes:
        how: Name of the alignment, or ``"none"``.
        styles: Style of the style term, one per window.
        played: Compressed spectrogram (F, T) of the played style, one per window; empty without alignment.
        bins: Complex bins (C, F, T) of the played style, if it has samples.
        default_strength: Strength where none is set.
    """

    how: str
    styles: Sequence[_LazyStyle]
    played: Sequence[Tensor]
    bins: Tensor | None
    default_strength: float


class SpectrogramStyle:
    """Style at one working rate, prepared for networks that take a spectrogram.

    Args:
        clips: Excerpts of each style clip, samples (C, N) at the working rate and level, and its share.
        rate: Working rate in Hz.
        window: Main transform.
        settings: ``align``, ``resolutions``, ``n_iter_phase``.
        network_for: Function that makes the network for spectrograms under a window.
    """

    def __init__(
        self,
        clips: Sequence[tuple[Sequence[Tensor], float]],
        rate: int,
        window: Window,
        settings: Settings,
        network_for: Callable[[Window], Any],
    ) -> None:
        self._settings = settings
        passages = [(Passage(pieces, rate, window), share) for pieces, share in clips]
        self._views = [
            _WindowedStyle(
                w, network_for(w), Style([(passage.frames_under(w), share) for passage, share in passages])
            )
            for w in (window.resolutions() if settings.resolutions == "three" else [window])
        ]
        self._alignments = find_alignments(settings.align)
        for alignment in self._alignments.values():
            alignment.fit(passages)
        self._passages = [passage for passage, _ in passages]
        self.tonality = tuple(p.tonality for p, _ in passages if p.tonality is not None)
        self._cache: WeakKeyDictionary[Passage, _AlignedStyle] = WeakKeyDictionary()

    def descend(
        self, content: Passage, settings: Settings, render: Callable[[Tensor], Audio], report: Report
    ) -> tuple[Tensor, Block]:
        """Descend over the spectrogram, then over the waveform.

        Args:
            content: Block of the content.
            settings: Settings of this run, which differ from those of the style in strength at most.
            render: Function from samples at the working rate to sound, for previews.
            report: Receives every step.

        Returns:
            Samples (C, N) at the working rate, and the record of the block.
        """
        bins = content.bins  # first: content.frames then comes from them, with no second transform
        aligned = self._align(content, report.check)
        strength = aligned.default_strength if settings.strength is None else settings.strength
        share = 0.0 if settings.content_weight is not None else strength
        targets, objectives = [], []
        for n, (view, cut) in enumerate(zip(self._views, aligned.styles, strict=True)):
            frames = content.frames if n == 0 else content.frames_under(view.window)
            targets.append(interpolate(frames, aligned.played[n], share) if aligned.played else frames)
            objectives.append(
                balanced_objective(
                    cut.statistics,
                    targets[n],
                    cut.style,
                    strength=strength,
                    content_weight=settings.content_weight,
                )
            )
        window, style = self._views[0].window, aligned.styles[0].style
        bins = bins if aligned.bins is None else aligned.bins
        clips = (content.frames, targets[0], *(clip for clip, _ in style.clips))
        top = torch.stack([clip.amax(dim=1, keepdim=True) for clip in clips]).amax(dim=0)
        enough = 0.0 if aligned.bins is None else _ENOUGH
        found = minimise(
            objectives[0],
            _start(targets[0], style, settings),
            settings,
            n_iter=settings.n_iter,
            top=top,  # no bin needs to be louder than its maximum over all clips
            report=report,
            preview=lambda frames: render(
                window.istft(from_log_magnitude(frames) * stereo_image(bins), content.n_samples)
            ),
            done=(0.0, 0.8),
            enough=enough,
        )
        others = list(zip(objectives[1:], (view.window for view in self._views[1:]), strict=True))
        waveform = to_waveform(
            found,
            bins,
            content.n_samples,
            objectives[0],
            window,
            settings,
            others=others,
            report=report,
            preview=render,
            enough=enough,
            near=_NEAR if aligned.bins is None else _NEAR_PLAYED,
        )
        return waveform.samples, Block(
            samples=None,
            best=found.best,
            loss=waveform.loss,
            content_weight=objectives[0].content_weight,
            spectral_convergence=waveform.spectral_convergence,
            stopped=waveform.stopped,
            choice=Choice(
                aligned.how,
                None if settings.content_weight is not None else strength,
                content.tonality,
                self.tonality,
                content.reliability,
                content.n_strokes,
                content.n_notes,
                tuple(n for n in (passage.n_strokes for passage in self._passages) if n is not None),
                tuple(n for n in (passage.n_notes for passage in self._passages) if n is not None),
            ),
        )

    def _align(self, content: Passage, check: Callable[[], None]) -> _AlignedStyle:
        """Align the style with a content, once for each content."""
        if content not in self._cache:
            self._cache[content] = self._make_aligned(content, check)
        return self._cache[content]

    def _make_aligned(self, content: Passage, check: Callable[[], None]) -> _AlignedStyle:
        check()
        how = choose_alignment(self._alignments, self._settings.align, content, check)
        played = None if how == "none" else self._alignments[how].play(content)
        check()
        cut = [view.cut(1 + content.n_samples // view.window.hop_length) for view in self._views]
        if played is None:
            return _AlignedStyle(how, cut, [], None, default_strength(None))
        bins = None if played.samples is None else self._views[0].window.stft(played.samples)
        styles, means = [], []
        for n, view in enumerate(self._views):
            clips = played.clips
            if n > 0 and played.samples is not None:
                clips = [(log_magnitude(joint_magnitude(view.window.stft(played.samples))), 1.0)]
            elif n > 0:
                clips = [(self._reanalyse(frames, content, view.window), share) for frames, share in clips]
            style = Style(list(clips))
            styles.append(_LazyStyle(view.network, style) if played.replaces_style else cut[n])
            means.append(style.mean)
        return _AlignedStyle(how, styles, means, bins, default_strength(played))

    def _reanalyse(self, frames: Tensor, content: Passage, window: Window) -> Tensor:
        """Resynthesise a spectrogram (F, T) of the content's shape and analyse it under another window."""
        n_iter, main = self._settings.n_iter_phase, self._views[0].window
        directions = stereo_image(content.bins)
        samples, _ = griffin_lim(
            from_log_magnitude(frames), directions, main, content.n_samples, n_iter=n_iter
        )
        return log_magnitude(joint_magnitude(window.stft(samples)))


def _start(target: Tensor, style: Style, settings: Settings) -> Tensor:
    """Choose the compressed spectrogram (F, T) from which the descent starts."""
    if settings.init == "content":
        return target
    if settings.init == "style":
        return style.frames(target.shape[1])
    noise = torch.rand(target.shape, generator=torch.Generator().manual_seed(settings.seed))
    return noise.to(target.device) * 2 * target.mean()
