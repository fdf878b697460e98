"""HEAD wherever there is GET: the same answer without its body; and OPTIONS where GET and POST share a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import HttpMethod, ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send


TWO_HANDLERS = ("/recommend", "/predict", "/measurements")
"""Paths whose GET and POST stand apart: the framework's OPTIONS knows but one of them."""
ALLOW = (b"allow", b"GET, HEAD, OPTIONS, POST")


def head(app: ASGIApp, *, preflight: bool) -> ASGIApp:
    """Middleware that asks a GET and keeps its body back, and answers OPTIONS where the framework cannot.

    With ``preflight``, what a browser asks before it sends a request of another origin is left to the framework.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        options = scope["type"] == ScopeType.HTTP and scope["method"] == HttpMethod.OPTIONS
        asked = preflight and any(name == b"access-control-request-method" for name, _ in scope["headers"])
        if options and scope["path"] in TWO_HANDLERS and not asked:
            await send({"type": "http.response.start", "status": 204, "headers": [ALLOW]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if scope["type"] != ScopeType.HTTP or scope["method"] != HttpMethod.HEAD:
            await app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        scope["method"] = HttpMethod.GET
        await app(scope, receive, without_body)

    return wrapped
