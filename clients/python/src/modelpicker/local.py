"""Answers without a server: the service in this very process, where it is installed (the checkout, its image).

The SDK does not need the service; ``--local`` and ``serve`` look for it when they are asked.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from modelpicker.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

DECODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that no longer hold once a body has been read whole."""
HINT = "the service is not installed here: run this from a checkout after `make serve` built its catalog, or name a server with --url"


class LocalTransport(httpx.BaseTransport):
    """Hands each request to a client of the service that lives in this process."""

    def __init__(self, service: httpx.Client) -> None:
        self._service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The service's answer, read whole."""
        answer = self._service.send(request)
        headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in DECODED]
        return httpx.Response(answer.status_code, headers=headers, content=answer.content)


@contextmanager
def local_service() -> Iterator[LocalTransport]:
    """The service with its embedded catalog, started here. Raises ConnectionFailedError where it is not installed."""
    create_app, client = _part("service.app", "create_app"), _part("litestar.testing", "TestClient")
    if sys.stderr.isatty():
        print("reading the catalog…", end="\r", file=sys.stderr)
    app = create_app()
    if not app.state.settings.catalog.exists():
        raise ConnectionFailedError(f"no catalog at {app.state.settings.catalog}: `python -m catalog build` makes it")
    with client(app) as service:
        yield LocalTransport(service)


def serve(arguments: list[str]) -> int:
    """Run the service until it is told to stop; returns its exit status."""
    status: int = _part("service.__main__", "main")(arguments)
    return status


def import_measurements(file: str, labels: dict[str, str]) -> int:
    """Write a tool's file as one contribution to the catalog installed here; returns the command's exit status."""
    options = [word for name, value in labels.items() for word in (f"--{name}", value)]
    status: int = _part("catalog.__main__", "main")(["import", "measurements", file, *options])
    return status


def _part(module: str, name: str) -> Any:
    sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise ConnectionFailedError(HINT) from error
    finally:
        sys.path.pop(0)
