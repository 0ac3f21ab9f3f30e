"""The transfer: a style, prepared once, and any number of contents."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

from retimbre._block import PreparedStyle, make_block, prepare_style
from retimbre._content import Content, ContentBlock
from retimbre._output import is_stream
from retimbre._runner import Runner
from retimbre.alignment.registry import check_alignment
from retimbre.errors import InputError, shown
from retimbre.networks.registry import Network, NetworkSpec, network_spec
from retimbre.optim.step import PARTIAL, OnStep, Report
from retimbre.result import Block, Result
from retimbre.settings import Settings, check_settings, ignored_settings
from retimbre.sound import blocks, files, outputs
from retimbre.sound.audio import Samples, is_silent
from retimbre.sound.clips import Clip, Mix, as_mix, excerpts, input_paths
from retimbre.sound.limiter import LIMIT, match_loudness
from retimbre.sound.spool import Spool
from retimbre.sound.stft import compute_device


class Transfer:
    """A style, prepared once for any number of contents.

    ::

        restyle = retimbre.Transfer("violin.wav")   # or (array, rate), an Audio, or several with weights
        result = restyle("guitar.wav", strength=0.8)
        result.save("out.wav")                      # or result.audio, np.asarray(result)

    Opening, levelling, spectrograms, notes, instrument and statistics of the style are computed at the first
    content of a working rate (the content's rate, at most 48 kHz), and kept as long as the object lives. It
    stays in its process: clips, :class:`Settings` and :class:`Result` can be pickled, a Transfer cannot.

    Args:
        style: The clip whose sound is taken; any length, rate and number of channels. Or several clips, each
            with its weight, in a list or a tuple: their statistics are mixed, not their sound.
        settings: :class:`Settings`; its defaults if ``None``.
        network: A feature network instead of the one that the settings name: an object that maps a compressed
            spectrogram (F, T), or samples (C, N) at its ``sample_rate``, to layers, and says with
            ``content_layers`` and ``style_layers`` which of them count
            (:class:`retimbre.networks.registry.Network`).

    Raises:
        InputError: a clip that is silent or shorter than a window, weights that cannot be used, or settings
            that cannot be met.
        AudioReadError: a path that cannot be read.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> restyle = Transfer((rng.standard_normal((2, 8000)), 16000), Settings(n_iter=3))
    >>> content = restyle.prepare((np.sin(np.arange(11025) * 0.1), 22050))
    >>> [restyle(content, strength=s).audio.n_samples for s in (0.2, 0.8)]
    [11025, 11025]
    """

    def __init__(
        self, style: Clip | Mix, settings: Settings | None = None, *, network: Network | None = None
    ) -> None:
        self.settings = settings = check_settings(settings)
        compute_device(settings)
        if network is not None and settings.resolutions != "one":
            raise InputError("resolutions is three: expected one, as a network object sees one window")
        if network is not None and not all(
            hasattr(network, name) for name in ("__call__", "content_layers", "style_layers")
        ):
            raise InputError(
                f"network is {shown(network)}: expected an object to call, with content_layers and "
                "style_layers; a name goes into the settings"
            )
        self._network: Any = network_spec(settings.network) if network is None else network
        self._takes_samples = getattr(self._network, "sample_rate", None) is not None
        check_alignment(settings, takes_samples=self._takes_samples)
        self._excerpts = [(excerpts(sound, settings), share) for sound, share in as_mix(style)]
        self._paths = input_paths(style)
        self._prepared: dict[int, PreparedStyle] = {}

    def __reduce__(self) -> NoReturn:
        raise InputError(
            "a Transfer cannot be pickled, as it holds a network: expected its style and Settings, of which "
            "each process makes one"
        )

    def prepare(self, content: Clip) -> Content:
        """Analyse a content once, for transfers of it with several strengths or to several styles.

        The spectrograms and notes of its blocks are computed at their first use and kept as long as the
        object that is returned: about 60 MB for ten seconds of stereo at 44.1 kHz.

        Args:
            content: The clip whose notes and rhythm are kept.

        Raises:
            InputError: a clip that is silent or shorter than a window.
            AudioReadError: a path that cannot be read.
        """
        return Content(content, self.settings, keep=True)

    def __call__(
        self,
        content: Clip | Content,
        *,
        strength: float | None = None,
        output: str | os.PathLike[str] | None = None,
        output_format: str | None = None,
        on_step: OnStep | None = None,
    ) -> Result:
        """Give a content the sound of the style.

        All clips are brought to one rate and loudness; their channels make up one joint spectrogram, which
        descends the objective and is then spread over the channels by the content's own stereo image.
        Griffin-Lim finds a waveform for it, and a few iterations on the waveform itself bring that as near to
        the objective as the spectrogram was. The result has the content's loudness.

        Args:
            content: The clip whose notes and rhythm are kept, or what :meth:`prepare` made of it.
            strength: How much style, 0 to 1, instead of the settings'.
            output: File to write. With it, and with paths as clips, no clip is ever in memory as a whole.
            output_format: ``"wav"``, ``"flac"``, ``"ogg"``, ``"opus"`` or ``"mp3"``, where the suffix of the
                output does not say it.
            on_step: Called with a :class:`Step` after every evaluation, by one thread at a time.
                ``KeyboardInterrupt``, raised in it or by Ctrl-C, ends the run with the best result so far:
                of a clip in blocks those that are done, and the content from there on.

        Returns:
            The result. Where the loss stopped being a number, it is the best before that, and its
            ``stopped`` is ``"diverged"``.

        Raises:
            InputError: a content that is silent or shorter than a window, or was prepared for another window;
                an output that cannot be written.
            AudioReadError: a path that cannot be read.
            DivergedError: the loss was no number at the first evaluation: there is nothing to keep.
            KeyboardInterrupt: an interrupt before there was anything to keep.
        """
        began = time.perf_counter()
        settings = self.settings if strength is None else replace(self.settings, strength=strength)
        content = self._opened(content)
        sound = content.sound
        kept = files.kept_bits(sound)
        origin = self._origin(content)
        target = (
            None
            if output is None
            else outputs.Output.checked(
                *(output, output_format, sound, settings),
                inputs=[*content.paths, *self._paths],
                origin=origin,
            )
        )
        if settings.content_weight is None and settings.strength == 0:
            same = outputs.deliver(sound, target)
            took = time.perf_counter() - began
            return Result(
                *(same.clip, settings, (), (), "untouched", took),
                ignored=_ignored_by(target, settings),
                delivery=same,
                bits=kept,
                origin=origin,
            )
        runner = Runner(len(content.places), jobs=settings.jobs, on_step=on_step)
        made: list[Block] = []
        folder = None if target is None else target.path.parent
        with Spool(sound.sample_rate, sound.n_channels, folder) as spool:
            parts = self._parts(content, settings, runner, made)
            for piece in blocks.join(parts, sound.n_samples, sound.n_channels):
                spool.append(piece)
            stopped = runner.stop_reason(made)
            whole = spool if spool.is_silent else match_loudness(spool, content.loudness)
            quieter = 0.0 if isinstance(whole, Spool) else whole.missing(content.loudness)
            delivery = outputs.deliver(whole, target, limit=LIMIT, is_partial=stopped in PARTIAL)
        return Result(
            clip=delivery.clip,
            settings=settings,
            steps=tuple(runner.steps),
            blocks=tuple(made),
            stopped=stopped,
            seconds=time.perf_counter() - began,
            ignored=(*self._ignored(settings), *_ignored_by(target, settings)),
            delivery=delivery,
            quieter=quieter + delivery.lowered,
            bits=kept,
            origin=origin,
        )

    def _origin(self, content: Content) -> outputs.Origin | None:
        if not content.paths or is_stream(content.paths[0]):
            return None
        style = "+".join(path.stem for path in self._paths)
        return outputs.Origin(content.paths[0], content.sound.sample_rate, style)

    def _opened(self, content: Clip | Content) -> Content:
        if not isinstance(content, Content):
            return Content(content, self.settings)
        window = content.window_for(self.settings)
        if content.window != window:
            raise InputError(
                f"the content was prepared for windows of {content.window.n_fft} samples: expected "
                f"{window.n_fft} (every {content.window.hop_length} and {window.hop_length} samples), "
                "prepare it with this transfer"
            )
        return content

    def _parts(
        self, content: Content, settings: Settings, runner: Runner, made: list[Block]
    ) -> Iterator[tuple[slice, Samples]]:
        """Make the blocks; give those that sound, with their places. What is left undone is the content."""
        style = self._style_for(content)

        def make(block: ContentBlock, report: Report) -> Block | None:
            return None if is_silent(block.samples) else make_block(block, style, settings, report)

        for block, done in runner.run(content.blocks(), make):
            samples = block.samples if done is None or done.samples is None else done.samples
            if done is not None:
                made.append(replace(done, samples=None))
            place = block.place
            del block, done  # with all that was computed of them, before the next is made
            if samples.any():
                yield place, samples
            del samples

    def _style_for(self, content: Content) -> PreparedStyle:
        if content.rate not in self._prepared:
            self._prepared[content.rate] = prepare_style(
                self._excerpts, content.rate, content.window, self.settings, self._network
            )
        return self._prepared[content.rate]

    def _ignored(self, settings: Settings) -> tuple[str, ...]:
        if isinstance(self._network, NetworkSpec):
            return self._network.ignored(settings)
        return ignored_settings(settings, read=(), takes_samples=self._takes_samples)


def _ignored_by(target: outputs.Output | None, settings: Settings) -> tuple[str, ...]:
    return () if target is None else target.encoding.ignored(settings)


def transfer(
    content: Clip | Content,
    style: Clip | Mix,
    settings: Settings | None = None,
    *,
    network: Network | None = None,
    output: str | os.PathLike[str] | None = None,
    output_format: str | None = None,
    on_step: OnStep | None = None,
) -> Result:
    """Give the content's notes and rhythm the style's sound: ``Transfer(style, settings)(content)``.

    For several contents of one style, or several strengths, :class:`Transfer` analyses nothing twice.

    Args:
        content: As in :meth:`Transfer.__call__`.
        style: As in :class:`Transfer`.
        settings: As in :class:`Transfer`.
        network: As in :class:`Transfer`.
        output: As in :meth:`Transfer.__call__`.
        output_format: As in :meth:`Transfer.__call__`.
        on_step: As in :meth:`Transfer.__call__`.

    Raises:
        InputError: as in both.
        AudioReadError: as in both.
        DivergedError: as in :meth:`Transfer.__call__`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> content = (np.sin(np.arange(11025) * 0.1), 22050)
    >>> style = (rng.standard_normal((2, 8000)), 16000)
    >>> result = transfer(content, style, Settings(n_iter=3))
    >>> result.audio.n_channels, result.audio.n_samples, result.audio.sample_rate
    (1, 11025, 22050)
    """
    return Transfer(style, settings, network=network)(
        content, output=output, output_format=output_format, on_step=on_step
    )
