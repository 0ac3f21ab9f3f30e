"""Clips of a baseline: both must sound, and what it makes is as loud as the content."""

from retimbre.errors import InputError
from retimbre.sound.audio import Audio, collect
from retimbre.sound.limiter import match_loudness
from retimbre.sound.loudness import loudness


def check_sounding(content: Audio, style: Audio) -> None:
    """Check both clips of a baseline.

    Raises:
        InputError: one is silent.
    """
    for clip, role in ((content, "content"), (style, "style")):
        if clip.is_silent:
            raise InputError(f"the {role} is silent: expected a clip that sounds")


def as_loud(made: Audio, content: Audio) -> Audio:
    """Give a clip the content's loudness, unless it is silent."""
    return made if made.is_silent else collect(match_loudness(made, loudness(content)))
