"""The service with one more route: a constant answer, the floor that any answer of its size stands on."""

from __future__ import annotations

import os

from litestar import Litestar, Response, get

from service.app import create_app

SIZE_VARIABLE = "FLOOR_BYTES"


@get("/floor", sync_to_thread=False)
def floor() -> Response[bytes]:
    """As many bytes as the bench asks for, worked out by nobody."""
    return Response(CONSTANT, media_type="application/json")


CONSTANT = b'"' + b"x" * (int(os.environ.get(SIZE_VARIABLE, "1000")) - 2) + b'"'


def create() -> Litestar:
    """The service's own application with the floor in it."""
    app = create_app()
    app.register(floor)
    return app
