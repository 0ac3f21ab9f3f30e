"""Sound and pictures as data addresses, so that a page is a single file."""

from retimbre.sound import player
from retimbre.sound.audio import Audio
from retimbre.sound.player import data_uri

__all__ = ["data_uri", "mp3"]


def mp3(audio: Audio) -> bytes:
    """Encode a clip for listening, at a rate that MP3 has; more than two channels become one."""
    return player.mp3(audio.samples, audio.sample_rate)
