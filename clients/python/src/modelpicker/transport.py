"""Sending a call: which answers are worth another try, how long to wait, and what an error means. No I/O happens here."""

from __future__ import annotations

import os
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from modelpicker.errors import ConnectionFailedError, problem_error

if TYPE_CHECKING:
    from modelpicker.endpoints import Call

A = TypeVar("A")
DEFAULT_URL = "http://127.0.0.1:8000"
RETRIED = frozenset({429, 502, 503, 504})
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0
REQUEST_ID = "x-request-id"

Step = Generator[float | None, httpx.Response | httpx.TransportError | None, httpx.Response]
"""Yields seconds to wait, or None to send; is sent the response or the failure; returns the answer."""


@dataclass(frozen=True)
class Options:
    """Where and how to ask. ``retries`` counts further tries; ``timeout_s`` bounds each one."""

    url: str = field(default_factory=lambda: os.environ.get("MODELPICKER_URL", DEFAULT_URL))
    key: str | None = field(default_factory=lambda: os.environ.get("MODELPICKER_API_KEY"), repr=False)
    timeout_s: float = 30.0
    retries: int = 3

    @property
    def client(self) -> dict[str, Any]:
        """Arguments of the httpx client."""
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        return {"base_url": self.url, "timeout": self.timeout_s, "headers": headers}


def request(call: Call[A]) -> dict[str, Any]:
    """Arguments of one httpx request."""
    return {"method": call.method, "url": call.path, "params": call.params or None, "json": call.json}


def attempts(retries: int) -> Step:
    """The plan of one call: send, and wait and send again while it is worth it.

    Every call of this package only reads, so a lost connection is as safe to repeat as an answer that asks for it.
    Raises ConnectionFailedError, or the ProblemError of the last answer.
    """
    wait = FIRST_WAIT_S
    for left in range(retries, -1, -1):
        outcome = yield None
        if isinstance(outcome, httpx.Response):
            if outcome.is_success:
                return outcome
            if outcome.status_code not in RETRIED or not left:
                raise _problem(outcome)
            asked = retry_after_s(outcome)
        else:
            if not left:
                raise ConnectionFailedError(f"no answer: {outcome!r}") from outcome
            asked = None
        # Full jitter: many clients that failed together must not come back together.
        yield min(asked if asked is not None else random.uniform(0.0, wait), LONGEST_WAIT_S)  # noqa: S311
        wait *= 2.0
    raise AssertionError("the last try returns or raises")


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds that Retry-After asks for, as a number or a date; None where it says nothing that can be read."""
    text = response.headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _problem(response: httpx.Response) -> Exception:
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": response.text[:200]}
    return problem_error(
        response.status_code, problem if isinstance(problem, dict) else {}, response.headers.get(REQUEST_ID)
    )
