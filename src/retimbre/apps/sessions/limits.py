"""Limits of the studio: size, length and number of everything that a session may hold."""

from dataclasses import dataclass


class LimitError(Exception):
    """Limit that is reached.

    Args:
        line: Message in one line.
        status: Status of the answer.
    """

    def __init__(self, line: str, status: int = 429) -> None:
        super().__init__(line)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """Limits of a studio.

    Attributes:
        bytes: Size of an upload.
        seconds: Length of a clip, and of a texture, in seconds.
        clips: Clips of a session.
        transfers: Transfers of a session.
        waiting: Transfers that wait, of all sessions.
        sessions: Sessions at once.
        kept_seconds: Length of the contents whose analysis is kept, about 6 MB a second.
        kept_styles: Prepared styles that are kept.
        closed_seconds: Time after which a session ends whose page was closed.
        idle_seconds: Time after the last request after which a session ends that never had a page.
    """

    bytes: int = 1 << 28
    seconds: float = 600.0
    clips: int = 32
    transfers: int = 200
    waiting: int = 16
    sessions: int = 32
    kept_seconds: float = 60.0
    kept_styles: int = 3
    closed_seconds: float = 5.0
    idle_seconds: float = 900.0
