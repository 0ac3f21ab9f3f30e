"""Page of transfers: the clips of each, its loss curve, its figures and its settings.

The page is a single file. Sound is embedded as MP3, pictures as PNG; a content security policy in
its head forbids the browser to fetch anything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retimbre.report.cards import cards
from retimbre.report.loss_curve import loss_curve
from retimbre.report.rendering import render_template, require, settings_rows, split_paragraphs
from retimbre.result import Result
from retimbre.sound.audio import Audio

STOPPED = {
    "n_iter": "all iterations done",
    "tolerance": "the loss hardly fell any more",
    "converged": "nothing left to descend",
    "interrupted": "interrupted",
    "terminated": "interrupted",
    "diverged": "the loss stopped being a number",
    "untouched": "strength 0: nothing to do",
}
"""Reasons for the end of a run, in words for people."""


@dataclass(frozen=True)
class Entry:
    """One transfer on the page.

    Args:
        title: Heading.
        content: The content clip.
        style: The style clip.
        result: The transfer's result.
        note: A sentence or two under the heading.
        captions: Captions of the content, the style and the output, such as "Minuet in G, piano".
    """

    title: str
    content: Audio
    style: Audio
    result: Result
    note: str = ""
    captions: tuple[str, str, str] = ("", "", "")


def page(title: str, entries: Sequence[Entry], *, intro: str = "") -> str:
    """Write the page.

    Args:
        title: Title and first heading.
        entries: Transfers to show, in order.
        intro: A paragraph under the title; blank lines divide it into several.

    Returns:
        HTML, self-contained. Every text that is given is escaped.

    Raises:
        DependencyError: ``jinja2`` or ``matplotlib`` is not installed.
    """
    require()
    settings = [entry.result.settings for entry in entries]
    alike = bool(settings) and all(other == settings[0] for other in settings)
    return render_template(
        "report.html.j2",
        title=title,
        paragraphs=split_paragraphs(intro),
        entries=[_view(entry) for entry in entries],
        shared_settings=settings_rows(settings[0]) if alike else None,
    )


def _view(entry: Entry) -> dict[str, Any]:
    result = entry.result
    best = result.best
    clips = (entry.content, entry.style, result.audio)
    names = zip(("Content", "Style", "Output"), entry.captions, clips, strict=True)
    return {
        "title": entry.title,
        "note": entry.note,
        "clips": cards([(name, caption, "", clip) for name, caption, clip in names]),
        "curve": loss_curve(result),
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
