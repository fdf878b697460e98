"""Is the process alive, and are its answers right?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import MediaType, Request, Response, get

if TYPE_CHECKING:
    from service.current import Current


@get("/health/live", sync_to_thread=False)
def live(request: Request[Any, Any, Any]) -> Response[bytes]:
    """200 while the process answers at all."""
    del request
    return Response(b'{"status":"live"}', media_type=MediaType.JSON)


@get("/health/ready", sync_to_thread=False)
def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
    """200 once a catalog is loaded and answers; 503 before."""
    current: Current = request.app.state.current
    body = {"status": "ready" if current.answers else "starting", "catalog_version": current.version}
    return Response(msgspec.json.encode(body), status_code=200 if current.answers else 503, media_type=MediaType.JSON)
