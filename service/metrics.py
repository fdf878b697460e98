"""What the service counts about itself, for Prometheus."""

from __future__ import annotations

import os
from pathlib import Path

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, multiprocess, start_http_server

from service.settings import SHARED_METRICS

log = structlog.get_logger()
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS = Counter("modelpicker_requests", "Requests by route, method and status", ("route", "method", "status"))
LATENCY = Histogram("modelpicker_request_seconds", "Time to the last byte, by route", ("route",), buckets=SECONDS)
CATALOG = Gauge("modelpicker_catalog_loaded_at_seconds", "When the catalog in use was loaded", multiprocess_mode="max")
LEDGER = Gauge(
    "modelpicker_ledger_available", "1 while the ledger of measurements answers", multiprocess_mode="livemin"
)
REFUSED = Counter("modelpicker_catalogs_refused", "New catalog files that could not be read")


def forget_the_dead() -> None:
    """Take the gauges of workers that were killed out of what is added up: they could not do so themselves."""
    folder = os.environ.get(SHARED_METRICS)
    for path in Path(folder).glob("gauge_live*_*.db") if folder else ():
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
        except PermissionError:
            continue


def ledger_changed(available: bool) -> None:
    """The ledger went away, or is back."""
    LEDGER.set(int(available))
    if available:
        log.info("ledger is back")
    else:
        log.warning("ledger is away: answers come from memory, measurements are refused")


def registry() -> CollectorRegistry:
    """Where metrics are read: this process's own, or, with several workers, the files that all of them write."""
    if SHARED_METRICS not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


def serve_apart(host: str, port: int) -> bool:
    """Serve the metrics on a port of their own; False where another worker already does."""
    try:
        start_http_server(port, host, registry())
    except OSError:
        return False
    return True
