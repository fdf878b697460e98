"""Rate limits: so many requests a minute for each key, or for each address without one; right with several workers.

The counts stand in one small SQLite file that all workers of a service share. It lives as long as they do: what is
counted may be lost with the machine, so nothing waits for the disk. Replicas on several machines count apart.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from http import HTTPStatus
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from litestar.enums import ScopeType

from service.api.problems import MEDIA_TYPE, body_of
from service.settings import SHARED_COUNTS, shared_folder

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from service.keys import Keys
    from service.settings import Settings

log = structlog.get_logger()
WINDOW_S = 60
IPV6_NETWORK = 64
"""An IPv6 customer has a whole network of this prefix: it counts as one address."""
FREE = ("/health/live", "/health/ready", "/metrics")
COUNT = """
INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT (who, minute) DO UPDATE SET count = count + 1 RETURNING count
"""


class Allowance(NamedTuple):
    """Who asks, and how often they may in a minute."""

    who: str
    most: int


class Counts:
    """Requests of the running minute by who asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine = threading.local()
        self._minute = 0

    def add(self, who: str, minute: int) -> int:
        """Count a request; returns how many there were in this minute, this one included."""
        connection = self._connection()
        (count,) = connection.execute(COUNT, (who, minute)).fetchone()
        if minute != self._minute:
            connection.execute("DELETE FROM counts WHERE minute < ?", (minute,))
            self._minute = minute
        return int(count)

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._mine, "connection"):
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=1.0)
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS counts"
                " (who TEXT, minute INTEGER, count INTEGER, PRIMARY KEY (who, minute)) WITHOUT ROWID"
            )
            self._mine.connection = connection
        return self._mine.connection  # type: ignore[no-any-return]


def limit(app: ASGIApp, settings: Settings, keys: Keys) -> ASGIApp:
    """Middleware that answers 429 once an allowance is used up; the application itself where no limit is set."""
    if not (settings.rate_per_address or settings.rate_per_key):
        return app
    counts = Counts(shared_folder(SHARED_COUNTS) / "counts")

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        allowance = _allowance(scope, settings, keys) if scope["type"] == ScopeType.HTTP else None
        if allowance is None or not allowance.most:
            await app(scope, receive, send)
            return
        now = time.time()
        try:
            used = counts.add(allowance.who, int(now) // WINDOW_S)
        except sqlite3.Error as error:  # a limit protects the service: without its counts it still answers
            log.warning("requests are not counted", error=str(error))
            await app(scope, receive, send)
            return
        left, reset = max(allowance.most - used, 0), WINDOW_S - int(now) % WINDOW_S
        headers = [
            (b"ratelimit-policy", f"{allowance.most};w={WINDOW_S}".encode()),
            (b"ratelimit-limit", str(allowance.most).encode()),
            (b"ratelimit-remaining", str(left).encode()),
            (b"ratelimit-reset", str(reset).encode()),
        ]
        if used > allowance.most:
            await _refuse(scope, send, allowance, reset, headers)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await app(scope, receive, told)

    return wrapped


def _allowance(scope: Any, settings: Settings, keys: Keys) -> Allowance | None:
    if scope["path"] in FREE:
        return None
    headers = dict(reversed(scope["headers"]))
    key = keys.find(headers.get(b"authorization", b"").decode("latin-1"))
    if key is not None:
        return Allowance(f"key {key.name}", settings.rate_per_key)
    return Allowance(f"address {address(scope, settings.trusted_proxies)}", settings.rate_per_address)


def address(scope: Any, trusted_proxies: int) -> str:
    """The client's address: the connection's, or what the outermost of so many trusted proxies saw."""
    found = str((scope.get("client") or ("unknown", 0))[0])
    if trusted_proxies:
        lines = (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
        seen = [part.strip() for line in lines for part in line.split(",") if part.strip()]
        found = seen[-trusted_proxies] if len(seen) >= trusted_proxies else found
    try:
        parsed = ip_address(found)
    except ValueError:
        return found[:64]
    if isinstance(parsed, IPv4Address) or parsed.ipv4_mapped:
        return str(getattr(parsed, "ipv4_mapped", None) or parsed)
    return str(ip_network((parsed, IPV6_NETWORK), strict=False))


async def _refuse(scope: Any, send: Send, allowance: Allowance, reset: int, headers: list[tuple[bytes, bytes]]) -> None:
    detail = f"more than {allowance.most} requests in a minute: ask again in {reset} s"
    body = body_of(HTTPStatus.TOO_MANY_REQUESTS, detail, scope["state"]["request_id"])
    kind = (b"content-type", MEDIA_TYPE.encode())
    length, again = (b"content-length", str(len(body)).encode()), (b"retry-after", str(reset).encode())
    status = HTTPStatus.TOO_MANY_REQUESTS.value
    await send({"type": "http.response.start", "status": status, "headers": [kind, length, again, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
