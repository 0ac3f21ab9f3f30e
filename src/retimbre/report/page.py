"""One page that shows transfers: what went in, what came out, and how it got there.

The page is a single file. Sound is embedded as MP3, pictures as PNG; a content security policy in
its head forbids the browser to fetch anything.
"""

import base64
import dataclasses
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import retimbre
from retimbre._result import Result
from retimbre.errors import DependencyError
from retimbre.report import spectrogram as pictures
from retimbre.settings import Settings
from retimbre.sound.audio import Audio

STOPPED = {
    "n_iter": "all iterations done",
    "tolerance": "the loss hardly fell any more",
    "converged": "nothing left to descend",
    "interrupted": "interrupted",
    "diverged": "the loss stopped being a number",
    "untouched": "strength 0: nothing to do",
}
"""Why a run ended, in words for people."""

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BLOCK = 1 << 16  # frames per write: some encoders of libsndfile take their work space from the stack
_SPACES = 7  # between the marks on an axis, at most: as many as fit on a phone


@dataclass(frozen=True)
class Entry:
    """One transfer on the page.

    Args:
        title: Heading.
        content: The content clip.
        style: The style clip.
        result: What the transfer came to.
        note: A sentence or two under the heading.
        captions: What the content, the style and the output are, such as "Minuet in G, piano".
    """

    title: str
    content: Audio
    style: Audio
    result: Result
    note: str = ""
    captions: tuple[str, str, str] = ("", "", "")


class Mark(NamedTuple):
    """A mark on an axis: where, as a share of its length, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class _Clip:
    role: str
    caption: str
    seconds: float
    sound: str
    picture: str
    times: list[Mark]


@dataclass(frozen=True)
class Curve:
    """The course of the loss in a box of 100 by 100, y downwards."""

    lines: dict[str, str]
    best: float
    evaluations: list[Mark]
    losses: list[Mark]


def require() -> None:
    """Find out before the work whether :func:`page` will be able to do its part.

    Raises:
        DependencyError: ``jinja2`` or ``matplotlib`` is not installed.
    """
    for package in ("jinja2", "matplotlib"):
        try:
            __import__(package)
        except ImportError as error:
            raise DependencyError(package, extra="report") from error


def page(title: str, entries: Sequence[Entry], *, intro: str = "") -> str:
    """Write the page.

    Args:
        title: Title and first heading.
        entries: What to show, in order.
        intro: A paragraph under the title; blank lines divide it into several.

    Returns:
        HTML, self-contained. Every text that is given is escaped.

    Raises:
        DependencyError: ``jinja2`` or ``matplotlib`` is not installed.
    """
    require()
    settings = [entry.result.settings for entry in entries]
    alike = bool(settings) and all(other == settings[0] for other in settings)
    return rendered(
        "report.html.j2",
        title=title,
        paragraphs=[part for part in intro.split("\n\n") if part.strip()],
        entries=[_view(entry) for entry in entries],
        shared_settings=settings_rows(settings[0]) if alike else None,
    )


def rendered(template: str, *, folder: Path | None = None, **values: Any) -> str:
    """Fill in a template of this package, or of another folder; adds what every page needs.

    Raises:
        DependencyError: ``jinja2`` or ``matplotlib`` is not installed.
    """
    require()
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

    own = [] if folder is None else [FileSystemLoader(folder)]
    environment = Environment(
        loader=ChoiceLoader([*own, PackageLoader("retimbre.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html: str = environment.get_template(template).render(
        frequencies=[Mark(pictures.position(f), pictures.kilo(f)) for f in pictures.FREQUENCIES],
        range=pictures.RANGE,
        version=retimbre.__version__,
        **values,
    )
    return html


def _view(entry: Entry) -> dict[str, Any]:
    result = entry.result
    best = result.best
    return {
        "title": entry.title,
        "note": entry.note,
        "clips": list(_clips(entry)),
        "curve": curve(result),
        "seconds": f"{result.seconds:.1f} s",
        "pace": f"{result.seconds / result.audio.seconds:.1f} s",
        "evaluations": len(result.steps),
        "finishing": sum(step.stage == "waveform" for step in result.steps),
        "stopped": STOPPED[result.stopped],
        "convergence": _decibels(result.spectral_convergence),
        "first": f"{result.steps[0].loss:.3g}" if result.steps else "",
        "best": f"{best.loss:.3g}" if best else "",
        "content_weight": f"{result.content_weight:.3g}",
        "settings": settings_rows(result.settings),
    }


def _decibels(value: float) -> str:
    return f"{value:.1f} dB".replace("-", "\N{MINUS SIGN}") if math.isfinite(value) else "exact"


def _clips(entry: Entry) -> Iterator[_Clip]:
    clips = (entry.content, entry.style, entry.result.audio)
    grids = [pictures.levels(clip) for clip in clips]
    loudest = max(float(grid.max()) for grid in grids)  # one scale of colours for the three
    roles = ("Content", "Style", "Output")
    for role, caption, clip, grid in zip(roles, entry.captions, clips, grids, strict=True):
        yield _Clip(
            role=role,
            caption=caption,
            seconds=clip.seconds,
            sound=data_uri("audio/mpeg", mp3(clip)),
            picture=data_uri("image/png", pictures.spectrogram_png(grid, loudest=loudest)),
            times=marks(clip.seconds),
        )


def cards(shown: Sequence[tuple[str, str, str, Audio]]) -> list[dict[str, Any]]:
    """Lay out clips to switch between, for the deck of a template: name, what it is, file, sound of each."""
    grids = [pictures.levels(audio) for *_, audio in shown]
    loudest = max(float(grid.max()) for grid in grids)  # one scale of colours for all
    return [
        {
            "name": name,
            "what": what,
            "file": file,
            "seconds": audio.seconds,
            "sound": data_uri("audio/mpeg", mp3(audio)),
            "picture": data_uri("image/png", pictures.spectrogram_png(grid, loudest=loudest)),
            "times": marks(audio.seconds),
        }
        for (name, what, file, audio), grid in zip(shown, grids, strict=True)
    ]


def mp3(audio: Audio) -> bytes:
    """Encode a clip for listening, at a rate that MP3 has; more than two channels become one."""
    import soundfile

    rate = min((rate for rate in _MP3_RATES if rate >= audio.sample_rate), default=48000)
    frames = audio.resampled(rate).samples.T
    if frames.shape[1] > 2:
        frames = frames.mean(axis=1, keepdims=True)
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, frames.shape[1], format="MP3", subtype="MPEG_LAYER_III"
    ) as file:
        for start in range(0, len(frames), _BLOCK):
            file.write(frames[start : start + _BLOCK])
    return buffer.getvalue()


def data_uri(kind: str, data: bytes) -> str:
    """Put data into an address, so that the page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def marks(length: float, *, low: float = 0.0) -> list[Mark]:
    """Divide an axis from ``low`` to ``length`` at round numbers."""
    least = (length - low) / _SPACES
    power = 10 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    first = math.ceil(low / step)
    return [
        Mark((k * step - low) / (length - low), f"{k * step:g}")
        for k in range(first, math.floor(length / step) + 1)
    ]


def curve(result: Result) -> Curve | None:
    """Lay out total and terms over the evaluations; ``None`` where there is no course to show."""
    steps = result.steps
    if len(steps) < 2 or result.best is None:
        return None
    total = [step.loss for step in steps]
    content = [result.content_weight * step.content for step in steps]
    style = [step.style for step in steps]
    # Down to where the terms end. The content term comes from far below (from zero, where the start
    # is the content itself) and would flatten the others.
    shown = [value for value in (*total, *style, content[-1]) if value > 0]
    if not shown:  # content and style are the same
        return None
    low = math.log10(min(shown) / 1.5)
    high = math.log10(max(shown) * 1.2)
    span = len(steps) - 1

    def points(line: Iterable[float]) -> str:
        heights = (math.log10(value) if value > 0 else low for value in line)
        return " ".join(
            f"{100 * k / span:.2f},{100 * (high - min(max(height, low), high)) / (high - low):.2f}"
            for k, height in enumerate(heights)
        )

    return Curve(
        lines={"total": points(total), "content": points(content), "style": points(style)},
        best=(result.best.evaluation - 1) / span,
        evaluations=[mark for mark in marks(len(steps), low=1) if "." not in mark.text],
        losses=_decades(low, high),
    )


def _decades(low: float, high: float) -> list[Mark]:
    """Mark a logarithmic axis at round numbers, the closer the shorter it is."""
    factors = range(1, 10) if high - low < 0.7 else (1, 2, 5) if high - low < 2 else (1,)
    exponents = [
        math.log10(factor) + decade
        for decade in range(math.floor(low), math.ceil(high))
        for factor in factors
    ]
    return [Mark((e - low) / (high - low), f"{10**e:.3g}") for e in exponents if low <= e <= high]


def settings_rows(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with its value and meaning, for a table."""
    return [
        {
            "name": field.name,
            "value": getattr(settings, field.name),
            "unit": field.metadata["unit"],
            "help": field.metadata["help"],
            "changed": getattr(settings, field.name) != field.default,
        }
        for field in dataclasses.fields(settings)
    ]
