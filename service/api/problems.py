"""Every error as ``application/problem+json`` (RFC 9457): type, title, status, detail, and errors by field."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from litestar import Response
from litestar.exceptions import HTTPException

from service.recommendation.asked import BadQuestionError

if TYPE_CHECKING:
    from litestar import Request

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"


class FieldErrors(Exception):  # noqa: N818  (it carries errors, plural)
    """A request with bad fields: (name, reason) each, and the HTTP status that says so."""

    def __init__(self, errors: list[tuple[str, str]], status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in errors))
        self.errors = errors
        self.status = status


def request_id(request: Request[Any, Any, Any]) -> str:
    """The name of a request, in its problem document and in the log; see watching."""
    name: str = request.scope["state"]["request_id"]
    return name


def problem(
    request: Request[Any, Any, Any],
    status: HTTPStatus,
    detail: str,
    errors: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """A problem document."""
    body = body_of(status, detail, request_id(request), errors)
    return Response(body, status_code=status.value, media_type=MEDIA_TYPE, headers=headers)


def body_of(status: HTTPStatus, detail: str, request_id: str, errors: list[tuple[str, str]] | None = None) -> bytes:
    """A problem document's bytes. ``request_id`` is the one in the log."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "request_id": request_id,
    }
    if errors is not None:
        body["errors"] = [{"name": name, "reason": reason} for name, reason in errors]
    return msgspec.json.encode(body)


def on_field_errors(request: Request[Any, Any, Any], error: FieldErrors) -> Response[bytes]:
    """Bad input: 400 with the fields, or the status the error names."""
    return problem(request, error.status, str(error), error.errors)


def on_bad_question(request: Request[Any, Any, Any], error: BadQuestionError) -> Response[bytes]:
    """A field that is well-formed but cannot be answered: 400 that names it."""
    return problem(request, HTTPStatus.BAD_REQUEST, str(error), [(error.field, error.reason)])


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework refuses: unknown path, wrong method, too large a body."""
    status = HTTPStatus(error.status_code)
    detail = error.detail if status.value < HTTPStatus.INTERNAL_SERVER_ERROR else status.phrase
    return problem(request, status, detail or status.phrase, headers=dict(error.headers or {}))


def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A bug: 500 that tells nothing but the request id; the log has the rest."""
    log.error("crash", path=request.url.path, request_id=request_id(request), exc_info=error)
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed; the log has this request's id")


HANDLERS: dict[Any, Any] = {
    FieldErrors: on_field_errors,
    BadQuestionError: on_bad_question,
    HTTPException: on_http,
    Exception: on_crash,
}
