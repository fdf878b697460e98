"""Traces reach a collector where one is configured."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.serving import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.serving import Running


def test_spans_reach_the_collector(started: Callable[..., Running]) -> None:
    """One for each request, with route-independent facts; none for health."""
    spans: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest()
            sent.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
            for resource in sent.resource_spans:
                service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
                spans.extend((service, span) for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silence."""

    collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    try:
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        url = started(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY="200").url
        assert httpx.get(f"{url}/engines").status_code == 200
        assert httpx.get(f"{url}/health/live").status_code == 200
        until(lambda: bool(spans))
    finally:
        collector.shutdown()
        collector.server_close()
    ((service, span),) = spans
    assert (service, span.name) == ("modelpicker", "GET /engines")
    facts = {a.key: a.value for a in span.attributes}
    status = facts.get("http.status_code") or facts["http.response.status_code"]
    assert status.int_value == 200
