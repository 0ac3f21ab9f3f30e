"""Uploads: bodies of requests, read no further than their limits."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.types import Message, Receive

from retimbre._output import check_space
from retimbre.apps.sessions.limits import LimitError
from retimbre.errors import InputError, RetimbreError

MOST_JSON = 1 << 16
_HEAD = 1 << 12
_DRAIN_SECONDS, _DRAIN_BYTES = 2.0, 1 << 28


def limited(request: Request, most: int) -> Request:
    """Give the request with a body that raises a LimitError where it is too large.

    Raises:
        LimitError: it says so beforehand.
    """
    error = LimitError(f"the upload has more than {most / 1e6:.0f} MB: expected less", 413)
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise error
    n_bytes, receive = 0, request.receive

    async def counted() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > most:
            raise error
        return message

    return Request(request.scope, counted)


async def save(pieces: AsyncIterator[bytes], path: Path, n_bytes: int | None, longest: float) -> None:
    """Write a body to a file.

    Args:
        pieces: The body.
        path: The file.
        n_bytes: Its size, where that is known.
        longest: Longest duration in seconds.

    Raises:
        LimitError: its first bytes say that it is longer, or there is no room for it.
    """
    head = b""
    try:
        check_space(path.parent, n_bytes or 0)
    except RetimbreError as error:
        raise LimitError(str(error), 507) from error
    with path.open("wb") as file:
        async for piece in pieces:
            if len(head) < _HEAD:
                head += piece[:_HEAD]
                if declared_seconds(head, n_bytes) > longest:
                    raise LimitError(f"the clip lasts longer than {longest:g} s: expected a part of it", 413)
            file.write(piece)


def declared_seconds(head: bytes, n_bytes: int | None) -> float:
    """Read the duration that the first bytes of a WAV or FLAC file declare; 0 where they declare none.

    >>> declared_seconds(b"RIFF    WAVEfmt " + bytes(12) + (88200).to_bytes(4, "little"), 882000)
    10.0
    """
    if head[:4] == b"fLaC" and len(head) >= 26:
        word = int.from_bytes(head[18:26], "big")
        return (word & (1 << 36) - 1) / ((word >> 44) or 1)
    at = head.find(b"fmt ")
    if head[:4] in (b"RIFF", b"RF64") and at >= 0 and len(head) >= at + 20 and n_bytes is not None:
        return n_bytes / (int.from_bytes(head[at + 16 : at + 20], "little") or n_bytes)
    return 0.0


async def read_json(request: Request) -> dict[str, Any]:
    """Read an object; an empty body is an empty one.

    Raises:
        LimitError: it is too large.
        InputError: it is none.
    """
    body = await limited(request, MOST_JSON).body()
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is no JSON ({error}): expected an object") from error
    if not isinstance(found, dict):
        raise InputError("the body is no object: expected one in JSON")
    return found


async def drain(receive: Receive) -> None:
    """Read the rest of a refused upload for a moment, so that its sender reads the answer."""
    n_bytes = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while n_bytes < _DRAIN_BYTES:
                message = await receive()
                n_bytes += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return
