"""Style, script and the vendored chart library: read once, served compressed and cached by their content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    plain: bytes
    compressed: bytes
    media_type: str
    version: str
    """Hash of the content: part of the file's address, so that a cached one is never stale."""


@cache
def assets() -> dict[str, Asset]:
    """Every served file by its path under the folder."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in MEDIA_TYPES:
            plain = path.read_bytes()
            version = hashlib.sha256(plain).hexdigest()[:12]
            asset = Asset(plain, gzip.compress(plain, 9, mtime=0), MEDIA_TYPES[path.suffix], version)
            found[path.relative_to(FOLDER).as_posix()] = asset
    return found


def address(name: str) -> str:
    """Where a file is served: its path, with its version."""
    return f"/static/{name}?v={assets()[name].version}"


@get("/static/{name:path}", sync_to_thread=False, include_in_schema=False)
def asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A file of the explorer, compressed where the browser takes it so."""
    found = assets().get(name.removeprefix("/"))
    if found is None:
        raise NotFoundException(f"there is no {name}")
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    return compressed(request, found.plain, lambda: found.compressed, found.media_type, headers)


def compressed(
    request: Request[Any, Any, Any],
    plain: bytes,
    small: Callable[[], bytes],
    media_type: str,
    headers: dict[str, str],
    status: int = 200,
) -> Response[bytes]:
    """The small form where the client accepts gzip, else the plain one."""
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            small(), media_type=media_type, headers={**headers, "Content-Encoding": "gzip"}, status_code=status
        )
    return Response(plain, media_type=media_type, headers=headers, status_code=status)
