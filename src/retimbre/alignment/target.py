"""What the objective of a block aims at: what the content term keeps, and which style the style term matches.

Where both clips have pitches, the style is played at the content's (:mod:`retimbre.alignment.pitch`), and
what the content term keeps moves towards that with the strength. Where one has none, there are no notes to
play: content and style stay as they are, unless the settings ask for a match
(:mod:`retimbre.alignment.spectrum`), which the content then moves towards.

A match is not the default there, although it comes nearer to the target from piano to drums and back: it also
gives the content the style's dynamics, and with a steady style nothing is left of its rhythm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from retimbre.alignment.pitch import Alignment
from retimbre.alignment.spectrum import MATCHES
from retimbre.losses.terms import Style
from retimbre.settings import ALIGNED, BALANCED, Settings

TONAL = 0.45
"""Tonality from which on a clip is taken for music with pitches. Of 22 pitched instruments of a General MIDI
soundfont, on several songs, the least is .54 (a marimba), of five drum kits the highest .39."""

How = Literal["aligned", "quantile", "equalised", "plain"]


@dataclass(frozen=True)
class Choice:
    """What was chosen for a block.

    Attributes:
        how: What is done with the style or the content.
        strength: How much style.
        tonality: The content's, 0 to 1; ``None`` where nothing depended on it.
    """

    how: How
    strength: float
    tonality: float | None


@dataclass(frozen=True)
class Aim:
    """What the objective of a block aims at.

    Attributes:
        content: What the content term keeps, and where the descent starts: compressed, (F, T).
        style: What the style term matches.
        choice: How that came about.
    """

    content: Tensor
    style: Style
    choice: Choice


class Aims:
    """Finds the aim of one block after the other.

    Args:
        style: The style as it is, compressed spectrograms (F, T') and shares.
        settings: ``align``, ``match`` and ``strength``; how strong it is where they do not say.
        n_fft: Length of the window in samples.
        sample_rate: Rate in Hz.

    Attributes:
        tonality: The style's; ``None`` where nothing depends on it.
    """

    def __init__(self, style: Style, settings: Settings, n_fft: int, sample_rate: int) -> None:
        self._settings, self._bin_width = settings, sample_rate / n_fft
        self._alignment = None if settings.align == "off" else Alignment(style, n_fft, sample_rate)
        self.tonality = None if self._alignment is None else self._alignment.tonality

    def of(self, content: Tensor, style: Style) -> Aim:
        """Aim at a content, compressed (F, T) and not all zero, and a style fitted to its length."""
        settings, tonality = self._settings, None
        if self._alignment is not None and (settings.align == "on" or self._alignment.tonality >= TONAL):
            heard = self._alignment.hear(content)
            tonality = heard.notes.tonality
            if settings.align == "on" or tonality >= TONAL:
                strength = ALIGNED if settings.strength is None else settings.strength
                played = self._alignment.play(content, heard)
                choice = Choice("aligned", strength, tonality)
                return Aim(towards(content, played, strength), played, choice)
        strength = BALANCED if settings.strength is None else settings.strength
        if settings.match == "none":
            return Aim(content, style, Choice("plain", strength, tonality))
        matched = MATCHES[settings.match](content, style, self._bin_width)
        target = towards(content, Style([(matched, 1.0)]), strength)
        return Aim(target, style, Choice(settings.match, strength, tonality))


def explained(choices: Sequence[Choice], style_tonality: float | None, settings: Settings) -> tuple[str, ...]:
    """Say in sentences what was chosen and why, for people.

    Args:
        choices: Those of the blocks of one content, at least one.
        style_tonality: The style's, if it was asked.
        settings: The settings.
    """
    asked = [choice.tonality for choice in choices if choice.tonality is not None]
    why = "as the settings say"
    if settings.align == "auto" and style_tonality is not None:
        why = f"tonality is {style_tonality:.2f} for the style"
        if asked:
            why += f" and {min(asked):.2f}" + (f" to {max(asked):.2f}" if len(asked) > 1 else "")
            why += " for the content"
        why += f", and from {TONAL} on a clip has pitches"
    said = []
    for how in dict.fromkeys(choice.how for choice in choices):
        n_blocks = sum(choice.how == how for choice in choices)
        where = "" if n_blocks == len(choices) else f"in {n_blocks} of {len(choices)} blocks, "
        said.append(f"{where}{_SAID[how]}: {why}")
    strengths = " and ".join(dict.fromkeys(f"{choice.strength:g}" for choice in choices))
    source = "which goes with that" if settings.strength is None else "as the settings say"
    start = "what the content term keeps" if settings.init == "content" else settings.init
    network = "the default" if settings.network == Settings().network else "as the settings say"
    return (
        *said,
        f"strength {strengths}, {source}",
        f"network {settings.network}, {network}; start from {start}",
    )


_SAID: dict[How, str] = {
    "aligned": "the style is played at the content's pitches",
    "quantile": "the content moves towards the style's levels in 40 bands, and the style stays as it is",
    "equalised": "the content moves towards the style's mean spectrum, and the style stays as it is",
    "plain": "content and style stay as they are",
}


def towards(content: Tensor, style: Style, strength: float) -> Tensor:
    """Move a content (F, T) towards a style of its length: what the content term then keeps.

    ``(1 - strength) content + strength style`` in compressed magnitudes; several styles count by their
    shares.
    """
    played = sum((share * frames for frames, share in style.clips), start=content.new_zeros(()))
    return content + strength * (played - content)
