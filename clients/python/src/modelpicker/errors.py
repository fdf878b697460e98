"""What can go wrong when asking, as exceptions that carry the service's problem document."""

from __future__ import annotations

from typing import Any


class ModelpickerError(Exception):
    """Base of everything this package raises about an answer."""


class ConnectionFailedError(ModelpickerError):
    """No answer came: the service is down, unreachable, or took too long."""


class ProblemError(ModelpickerError):
    """The service answered with an error.

    ``status`` is the HTTP status, ``problem`` the whole problem document (RFC 9457; empty where none came), ``errors``
    its (name, reason) pairs, and ``request_id`` names the request in the service's log.
    """

    def __init__(self, status: int, problem: dict[str, Any], request_id: str | None = None) -> None:
        detail = problem.get("detail") or problem.get("title") or "the service gave no reason"
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.problem = problem
        self.request_id = request_id or problem.get("request_id")
        found = problem.get("errors") or []
        self.errors = tuple((e.get("name", ""), e.get("reason", "")) for e in found if isinstance(e, dict))


class BadRequestError(ProblemError):
    """400, 413, 414, 415 or 422: a field of the question is wrong; ``errors`` names it and the fix."""


class NotFoundError(ProblemError):
    """404: nothing of that id; the message names the nearest known ones."""


class NotAllowedError(ProblemError):
    """401 or 403: the key is missing, wrong, or not allowed to do that."""


class RateLimitedError(ProblemError):
    """429: too many questions; the client has waited and tried again as often as it was told to."""


class ServiceError(ProblemError):
    """5xx: the service could not answer."""


def problem_error(status: int, problem: dict[str, Any], request_id: str | None) -> ProblemError:
    """The exception of a status."""
    kinds: dict[int, type[ProblemError]] = {
        401: NotAllowedError, 403: NotAllowedError, 404: NotFoundError, 429: RateLimitedError,
    }  # fmt: skip
    kind = kinds.get(status, ServiceError if status >= 500 else BadRequestError)
    return kind(status, problem, request_id)
