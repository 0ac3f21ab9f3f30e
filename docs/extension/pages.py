"""Situations as HTML: players, pictures and figures, where a page asks for them."""

import html
import re
from typing import Any

from docs.extension.media import FOLDER, kept

ALL = "all"
"""Value of the setting ``situations`` for all of them; else names with commas, and none for no clips."""

HOW = {
    "none": "the style stays as it is, and its statistics are matched",
    "notes": "the style's own notes are played at the content's",
    "strokes": "the style's own strokes are played at the content's",
    "parts": "tones and strokes are each brought to the style's",
    "pitch": "the style's averaged instrument plays the content's notes",
    "equalised": "the content takes the style's mean spectrum, then its statistics",
    "quantile": "the content takes the style's levels, then its statistics",
}

OVERVIEW = "<!-- situations -->"
"""Comment that a table of the page's situations takes the place of."""

_PLACE = re.compile(r"<!-- situation: ([\w-]+) -->")
_HEADED = re.compile(r"^## (.+)\n(?:(?!## ).*\n)*?<!-- situation: ([\w-]+) -->", re.MULTILINE)
_OCTAVES = range(2, 10)  # C2 to C9, whose lines are drawn beside a picture
_FIGURES = (
    ("kept", "onsets", "rhythm kept"),
    ("kept", "chroma", "harmony kept"),
    ("gained", "timbre", "timbre gained"),
    ("gained", "spectrum", "spectrum gained"),
    ("off", "lsd", "spectrum off the answer"),
    ("off", "timbre", "timbre off the answer"),
)


def filled_in(text: str, wanted: str) -> str:
    """Replace the comments that ask for situations by their players, pictures and figures.

    Args:
        text: Markdown of a page.
        wanted: :data:`ALL`, or the names of those that are made, with commas; others stay comments.
    """
    chosen = _PLACE.findall(text) if wanted == ALL else wanted.split(",")
    if OVERVIEW in text:
        text = text.replace(OVERVIEW, overview([row for row in _HEADED.findall(text) if row[1] in chosen]))
    return _PLACE.sub(lambda at: shown(at[1]) if at[1] in chosen else at[0], text)


def overview(rows: list[tuple[str, str]]) -> str:
    """Write a table of situations in Markdown.

    Args:
        rows: Heading and name of each.
    """
    lines = [
        f"| | chosen | {' | '.join(label for *_, label in _FIGURES)} |",
        "|---" * (2 + len(_FIGURES)) + "|",
    ]
    for heading, name in rows:
        outcome = kept(name)
        cells = [_number(outcome[group][key]) if key in outcome[group] else "-" for group, key, _ in _FIGURES]
        link = f"[{heading}](#{heading.lower().replace(' ', '-')})"
        lines.append(f"| {link} | `{outcome['choice']['how']}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def shown(name: str) -> str:
    """Show a situation as HTML, in lines without a blank one, as Markdown wants it."""
    outcome = kept(name)
    cards = "\n".join(_card(name, **clip) for clip in outcome["clips"])
    return f'<div class="situation">\n{cards}\n</div>\n{_facts(outcome)}'


def _card(name: str, role: str, about: str) -> str:
    from retimbre.report.constant_q import BINS_PER_OCTAVE, LOWEST_MIDI, N_BINS

    rows = ((12 * (octave + 1) - LOWEST_MIDI) * BINS_PER_OCTAVE / 12 for octave in _OCTAVES)
    lines = "".join(
        f'<i style="bottom:{100 * row / N_BINS:.1f}%">C{octave}</i>'
        for octave, row in zip(_OCTAVES, rows, strict=True)
        if row < N_BINS
    )
    title = f"<b>{html.escape(role)}</b> {html.escape(about)}"
    words = html.escape(f"{role}: {about}")
    return (
        f'<figure><figcaption>{title}</figcaption><div class="picture">'
        f'<img src="{FOLDER}/{name}-{role}.png" width="600" height="216" loading="lazy" '
        f'alt="Constant-Q picture of the {words}"><span aria-hidden="true">{lines}</span></div>'
        f'<audio controls preload="none" src="{FOLDER}/{name}-{role}.mp3" aria-label="{words}"></audio>'
        "</figure>"
    )


def _facts(outcome: dict[str, Any]) -> str:
    choice = outcome["choice"]
    cells = "".join(
        f"<div><dt>{label}</dt><dd>{_number(outcome[group][key])}</dd></div>"
        for group, key, label in _FIGURES
        if key in outcome[group]
    )
    how = html.escape(HOW.get(choice["how"], choice["how"]))
    strength = f", strength {_number(choice['strength'])}" if choice["strength"] is not None else ""
    chosen = f"Chosen: {how} (<code>{choice['how']}</code>{strength})."
    return f'<p class="chosen">{chosen}</p>\n<dl class="figures">{cells}</dl>'


def _number(value: float) -> str:
    """Write a number as the tables do.

    >>> _number(0.324), _number(-0.05), _number(1.0)
    ('.32', '-.05', '1')
    """
    return f"{value:.2f}".replace("0.", ".", 1).replace("1.00", "1")
