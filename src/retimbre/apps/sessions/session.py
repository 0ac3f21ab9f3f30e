"""Sessions: each has its clips, transfers and files, which nobody else can name, and an end."""

import asyncio
import contextlib
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retimbre.apps.sessions.limits import LimitError, Limits
from retimbre.apps.sessions.records import SessionClip, SessionTransfer

_HEARTBEAT = 2.0  # seconds


class EventReader:
    """Reader of a session's events: the newest of each kind and name, in order."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], Any] = {}
        self._came = asyncio.Event()
        self._ended = False

    def put(self, kind: str, name: str, data: Any) -> None:
        """Take in an event, in place of an older one that was not read."""
        self._events.pop((kind, name), None)
        self._events[kind, name] = data
        self._ended = self._ended or kind == "bye"
        self._came.set()

    async def read(self) -> AsyncGenerator[tuple[str, Any] | None]:
        """Give the events as they come; ``None`` now and then, where none does."""
        while True:
            try:
                await asyncio.wait_for(self._came.wait(), _HEARTBEAT)
            except TimeoutError:
                yield None
                continue
            self._came.clear()
            events, self._events = self._events, {}
            for (kind, _), data in events.items():
                yield kind, data
            if self._ended:
                return


@dataclass(eq=False)
class Session:
    """Session of a page or a program.

    Attributes:
        token: Its name, which cannot be guessed.
        folder: Folder of its files.
        clips: Its clips by name.
        transfers: Its transfers by name.
        readers: Readers of its events.
        ended: Whether it has ended.
    """

    token: str
    folder: Path
    loop: asyncio.AbstractEventLoop
    clips: dict[str, SessionClip] = field(default_factory=dict)
    transfers: dict[str, SessionTransfer] = field(default_factory=dict)
    readers: set[EventReader] = field(default_factory=set)
    ended: bool = False
    had_page: bool = False
    touched: float = field(default_factory=time.monotonic)

    def publish(self, kind: str, name: str, data: Any) -> None:
        """Send an event to the readers, from any thread."""
        with contextlib.suppress(RuntimeError):  # the server has ended
            self.loop.call_soon_threadsafe(self._put, kind, name, data)

    def _put(self, kind: str, name: str, data: Any) -> None:
        for reader in self.readers:
            reader.put(kind, name, data)

    def clean(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """All sessions.

    Args:
        folder: Folder of their folders.
        limits: Limits.
        on_end: Called with a session that has ended.
    """

    def __init__(self, folder: Path, limits: Limits, on_end: Callable[[Session], None]) -> None:
        self._folder, self._limits, self._on_end = folder, limits, on_end
        self._sessions: dict[str, Session] = {}

    def open(self) -> Session:
        """Open a session.

        Raises:
            LimitError: there are too many.
        """
        if len(self._sessions) >= self._limits.sessions:
            raise LimitError(f"{len(self._sessions)} sessions are open: expected fewer, close a page first")
        token = secrets.token_urlsafe(24)
        folder = self._folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        session = self._sessions[token] = Session(token, folder, asyncio.get_running_loop())
        return session

    def find(self, token: str) -> Session | None:
        """Find a session by its token, and take notice of the request."""
        session = self._sessions.get(token)
        if session is not None:
            session.touched = time.monotonic()
        return session

    def end(self, session: Session) -> None:
        """End a session with its jobs and files."""
        if session.ended:
            return
        session.ended = True
        self._sessions.pop(session.token, None)
        session.publish("bye", "", {})
        self._on_end(session)
        session.clean()

    def end_all(self) -> None:
        """End all sessions."""
        for session in list(self._sessions.values()):
            self.end(session)

    async def end_stale(self) -> None:
        """End sessions whose page was closed or whose program is gone, as long as this is awaited."""
        while True:
            await asyncio.sleep(min(0.5, self._limits.closed_seconds / 4))
            now = time.monotonic()
            for session in list(self._sessions.values()):
                limit = self._limits.closed_seconds if session.had_page else self._limits.idle_seconds
                busy = not session.had_page and any(t.is_busy for t in session.transfers.values())
                if not session.readers and not busy and now - session.touched > limit:
                    self.end(session)

    async def events(self, session: Session) -> AsyncGenerator[tuple[str, Any] | None]:
        """Give the events of a session, which lives as long as they are read."""
        reader = EventReader()
        session.readers.add(reader)
        session.had_page = True
        try:
            for transfer in session.transfers.values():
                reader.put("transfer", transfer.id, transfer.shown())
            async for event in reader.read():
                yield event
        finally:
            session.readers.discard(reader)
            session.touched = time.monotonic()
