"""Every option with its default, unit and range: the only place where defaults live.

The API, the command line, the demonstration and the pages read them from here. An option's
metadata holds what a person needs to know (``help``, ``unit``) and what a value must satisfy
(``low``, ``high``, ``choices``); :class:`Settings` checks itself when it is made.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any, Literal

from retimbre.errors import InputError, meant, shown

REFERENCE_RATE = 22_050
"""Rate in Hz at which ``n_fft`` and ``hop_length`` are stated."""

BALANCED, ALIGNED, REPLAYED, STRUCK = 0.5, 0.8, 0.95, 0.8
"""Default strengths: as much weight for content as for style; more where the style is played at the
content's pitches, which costs no melody. From .5 to .9 LSD and timbre's distance to the target fall from .56
and .21 of the content's to .49 and .12, and the distance of transcribed notes to the score from .27 to .26
(the benchmark's melodic pairs for tuning, of one soundfont). And most where the style's own notes are played,
as what is left of the content is its instrument: the style's is recognised with a likelihood of .66 at .8,
.72 at .95 and .74 at 1, while LSD rises from .54 to .57 (the pairs for tuning, of two soundfonts).
The style's own strokes keep a fifth of the content, whose soft strokes are not all found: LSD and timbre are
.61 and .22 at .8, .62 and .21 at .95, the onset F1 .90 and .88 (22 pairs of grooves for tuning)."""

ALGORITHM = 2
"""Version of what is computed, to be raised with every change after which the same clips and settings give
other samples: a batch then does its rows again. It is not the version of the package."""

TEXTURE_SECONDS, DEMO_SECONDS = 10.0, 6.0
"""Default lengths of a texture, and of the demonstration's clips (two to four bars)."""

COMPARED_NETWORKS = ("kernel", "shallow", "vggish", "cnn14")
"""Networks that are compared where none are named."""

Group = Literal["style", "network", "transform", "optimisation", "run", "output"]
"""Groups of options, for help texts and pages."""

AppliesTo = Literal["all", "spectrogram", "network"]
"""Networks that an option means something to: all; those that take a spectrogram; those that name it."""


def plain(value: object) -> int | float | None:
    """Turn a number of any type, such as NumPy's, into Python's own; ``None`` for what is none.

    >>> plain(3), plain(0.5), plain(True), plain("3")
    (3, 0.5, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return int(value) if isinstance(value, Integral) else float(value)


def check_settings(settings: object) -> "Settings":
    """Give settings, or the defaults for ``None``.

    Raises:
        InputError: something else.
    """
    if settings is None:
        return Settings()
    if not isinstance(settings, Settings):
        raise InputError(f"settings is {shown(settings)} ({type(settings).__name__}): expected a Settings")
    return settings


def _option(
    default: Any,
    help: str,
    *,
    group: Group,
    applies_to: AppliesTo = "all",
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    changes_samples: bool = True,
) -> Any:
    metadata: dict[str, Any] = {"help": help, "group": group, "applies_to": applies_to, "unit": unit}
    metadata |= {"changes_samples": changes_samples}
    return dataclasses.field(default=default, metadata=metadata | {"low": low, "high": high})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Hold the options of a transfer. Immutable; ``dataclasses.replace`` makes a variant.

    The network's defaults are those of the study that compared networks for sound: two layers of
    2048 random filters over 11 frames, window 2048 and hop 512 at 22 050 Hz. At other rates the
    window and hop keep their length in seconds.

    Raises:
        InputError: a value of the wrong type or out of its range.

    >>> Settings(strength=0.8).strength
    0.8
    >>> Settings(strength=3)
    Traceback (most recent call last):
    retimbre.errors.InputError: strength is 3: expected a number from 0 to 1
    """

    strength: float | None = _option(
        None,
        f"how much style: 0 gives back the content, 1 takes all it can; if not given {REPLAYED:g} where the "
        f"style's own notes are played, {STRUCK:g} its strokes, {ALIGNED:g} where it is aligned by pitch, "
        f"else {BALANCED:g}",
        group="style",
        low=0,
        high=1,
    )
    content_weight: float | None = _option(
        None,
        "weight of the content term, which then keeps the content itself; instead of a strength",
        group="style",
        low=0,
        high=1e9,
    )
    align: str = _option(
        "auto",
        "how the style is brought to the content: auto, none, or an alignment: notes plays the style's own "
        "notes at the content's, strokes its drum strokes, parts both in mixes, pitch its averaged "
        "instrument at the content's pitches; equalised and quantile move the content to the style's mean "
        "spectrum or levels",
        group="style",
    )
    init: Literal["content", "noise", "style"] = _option("content", "the starting point", group="style")
    network: str = _option(
        "kernel", "the feature network: one of those that `retimbre networks` lists", group="network"
    )
    content_layers: str | None = _option(
        None,
        "layers that hold content: NAME or NAME:WEIGHT, with commas; or the network's own choice",
        group="network",
        applies_to="network",
    )
    style_layers: str | None = _option(
        None, "layers that hold style, likewise", group="network", applies_to="network"
    )
    random_weights: bool = _option(
        False, "use a network of trained weights untrained", group="network", applies_to="network"
    )
    patches: bool = _option(
        False,
        "feed the network vggish patches of 0.96 s, as in training, not the clip as a whole",
        group="network",
        applies_to="network",
    )
    layers: int = _option(
        2,
        "convolutions of the networks kernel and shallow",
        group="network",
        applies_to="network",
        low=1,
        high=8,
    )
    filters: int = _option(
        2048,
        "random filters per layer of the network shallow; fewer are faster",
        group="network",
        applies_to="network",
        low=1,
        high=65_536,
    )
    taps: int = _option(
        11,
        "length of a filter of kernel and shallow",
        group="network",
        applies_to="network",
        unit="frames",
        low=1,
        high=255,
    )
    n_fft: int = _option(
        2048,
        "window at 22 050 Hz; the same time at other rates",
        group="transform",
        applies_to="spectrogram",
        unit="samples",
        low=32,
        high=65_536,
    )
    hop_length: int = _option(
        512,
        "step between windows at 22 050 Hz; at most n_fft / 2",
        group="transform",
        applies_to="spectrogram",
        unit="samples",
        low=8,
        high=32_768,
    )
    resolutions: Literal["one", "three"] = _option(
        "one",
        "windows of the iterations on the waveform; three takes longer",
        group="transform",
        applies_to="spectrogram",
    )
    optimizer: Literal["lbfgs", "adam"] = _option("lbfgs", "the method of optimisation", group="optimisation")
    n_iter: int = _option(60, "iterations at most", group="optimisation", low=1, high=1_000_000)
    tolerance: float = _option(
        5e-3,
        "stop when six evaluations lower the loss by less than this share",
        group="optimisation",
        low=0,
        high=1,
    )
    n_iter_phase: int = _option(
        8, "iterations of Griffin-Lim", group="optimisation", applies_to="spectrogram", low=0, high=100_000
    )
    n_iter_waveform: int = _option(
        20,
        "iterations on the waveform itself, where its loss is not near the spectrogram's",
        group="optimisation",
        applies_to="spectrogram",
        low=0,
        high=100_000,
    )
    seed: int = _option(0, "seed of everything random", group="run", low=0, high=2**63 - 1)
    jobs: int = _option(
        1,
        "blocks of a long clip at work at once, one thread each",
        group="run",
        low=1,
        high=256,
        changes_samples=False,
    )
    device: Literal["auto", "cpu", "cuda"] = _option(
        "auto", "where to compute", group="run", changes_samples=False
    )
    bits: Literal["keep", "16", "24", "float"] = _option(
        "keep",
        "bits of a sample in .wav and .flac: the content's, or 24 where it has none; 16 are dithered",
        group="output",
    )
    tags: Literal["keep", "none"] = _option(
        "keep",
        "tags, cover and cue points of the content; all but those from WAV to WAV need the extra 'tags'",
        group="output",
    )
    quality: float = _option(
        9.0, "quality of .mp3, .opus and .ogg; more is larger", group="output", low=0, high=10
    )

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        if (bits := plain(self.bits)) in (
            16,
            24,
        ):  # as numbers they come from JSON
            object.__setattr__(self, "bits", str(bits))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            expected = _mismatch(value, hints[field.name], field.metadata)
            if expected:
                raise InputError(f"{field.name} is {shown(value)}: expected {expected}")
            if (number := plain(value)) is not None:
                object.__setattr__(self, field.name, number)  # the record of a run holds Python's own numbers
        if self.strength is not None and self.content_weight is not None:
            raise InputError(
                f"strength is {self.strength:g} and content_weight is {self.content_weight:g}: expected one "
                "of them, as either says how much style"
            )
        if self.align in _FORMER_ALIGN:
            raise InputError(f"align is {self.align}: expected {_FORMER_ALIGN[self.align]}, its new name")
        if self.taps % 2 == 0:
            raise InputError(f"taps is {self.taps}: expected an odd number of frames")
        if self.n_fft % 2:
            raise InputError(f"n_fft is {self.n_fft}: expected an even number of samples")
        if self.hop_length > self.n_fft // 2:
            raise InputError(
                f"hop_length is {self.hop_length}: expected at most half of n_fft, {self.n_fft // 2}"
            )


OF_FILES = tuple(f.name for f in dataclasses.fields(Settings) if f.metadata["group"] == "output")
"""Settings of the file that is written; a result in memory does not depend on them."""


def ignored_settings(settings: Settings, *, read: Collection[str], takes_samples: bool) -> tuple[str, ...]:
    """Name the settings that differ from their defaults and mean nothing in a run.

    Args:
        settings: Settings of the run.
        read: Names of the settings of the group ``"network"`` that its network reads.
        takes_samples: Whether its network takes samples and no spectrogram.

    >>> ignored_settings(Settings(filters=8, n_fft=4096), read=("taps",), takes_samples=False)
    ('filters',)
    """
    found = []
    for field in dataclasses.fields(settings):
        if getattr(settings, field.name) != field.default:
            applies_to = field.metadata["applies_to"]
            if (applies_to == "network" and field.name not in read) or (
                applies_to == "spectrogram" and takes_samples
            ):
                found.append(field.name)
    return tuple(found)


_FORMER_ALIGN = {"on": "pitch", "off": "none"}


def _mismatch(value: object, hint: Any, metadata: typing.Mapping[str, Any]) -> str:
    """Name what was expected; empty where the value is as it should be."""
    if isinstance(hint, types.UnionType):  # the only unions here are "X | None"
        if value is None:
            return ""
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if isinstance(value, str) and value in choices:
            return ""
        return f"one of {', '.join(choices)}{meant(value, choices)}"
    if hint in (str, bool):
        return "" if isinstance(value, hint) else "text" if hint is str else "true or false"
    low, high = metadata["low"], metadata["high"]
    number = plain(value)
    if number is not None and (hint is float or isinstance(number, int)) and low <= number <= high:
        return ""
    noun = "a number" if hint is float else "a whole number"
    return f"{noun} from {low:.19g} to {high:.19g}"
