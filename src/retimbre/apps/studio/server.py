"""Server of the studio: its address, its folder, and how it ends."""

import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from retimbre.apps.sessions.folder import own_folder
from retimbre.apps.sessions.limits import Limits
from retimbre.apps.studio.application import Studio
from retimbre.apps.studio.guard import Guard
from retimbre.errors import InputError

PORT = 8731
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Server(uvicorn.Server):
    """Server that ends at the first signal, with its streams."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], studio: Studio) -> None:
        super().__init__(config)
        self._when_started, self._studio = started, studio

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._studio.end()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def handler(signum: int, frame: FrameType | None) -> None:
            self.should_exit = True

        before = {s: signal.signal(s, handler) for s in (signal.SIGINT, signal.SIGTERM)}
        yield
        for signum, old in before.items():
            signal.signal(signum, old)


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine reaches a host."""
    return host in _LOOPBACK


def serve(
    host: str,
    port: int | None,
    started: Callable[[str], None],
    *,
    limits: Limits | None = None,
) -> None:
    """Serve the studio until SIGINT or SIGTERM; call ``started`` with its address.

    Args:
        host: Address to listen at. One that others reach needs a token, which the address then holds.
        port: Port; if ``None`` the usual one or, where that is taken, any.
        started: Called once it answers.
        limits: Limits; the usual ones if ``None``.

    Raises:
        InputError: the address cannot be listened at.
    """
    with contextlib.closing(_listening(host, port)) as listening, own_folder() as folder:
        port = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        access = None if is_loopback(host) else secrets.token_urlsafe(24)
        hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        studio = Studio(folder, limits or Limits())
        guarded = Guard(studio.application(), hosts=None if access else hosts, access=access)
        config = uvicorn.Config(
            guarded,
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        address = f"http://{shown}:{port}/" + (f"?access={access}" if access else "")
        _Server(config, lambda: started(address), studio).run([listening])
        studio.work.queue.thread.join(0.5)
    if studio.work.queue.thread.is_alive():
        os._exit(0)  # it computes outside of Python, where nothing else stops it


def _listening(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wanted = [PORT, 0] if port is None else [port]
    for number in wanted:
        try:
            return socket.create_server((host, number), family=family)
        except OSError as error:
            if number == wanted[-1]:
                raise InputError(
                    f"{host}:{number} cannot be listened at ({error.strerror}): expected a free port of this "
                    "machine, or --port 0 for any"
                ) from error
    raise AssertionError
