"""Methods that the benchmark compares: the rows of its table.

A row that is :func:`retimbre.transfer` with settings of its own is one line in :data:`METHODS`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import get_args

from retimbre import transfer
from retimbre.alignment.spectrum import QuantileMatch
from retimbre.errors import InputError
from retimbre.settings import ALIGNED, BALANCED, Settings
from retimbre.sound.audio import Audio
from retimbre.sound.phase import griffin_lim
from retimbre.sound.stereo import stereo_image
from retimbre.sound.stft import from_log_magnitude
from study.baselines import musaicing
from study.concatenator import concatenate
from study.events import passage_of
from study.grains import granulate
from study.pairs import Kind
from study.units import replace_units
from study.vocoder import vocode


@dataclass(frozen=True)
class Clips:
    """Input of a method. Only the row that bounds the others uses the target."""

    content: Audio
    style: Audio
    target: Audio


def _transferred(clips: Clips, settings: Settings) -> Audio:
    """Transfer; a run that diverged gives its best result, so that the other trials go on."""
    result = transfer(clips.content, clips.style, settings)
    if result.stopped == "interrupted":  # half a transfer is not the method's
        raise KeyboardInterrupt
    return result.audio


def _content(clips: Clips, settings: Settings) -> Audio:
    return clips.content


def _style(clips: Clips, settings: Settings) -> Audio:
    return clips.style


def _target(clips: Clips, settings: Settings) -> Audio:
    return clips.target


def _musaicing(clips: Clips, settings: Settings) -> Audio:
    return musaicing(clips.content, clips.style, settings)


def _concatenated(clips: Clips, settings: Settings) -> Audio:
    return concatenate(clips.content, clips.style, settings)


def _granulated(clips: Clips, settings: Settings) -> Audio:
    return granulate(clips.content, clips.style, settings)


def _vocoded(clips: Clips, settings: Settings) -> Audio:
    return vocode(clips.content, clips.style, settings)


def _by_units(clips: Clips, settings: Settings) -> Audio:
    return replace_units(clips.content, clips.style, settings)


def _matched(clips: Clips, settings: Settings) -> Audio:
    content, style = (passage_of(clip, settings) for clip in (clips.content, clips.style))
    match = QuantileMatch()
    match.fit([(style, 1.0)])
    ((matched, _),) = match.play(content).clips
    directions = stereo_image(content.bins)
    samples, _ = griffin_lim(from_log_magnitude(matched), directions, content.window, content.n_samples)
    return Audio(samples.numpy(), content.sample_rate)


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Args:
        name: Its name, for people; with hyphens for blanks it is a file name.
        about: Description, in a phrase.
        make: From clips and settings to the output.
        settings: Settings of the transfer.
        swept: Whether it has a strength: it is a curve then, and a point otherwise.
        default: Whether it runs where no methods are named.
        kinds: Kinds of pairs that it is meant for.
    """

    name: str
    about: str
    make: Callable[[Clips, Settings], Audio] = field(default=_transferred, repr=False)
    settings: Settings = field(default_factory=Settings, repr=False)
    swept: bool = True
    default: bool = True
    kinds: tuple[Kind, ...] = get_args(Kind)

    @property
    def slug(self) -> str:
        """The name as a file name."""
        return self.name.replace(" ", "-")

    @property
    def chooses(self) -> bool:
        """Whether it runs without a strength given: it has none, or chooses its own."""
        return not self.swept or self.settings.strength is None

    def at(self, strength: float | None) -> Settings:
        """Its settings at a strength; ``None`` where it has none."""
        return self.settings if strength is None else replace(self.settings, strength=strength)


REFERENCES = (
    Method("content copied", "the content as it is: the denominator of ratios", _content, swept=False),
    Method("style copied", "the style instead of an output", _style, swept=False),
    Method("target", "the content's song played by the style's instrument: the answer", _target, swept=False),
)
"""Rows of every table: two to be beaten, and the bound."""

COPIED, _, TARGET = (method.name for method in REFERENCES)

METHODS = (
    *REFERENCES,
    Method("musaicing", "NMF musaicing (Driedger et al. 2015)", _musaicing, swept=False),
    Method(
        "concatenator",
        "windows of the style by a particle filter (Tralie and Cantil 2024)",
        _concatenated,
        swept=False,
    ),
    Method("gamut", "the nearest grain of each frame (Tovar-Henao 2022)", _granulated, swept=False),
    Method(
        "vocoder",
        "harmonics and noise note by note (Serra and Smith 1990; Engel et al. 2020)",
        _vocoded,
        swept=False,
        kinds=("melodic",),
    ),
    Method(
        "units",
        "strokes replaced by the most similar ones (Zils and Pachet 2001; Schwarz 2006)",
        _by_units,
        swept=False,
        kinds=("percussive", "mixed", "bands"),
    ),
    Method(
        "ulyanov",
        "one layer of 4096 random filters, from the content (Ulyanov and Lebedev 2016)",
        settings=Settings(
            network="shallow",
            layers=1,
            filters=4096,
            taps=11,
            # Of .01 to 10 in steps of three the one with the lowest sum of LSD, timbre (ratios) and pitch on
            # the melodic pairs of TUNE, found with its closed form (network kernel, one layer).
            content_weight=1.0,
            align="none",
            n_iter=38,  # about 40 evaluations, of .7 s each on one core for 7 s of sound
            tolerance=0,
            n_iter_phase=32,
            n_iter_waveform=0,  # the original ends with Griffin-Lim
        ),
        swept=False,
        default=False,
    ),
    Method("quantile", "the quantile match alone", _matched, swept=False),
    Method(
        "kernel",
        "the network in closed form, the style as it is",
        settings=Settings(align="none", strength=BALANCED),
    ),
    Method(
        "harmonic",
        "the harmonic network, the content moved towards the style's levels",
        settings=Settings(network="harmonic", align="quantile", strength=BALANCED),
    ),
    Method(
        "frames",
        "the style's averaged instrument at the content's pitches, frame by frame",
        settings=Settings(align="pitch", strength=ALIGNED),
    ),
    Method("retimbre", "with default settings, chosen from the clips; or at a strength"),
)
"""All rows, in the order of the table."""


def methods(names: list[str] | None = None) -> tuple[Method, ...]:
    """Find methods by their names, with blanks or hyphens; :data:`REFERENCES` are always included.

    Args:
        names: Names of methods; the default ones if ``None``.

    Raises:
        InputError: a name that is not there.

    >>> [method.name for method in methods(["kernel"])]
    ['content copied', 'style copied', 'target', 'kernel']
    """
    slugs = None if names is None else {name.strip().replace(" ", "-") for name in names}
    there = [method.slug for method in METHODS]
    for slug in slugs or ():
        if slug not in there:
            raise InputError(f"there is no method {slug!r}: expected some of {', '.join(there)}")
    return tuple(
        method
        for method in METHODS
        if method in REFERENCES or (method.default if slugs is None else method.slug in slugs)
    )
