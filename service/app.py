"""The composition root: the only place that knows every part."""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State

from catalog.ledger import open_ledger
from service.api import asking, health, incoming, listings, measurements, openapi
from service.api.head import head
from service.api.limiting import limit
from service.api.problems import HANDLERS, problem
from service.api.watching import metrics, watch
from service.current import Current
from service.explorer import assets, pages
from service.keys import Keys
from service.logs import configure
from service.metrics import LEDGER, forget_the_dead, ledger_changed, serve_apart
from service.orphans import Parent
from service.recalibration import Recalibration
from service.settings import Settings
from service.tracing import traced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from litestar import Request, Response

    from catalog.ledger import Ledger

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
ALWAYS_OPEN = ("/health/live", "/health/ready", "/openapi.json", "/metrics")


def create_app(settings: Settings | None = None, current: Current | None = None) -> Litestar:
    """Build the service. ``current`` is injected by tests; otherwise the catalog of the settings is read at start."""
    if settings is None:
        settings = Settings.from_environment()
        configure(settings.log_level)
    current = current or Current(settings.catalog, settings.cached_answers)
    ledger = open_ledger(settings.ledger) if settings.ledger else None

    app = Litestar(
        route_handlers=[
            asking.recommend,
            asking.post_recommend,
            asking.recommend_hardware,
            asking.compare,
            asking.predict,
            asking.post_predict,
            measurements.measurements,
            incoming.post_measurements,
            *listings.HANDLERS,
            health.live,
            health.ready,
            openapi.document,
            *pages.HANDLERS,
            assets.asset,
            *(() if settings.metrics_port else (metrics,)),
        ],
        exception_handlers=HANDLERS,
        before_request=before,  # coroutines, as the framework runs plain functions in a thread
        after_request=after,
        lifespan=[_life(settings, current, ledger)],
        cors_config=_cors(settings),
        openapi_config=None,
        logging_config=None,
        request_max_body_size=settings.max_body_bytes,
        state=State(
            {
                "current": current,
                "settings": settings,
                "ledger": ledger,
                "api_keys": Keys(settings.keys),
            }
        ),
    )
    answering = head(app.asgi_handler, preflight=bool(settings.cors_origins))
    app.asgi_handler = traced(watch(limit(answering, settings, app.state.api_keys), settings, ledger))
    return app


def _life(
    settings: Settings, current: Current, ledger: Ledger | None
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """What runs beside the answers of a worker, from its start to its end."""

    @asynccontextmanager
    async def life(_: Litestar) -> AsyncIterator[None]:
        current.refresh()
        current.watch(settings.reload_seconds)
        if settings.metrics_port:
            serve_apart(settings.host, settings.metrics_port)
        forget_the_dead()
        parent = Parent()
        parent.watch()
        if ledger:
            LEDGER.set(1)
            ledger.follow(ledger_changed)
        builder = Recalibration(settings, ledger)
        builder.start()
        try:
            yield
        finally:
            parent.close()
            builder.stop()
            if ledger:
                ledger.close()
            current.close()

    return life


def _cors(settings: Settings) -> CORSConfig | None:
    """Which web pages of others may ask; none unless the settings name them."""
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id"],
        expose_headers=[
            "ETag",
            "Retry-After",
            "X-Request-Id",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
        ],
    )


async def before(request: Request[Any, Any, Any]) -> Response[bytes] | None:
    """Answer 503 while there is no catalog to answer from."""
    if request.app.state.current.answers is None and request.url.path not in ALWAYS_OPEN:
        detail = "no catalog is loaded: run `python -m catalog build`, or see the log"
        return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "2"})
    return None


async def after(response: Response[Any]) -> Response[Any]:
    """Headers that every answer carries."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
