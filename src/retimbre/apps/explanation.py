"""Sentences about a run: the choices made from the clips, and anything that deserves a line by itself."""

from collections.abc import Sequence
from pathlib import Path

from retimbre.alignment.pitch import TONAL
from retimbre.result import Result
from retimbre.settings import OF_FILES, Settings

_HOW = {
    "none": "content and style stay as they are",
    "notes": "the style's own notes are played at the content's",
    "strokes": "the style's own strokes are played at the content's",
    "parts": "the tonal and the percussive part of the style are each brought to the content's",
    "pitch": "the style is played at the content's pitches",
    "quantile": "the content moves towards the style's levels in 40 bands, and the style stays as it is",
    "equalised": "the content moves towards the style's mean spectrum, and the style stays as it is",
}
_OF = {
    "notes": "a style whose notes are played",
    "strokes": "a style whose strokes are played",
    "parts": "a style in parts",
    "pitch": "an aligned style",
    "none": "a style as it is",
    "equalised": "a style whose mean spectrum is taken",
}


_SHORT = 3.0
"""Seconds of a style below which it is called short: at two notes a second it has half a dozen."""
_SURE = 0.6
"""Certainty of notes below which they are called unsure; solo instruments have .62 and more."""

_QUIETER = 0.5
"""LU below the content from which on it is said."""


def explain(result: Result) -> list[str]:
    """Explain the choices of a run: alignment, strength, network and start; nothing where there were none."""
    if not result.choices:
        return []
    settings, default = result.settings, Settings()
    start = "the target of the content term" if settings.init == "content" else settings.init
    network = "the default" if settings.network == default.network else "as the settings say"
    return [
        *_alignments(result),
        _strengths(result),
        f"network {settings.network}, {network}; start from {start}",
    ]


def found(result: Result) -> list[str]:
    """Say how many notes or strokes were found in both, where they are played; of a clip in blocks about."""
    lines = []
    for how, noun in (("notes", "notes"), ("strokes", "strokes")):
        choices = [choice for choice in result.choices if choice.how == how]
        if not choices:
            continue
        own = sum(getattr(choice, f"n_{noun}") or 0 for choice in choices)
        others = sum(getattr(choices[0], f"style_{noun}"))
        about = "about " if len(choices) > 1 else ""
        lines.append(f"{noun} found in both: the content's {about}{own} {noun} play the style's {others}")
    return lines


def has_pitches(result: Result) -> bool:
    """Tell whether the content has pitches, as far as that was sought."""
    contents = [choice.tonality for choice in result.choices if choice.tonality is not None]
    return not contents or max(contents) >= TONAL


def advice(result: Result, style_seconds: float) -> list[str]:
    """Give the advice of the documentation where the clips are such as it speaks of.

    Args:
        result: The run.
        style_seconds: Length of the shortest style.
    """
    choices = result.choices
    lines = []
    if style_seconds < _SHORT:
        lines.append(
            f"the style lasts {style_seconds:.1f} s: one of {_SHORT:g} s or more has more notes of its own"
        )
    style = choices[0].style_tonality if choices else ()
    contents = [choice.tonality for choice in choices if choice.tonality is not None]
    if any(choice.how == "parts" for choice in choices) and style and min(style) >= TONAL:
        lines.append(
            "mixes are brought to each other in parts, and a style of many instruments becomes an average: "
            "one instrument alone as the style gives more of its sound"
        )
    elif (
        style
        and contents
        and max(*style, *contents) < TONAL
        and choices[0].how in ("none", "equalised", "parts")
    ):
        lines.append(
            "neither clip has pitches: the style's sound is taken as a texture; for speech, or one voice as "
            "another, voice conversion models know what a voice is, and this does not"
        )
    sure = [choice.reliability for choice in choices if choice.reliability is not None]
    if sure and min(sure) < _SURE and any(choice.how == "notes" for choice in choices):
        lines.append(
            "some of the content's notes are unsure: one instrument alone, with little echo, is surer"
        )
    return lines


def _alignments(result: Result) -> list[str]:
    choices = result.choices
    why = "as the settings say"
    if result.settings.align == "auto" and choices[0].style_tonality:
        why = f"tonality is {min(choices[0].style_tonality):.2f} for the style"
        contents = [choice.tonality for choice in choices if choice.tonality is not None]
        if contents:
            why += f" and {min(contents):.2f}" + (f" to {max(contents):.2f}" if len(contents) > 1 else "")
            why += " for the content"
        why += f", and from {TONAL} on a clip has pitches"
        sure = [choice.reliability for choice in choices if choice.reliability is not None]
        if sure:
            least, most = (f"{value:.2f}" for value in (min(sure), max(sure)))
            why += f"; certainty of the content's notes is {least}" + (f" to {most}" if len(sure) > 1 else "")
        if any(choice.how == "parts" for choice in choices):
            why += "; strokes sound beside the notes of both"
        found = sum(choice.n_strokes or 0 for choice in choices if choice.how == "strokes")
        if found:
            why += f"; the content has {found} strokes, and one of the clips is drums"
    lines = []
    for how in dict.fromkeys(choice.how for choice in choices):
        n_blocks = sum(choice.how == how for choice in choices)
        where = "" if n_blocks == len(choices) else f"in {n_blocks} of {len(choices)} blocks, "
        lines.append(f"{where}{_HOW.get(how, f'the style is aligned by {how}')}: {why}")
    return lines


def _strengths(result: Result) -> str:
    settings = result.settings
    if settings.content_weight is not None:
        return f"content weight {settings.content_weight:g}, as the settings say, and no strength"
    strengths = " and ".join(dict.fromkeys(f"{choice.strength:g}" for choice in result.choices))
    if settings.strength is not None:
        return f"strength {strengths}, as the settings say"
    hows = {choice.how for choice in result.choices}
    of = _OF.get(hows.pop(), "an alignment") if len(hows) == 1 else "each block"
    return f"strength {strengths}, the default for {of}"


def notices(result: Result, styles: Sequence[Path], output: str) -> list[str]:
    """Give the lines that a user should see without asking.

    Args:
        result: The run.
        styles: Files of the styles that took part.
        output: Name of the output.
    """
    lines = _written(result, output)
    for names, where in (
        ([n for n in result.ignored if n not in OF_FILES], f"here (network {result.settings.network})"),
        ([n for n in result.ignored if n in OF_FILES], f"in {output}"),
    ):
        if names:
            verb = "mean" if len(names) > 1 else "means"
            lines.append(f"{', '.join(names)} {verb} nothing {where}: left aside")
    tonality = result.choices[0].style_tonality if result.choices else ()
    aligned = any(choice.how not in ("none", "parts") for choice in result.choices)
    if result.settings.align == "auto" and not aligned and any(t >= TONAL for t in tonality):
        without = [f"{path} ({t:.2f})" for path, t in zip(styles, tonality, strict=True) if t < TONAL]
        if without:
            lines.append(
                f"no style is aligned, as {', '.join(without)} has no pitches (tonality from {TONAL} on)"
            )
    return lines


def _written(result: Result, output: str) -> list[str]:
    """Say what the format and the ceiling have done to the samples."""
    delivery = result.delivery
    if delivery is None:
        return []
    lines = []
    if delivery.n_clipped:
        lines.append(f"{output}: {delivery.n_clipped} samples of the content over full scale were clipped")
    if delivery.left_out:
        lines.append(f"{output}: left out of what the content's file says: {', '.join(delivery.left_out)}")
    if delivery.was_resampled:
        lines.append(f"{output}: written at {delivery.sample_rate} Hz, the nearest rate of its format")
    if result.quieter > _QUIETER:
        lines.append(
            f"{output}: {result.quieter:.1f} LU quieter than the content, so that no sample is over -1 dBFS"
        )
    return lines
