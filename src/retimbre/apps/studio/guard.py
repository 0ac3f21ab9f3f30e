"""Guard of the studio: no other page, host name or person reaches it, and its page loads nothing else."""

import ipaddress
import secrets
import socket
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "retimbre-access"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard:
    """Middleware that lets in requests for this host, from its own page or from a program.

    Args:
        app: Application behind it.
        hosts: Values of ``Host`` that are answered; addresses and this machine's name if ``None``.
        access: Token that the address of the page must have once; none is needed if ``None``.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] | None, access: str | None) -> None:
        self._app, self._hosts, self._access = app, hosts, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        at_door = self._access is not None and _same(
            self._access, QueryParams(scope["query_string"]).get("access")
        )

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if at_door:
                    headers["Set-Cookie"] = f"{COOKIE}={self._access}; HttpOnly; SameSite=Strict; Path=/"
            await send(message)

        problem = self._problem(scope, Headers(scope=scope), at_door)
        if problem:
            await JSONResponse({"error": problem}, 403)(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _problem(self, scope: Scope, headers: Headers, at_door: bool) -> str:
        host = headers.get("host", "").lower()
        if not (_is_own(host) if self._hosts is None else host in self._hosts):
            return "the host is not this studio's: expected the address that retimbre studio printed"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host:
            return "the request comes from another page: expected the studio's own, or a program"
        is_page = scope["path"] == "/" and scope["method"] == "GET"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_page:
            return "the request comes from another page: expected the studio's own, or a program"
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        if self._access is not None and not at_door and not _same(self._access, cookie):
            return "the access token is missing: expected the whole address that retimbre studio printed"
        return ""


def _same(token: str, given: str | None) -> bool:
    return given is not None and secrets.compare_digest(token.encode(), given.encode())


def _is_own(host: str) -> bool:
    """Tell whether a host is an address or this machine's name, which no other page can point here."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    own = socket.gethostname().lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in ("localhost", own, f"{own}.local")
    return True
