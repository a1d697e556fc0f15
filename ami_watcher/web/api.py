"""The HTTP API and the page: each request, answered from the state."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ami_watcher.event import EventKind
from ami_watcher.web.events import EventStream
from ami_watcher.web.guard import COOKIE, SESSION_S, AccessTokens
from ami_watcher.web.live_page import LivePage
from ami_watcher.web.metrics import WatcherMetrics
from ami_watcher.web.openapi import description
from ami_watcher.web.watcher_state import WatcherState

KINDS: Final = frozenset(EventKind)
ASSETS: Final = Path(__file__).parent / "page" / "assets"
LONGEST_BODY: Final = 4_096
"""Bytes of a login form."""
AFTER_A_WRONG_TOKEN_S: Final = 0.5

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


class PageLogin:
    """Who has shown the token gets a session; guesses are slow, one at a time."""

    def __init__(self, page: LivePage) -> None:
        """
        Args:
            page: renders the form.
        """
        self.tokens: AccessTokens | None = None
        self._page = page
        self._slow = asyncio.Lock()

    async def form(self, _request: Request) -> Response:
        """GET /login."""
        if self.tokens is None:
            return RedirectResponse("/", status_code=303)
        return _html(self._page.login(wrong=False))

    async def enter(self, request: Request) -> Response:
        """POST /login with the token as a form field."""
        if self.tokens is None:
            return RedirectResponse("/", status_code=303)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_BODY:
                raise HTTPException(413, "The form is too long.")
        shown = _form(body).get("token", "")
        if not self.tokens.fits(shown):
            async with self._slow:
                await asyncio.sleep(AFTER_A_WRONG_TOKEN_S)
            return _html(self._page.login(wrong=True), status=403)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(COOKIE, self.tokens.session(), max_age=SESSION_S, httponly=True, samesite="strict", path="/")
        return answer


def application(state: WatcherState, metrics: WatcherMetrics) -> tuple[Starlette, PageLogin]:
    """The application, without its guard, and its login.

    Args:
        state: what is known.
        metrics: what is counted.
    """
    page = LivePage()
    login = PageLogin(page)

    async def index(request: Request) -> Response:
        query, known = _text(request, "q", 200), login.tokens is not None
        return _html(await state.compute(lambda view: page.index(view, query, login=known)))

    async def registrations(_request: Request) -> Response:
        return Response(await state.compute(lambda view: view.registrations_json), media_type="application/json")

    async def contacts(request: Request) -> Response:
        query, limit = _text(request, "q", 200), _number(request, "limit", 500, 0, 10_000)
        body = await state.compute(lambda view: view.contacts(query, limit).model_dump_json())
        return Response(body, media_type="application/json")

    async def everything() -> str:
        return (await state.compute(lambda view: view.registrations_json)).decode()

    async def history(request: Request) -> Response:
        kind = _text(request, "kind", 20)
        if kind and kind not in KINDS:
            raise HTTPException(400, f"kind is one of {', '.join(sorted(KINDS))}")
        return _json(
            await state.history(
                since=float(_number(request, "since", 0, 0, 10**11)),
                kind=EventKind(kind) if kind else None,
                subject=_text(request, "subject", 256) or None,
                limit=_number(request, "limit", 200, 1, 10_000),
            )
        )

    async def healthz(_request: Request) -> Response:
        # Open to everybody: it says that the daemon answers, and nothing of what it knows.
        return JSONResponse({"ready": state.health().ready, "version": state.version})

    async def readyz(_request: Request) -> Response:
        health = state.health()
        return _json(health, status=200 if health.ready else 503)

    async def measured(request: Request) -> Response:
        text, kind = await metrics.exposition(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": kind})

    async def openapi(_request: Request) -> Response:
        return JSONResponse(description(state.version))

    async def refused(_request: Request, error: Exception) -> Response:
        status, words = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "A defect.")
        headers = error.headers if isinstance(error, HTTPException) else None
        return JSONResponse({"error": words}, status_code=status, headers=headers)

    routes = [
        Route("/", index),
        Route("/login", login.form, methods=["GET"]),
        Route("/login", login.enter, methods=["POST"]),
        Route("/api/registrations", registrations),
        Route("/api/contacts", contacts),
        Route("/api/history", history),
        Route("/api/events", EventStream(state.hub, everything)),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", measured),
        Route("/openapi.json", openapi),
        Mount("/page", _Assets(directory=ASSETS)),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: refused, Exception: refused}), login


class _Assets(StaticFiles):
    """Style, script and pictures; asked for anew each time, and answered with 304 where nothing changed."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def _json(document: BaseModel, *, status: int = 200) -> Response:
    return Response(document.model_dump_json(), status_code=status, media_type="application/json")


def _html(text: str, *, status: int = 200) -> Response:
    return Response(text, status_code=status, media_type="text/html")


def _text(request: Request, name: str, longest: int) -> str:
    return request.query_params.get(name, "")[:longest]


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    whole = text.partition(".")[0]
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 12 and least <= int(whole) <= most):
        raise HTTPException(400, f"{name} is a number from {least} to {most}")
    return int(whole)


def _form(body: bytes) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=8))
    except ValueError:
        return {}
