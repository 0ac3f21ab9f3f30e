"""Application of the studio: its routes (docs/studio.md)."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from retimbre.apps.catalogue import catalogue
from retimbre.apps.examples import EXAMPLES
from retimbre.apps.sessions import requests
from retimbre.apps.sessions.limits import LimitError, Limits
from retimbre.apps.sessions.records import SessionClip, SessionTransfer
from retimbre.apps.sessions.session import Session, Sessions
from retimbre.apps.sessions.soundfiles import as_flac, picture, playable
from retimbre.apps.sessions.work import Work, strength_key
from retimbre.apps.studio import uploads
from retimbre.errors import InputError, RetimbreError, printable
from retimbre.report.outline import outline

_PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_LONGEST_NAME = 120

Found = TypeVar("Found")
Handler = Callable[[Request, Session], Coroutine[Any, Any, Response]]


class Studio:
    """Routes of the studio, with the sessions and the work behind them.

    Args:
        folder: Folder of all files.
        limits: Limits.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits, self.work = limits, Work(limits)
        self.sessions = Sessions(folder, limits, self.work.drop)
        self._reading = asyncio.Semaphore(2)  # clips that are decoded at once

    def end(self) -> None:
        """End all sessions and the work."""
        self.sessions.end_all()
        self.work.queue.end()

    def application(self) -> Starlette:
        """Make the application."""
        routes = [
            Route("/", self._page),
            Route("/page/{name}", self._page),
            Route("/settings", self._settings),
            Route("/sessions", self._open, methods=["POST"]),
            Route("/sessions", self._of_session(self._end), methods=["DELETE"]),
            Route("/sessions/end", self._of_session(self._end), methods=["POST"]),
            Route("/events", self._of_session(self._events)),
            Route("/clips", self._of_session(self._upload), methods=["POST"]),
            Route("/clips/example", self._of_session(self._example), methods=["POST"]),
            Route("/clips/{id}", self._of_session(self._drop_clip), methods=["DELETE"]),
            Route("/clips/{id}/{what:str}", self._of_session(self._clip_file)),
            Route("/prepare", self._of_session(self._prepare), methods=["POST"]),
            Route("/transfers", self._of_session(self._start), methods=["POST"]),
            Route("/transfers", self._of_session(self._history)),
            Route("/transfers/{id}", self._of_session(self._transfer)),
            Route("/transfers/{id}", self._of_session(self._drop_transfer), methods=["DELETE"]),
            Route("/transfers/{id}/stop", self._of_session(self._stop), methods=["POST"]),
            Route("/transfers/{id}/strength", self._of_session(self._strength), methods=["POST"]),
            Route("/transfers/{id}/preview", self._of_session(self._preview)),
            Route("/transfers/{id}/{what:str}", self._of_session(self._result_file)),
        ]
        handlers = {LimitError: _refused, RetimbreError: _bad, HTTPException: _missing}
        return Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        watch = asyncio.create_task(self.sessions.end_stale())
        yield
        watch.cancel()
        self.end()

    def _of_session(self, handler: Handler) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def with_session(request: Request) -> Response:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            session = self.sessions.find(request.query_params.get("session", bearer))
            if session is None:
                raise HTTPException(
                    404, "the session is not there: expected one that POST /sessions has opened"
                )
            return await handler(request, session)

        return with_session

    async def _page(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        files = {path.name: path for path in _PAGE.iterdir() if path.suffix in _TYPES}
        return FileResponse(_found(files, name, "file"), media_type=_TYPES[Path(name).suffix])

    async def _settings(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(catalogue, self.limits))

    async def _open(self, request: Request) -> Response:
        return JSONResponse({"session": self.sessions.open().token}, 201)

    async def _end(self, request: Request, session: Session) -> Response:
        self.sessions.end(session)
        return JSONResponse({})

    async def _events(self, request: Request, session: Session) -> Response:
        async def lines() -> AsyncIterator[str]:
            yield ": open\n\n"
            async with contextlib.aclosing(self.sessions.events(session)) as events:
                async for event in events:
                    yield (
                        ": \n\n" if event is None else f"event: {event[0]}\ndata: {json.dumps(event[1])}\n\n"
                    )

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def _upload(self, request: Request, session: Session) -> Response:
        length = request.headers.get("content-length", "")
        pieces = uploads.limited(request, self.limits.bytes).stream()
        name = request.query_params.get("name", "clip")
        return JSONResponse(
            (await self._add(session, name, pieces, int(length) if length else None)).shown(), 201
        )

    async def _add(
        self, session: Session, name: str, pieces: AsyncIterator[bytes], n_bytes: int | None
    ) -> SessionClip:
        if len(session.clips) >= self.limits.clips:
            raise LimitError(f"{len(session.clips)} clips are here: expected fewer, remove one first")
        name = printable(name.rpartition("/")[2].rpartition("\\")[2])[-_LONGEST_NAME:] or "clip"
        path = session.folder / secrets.token_hex(8)
        try:
            await uploads.save(pieces, path, n_bytes, self.limits.seconds)
            async with self._reading:
                found = await run_in_threadpool(outline, path, self.limits.seconds)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, RetimbreError | LimitError):
                error.args = (str(error).replace(str(path), name), *error.args[1:])
            raise
        clip = SessionClip(name, path, found)
        session.clips[clip.id] = clip
        return clip

    async def _example(self, request: Request, session: Session) -> Response:
        example = _found(EXAMPLES, request.query_params.get("name", ""), "example")
        clips = {}
        for role, (name, played) in zip(
            ("content", "style"), await run_in_threadpool(example.played), strict=True
        ):
            clips[role] = (await self._add(session, name, _once(played), None)).shown()
        return JSONResponse(clips, 201)

    async def _drop_clip(self, request: Request, session: Session) -> Response:
        clip = _found(session.clips, request.path_params["id"], "clip")
        if any(transfer.is_busy and transfer.uses(clip) for transfer in session.transfers.values()):
            raise LimitError(f"{clip.name} is at work: expected a clip that no transfer uses now", 409)
        del session.clips[clip.id]
        self.work.forget({clip})
        if not any(transfer.uses(clip) for transfer in session.transfers.values()):
            clip.path.unlink(missing_ok=True)
        return JSONResponse({})

    async def _clip_file(self, request: Request, session: Session) -> Response:
        clip = _found(session.clips, request.path_params["id"], "clip")
        what = request.path_params["what"]
        if what == "file":
            return FileResponse(clip.path, media_type="application/octet-stream", filename=clip.name)
        if what == "picture":
            return await self._picture(clip.path)
        if what != "sound":
            raise HTTPException(404, f"{clip.name} has no {what}: expected sound, picture or file")
        path = clip.path.with_suffix(".play")
        if not path.exists():
            async with self._reading:
                await run_in_threadpool(playable, clip.path, path)
        return FileResponse(path, media_type="audio/wav")

    async def _prepare(self, request: Request, session: Session) -> Response:
        body = await uploads.read_json(request)
        self.work.prepare(session, requests.read_transfer(body, session.clips, self.limits))
        return JSONResponse({}, 202)

    async def _start(self, request: Request, session: Session) -> Response:
        if len(session.transfers) >= self.limits.transfers:
            raise LimitError(f"{len(session.transfers)} transfers are here: expected fewer, remove one first")
        is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
        body = await self._form(request, session) if is_form else await uploads.read_json(request)
        strengths = requests.read_strengths(body.get("strengths", []))
        transfer = requests.read_transfer(body, session.clips, self.limits)
        session.transfers[transfer.id] = transfer
        try:
            self.work.start(session, transfer, strengths)
        except LimitError:
            del session.transfers[transfer.id]
            raise
        return JSONResponse(transfer.shown(), 202)

    async def _form(self, request: Request, session: Session) -> dict[str, Any]:
        """Read a form with files ``content`` and ``style`` as the body that names them as clips."""
        body: dict[str, Any] = {"styles": []}
        async with uploads.limited(request, 2 * self.limits.bytes).form(max_files=8, max_fields=8) as form:
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    body[name] = requests.read_field(value)
                elif (value.size or 0) > self.limits.bytes:
                    raise LimitError(
                        f"{value.filename} is too large: expected less than an upload may have", 413
                    )
                else:
                    clip = await self._add(session, value.filename or name, _read(value), value.size)
                    if name == "style":
                        body["styles"].append({"clip": clip.id, "weight": 1})
                    else:
                        body[name] = clip.id
        return body

    async def _history(self, request: Request, session: Session) -> Response:
        return JSONResponse([transfer.shown() for transfer in session.transfers.values()])

    async def _transfer(self, request: Request, session: Session) -> Response:
        return JSONResponse(_named(request, session).shown())

    async def _drop_transfer(self, request: Request, session: Session) -> Response:
        transfer = _named(request, session)
        self.work.drop(session, transfer)
        del session.transfers[transfer.id]
        for path in session.folder.glob(f"{transfer.id}*"):
            path.unlink(missing_ok=True)
        return JSONResponse({})

    async def _stop(self, request: Request, session: Session) -> Response:
        transfer = _named(request, session)
        self.work.stop(session, transfer)
        return JSONResponse(transfer.shown(), 202)

    async def _strength(self, request: Request, session: Session) -> Response:
        transfer = _named(request, session)
        strength = requests.read_strength((await uploads.read_json(request)).get("strength"))
        self.work.ask(session, transfer, strength)
        return JSONResponse(transfer.shown(), 202)

    async def _preview(self, request: Request, session: Session) -> Response:
        transfer = _named(request, session)
        if not transfer.preview:
            raise HTTPException(404, "there is no sound so far: expected a transfer that has begun")
        return FileResponse(session.folder / f"{transfer.id}-preview.wav", media_type="audio/wav")

    async def _result_file(self, request: Request, session: Session) -> Response:
        transfer, what = _named(request, session), request.path_params["what"]
        given = request.query_params.get("strength")
        key = None if given is None else strength_key(requests.read_strength(requests.read_field(given)))
        record = transfer.sound(key)
        if record is None or record.path is None or what not in ("sound", "picture"):
            raise HTTPException(404, "this sound is not there: expected one that is done")
        if what == "picture":
            return await self._picture(record.path)
        format = request.query_params.get("format", "wav")
        if format not in ("wav", "flac"):
            raise InputError(f"the format is {format}: expected wav or flac")
        path = record.path
        if format == "flac":
            path = await run_in_threadpool(as_flac, record.path)
        name = f"{transfer.title}{'' if key is None else f'-{key}'}.{format}"
        is_taken = "download" in request.query_params
        return FileResponse(path, media_type=f"audio/{format}", filename=name if is_taken else None)

    async def _picture(self, path: Path) -> Response:
        async with self._reading:
            levels, facts = await run_in_threadpool(picture, path)
        headers = {f"Retimbre-{name}": f"{value:g}" for name, value in facts.items()}
        return Response(levels, media_type="application/octet-stream", headers=headers)


class _Refusal(JSONResponse):
    """Answer to an upload that is not read to its end: it is drained before the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await uploads.drain(receive)
        await send({"type": "http.response.body", "body": b""})


async def _refused(request: Request, error: LimitError) -> Response:
    answer = _Refusal if error.status == 413 else JSONResponse
    return answer({"error": str(error)}, error.status)


async def _bad(request: Request, error: RetimbreError) -> Response:
    return JSONResponse({"error": " ".join(str(error).split())}, 400)


async def _missing(request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code)


def _found(among: "dict[str, Found]", name: str, noun: str) -> "Found":
    if name not in among:
        raise HTTPException(404, f"this {noun} is not there: expected one of this session")
    return among[name]


def _named(request: Request, session: Session) -> SessionTransfer:
    return _found(session.transfers, request.path_params["id"], "transfer")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _read(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(1 << 18):
        yield piece
