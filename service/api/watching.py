"""Seen from outside: a name for every request, metrics by route and outcome, and a line for what was slow or failed."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any

import structlog
from litestar import MediaType, Response, get
from litestar.enums import ScopeType
from prometheus_client import generate_latest

from service.metrics import LATENCY, REQUESTS, registry

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from catalog.ledger import Ledger
    from service.settings import Settings

log = structlog.get_logger()
NAME = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""A request's name that a client or proxy may give; others are replaced."""
SERVER_ERROR = 500


def watch(app: ASGIApp, settings: Settings, ledger: Ledger | None = None) -> ASGIApp:
    """Middleware around the whole application. Answers say so where the ledger is away and they come from memory."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        name = _name(scope)
        scope.setdefault("state", {})["request_id"] = name
        began, status = time.perf_counter(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                away = [] if ledger is None or ledger.available else [(b"x-ledger", b"away")]
                message["headers"] = [*message["headers"], (b"x-request-id", name.encode()), *away]
            await send(message)

        method = str(scope["method"])
        try:
            await app(scope, receive, named)
        finally:
            took = time.perf_counter() - began
            route = str(scope.get("path_template") or "unknown")
            REQUESTS.labels(route, method, str(status)).inc()
            LATENCY.labels(route).observe(took)
            _tell(settings, scope, method, status, took, name)

    return wrapped


def _name(scope: Any) -> str:
    given = next((value for key, value in scope["headers"] if key == b"x-request-id"), b"")
    return given.decode() if NAME.fullmatch(given) else secrets.token_hex(8)


def _tell(settings: Settings, scope: Any, method: str, status: int, took: float, name: str) -> None:
    """A warning for a slow question, an error for a failed one, and where asked a line for each."""
    slow = took * 1e3 >= settings.slow_ms
    if not (slow or settings.access_log or status >= SERVER_ERROR):
        return
    facts = {"method": method, "path": scope["path"], "status": status, "ms": round(took * 1e3, 2), "request_id": name}
    if slow:
        log.warning("slow question", query=scope["query_string"].decode("latin-1")[:1000], **facts)
    elif status >= SERVER_ERROR:
        log.error("failed request", **facts)
    else:
        log.info("request", **facts)


@get("/metrics", sync_to_thread=False, include_in_schema=False)
def metrics() -> Response[bytes]:
    """Prometheus text format, of all workers together."""
    return Response(generate_latest(registry()), media_type=MediaType.TEXT)
