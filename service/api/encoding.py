"""Encoded answers with their validators: ETag and Cache-Control by catalog version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import MediaType, Response

if TYPE_CHECKING:
    from litestar import Request

    from service.answers import Answers

CACHE_CONTROL = "public, max-age=60, must-revalidate"


def answered(
    request: Request[Any, Any, Any], answers: Answers, body: bytes, etag: str | None = None
) -> Response[bytes]:
    """200 with the body, or 304 where the client has this answer already; ``etag``: default, the catalog's."""
    etag = etag or answers.etag
    headers = {"ETag": etag, "Cache-Control": CACHE_CONTROL}
    known = request.headers.get("if-none-match", "")
    if request.method in {"GET", "HEAD"} and (known == "*" or etag in known):
        return Response(b"", status_code=304, headers=headers, media_type=MediaType.JSON)
    return Response(body, status_code=200, headers=headers, media_type=MediaType.JSON)
