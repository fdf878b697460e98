"""The real thing: a server process on a free port, real requests, a clean stop."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serving import Running


def test_a_server_answers_over_a_socket(url: str) -> None:
    """A question, an error and the description of the API."""
    answer = httpx.get(f"{url}/recommend", params={"min_tg": 30}, timeout=30)
    assert answer.status_code == 200
    assert answer.json()["recommendations"][0]["decode_tok_s"]["value"] >= 30
    assert httpx.get(f"{url}/recommend", params={"min_tps": 30}).status_code == 400
    assert httpx.get(f"{url}/openapi.json").json()["openapi"].startswith("3.1")


def test_a_body_that_does_not_come_is_given_up(started: Callable[..., Running]) -> None:
    """408 that names it, long before the client has sent all; the next request is answered."""
    service = started(MODELPICKER_BODY_SECONDS="0.5")
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=15) as client:
        client.sendall(
            b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 408")
    assert httpx.get(f"{service.url}/engines").status_code == 200


def test_a_port_that_is_taken_is_said(url: str) -> None:
    """Exit status 2 and what to do, rather than half of the other server's requests."""
    command = [sys.executable, "-m", "service", "--port", url.rpartition(":")[2]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "choose another --port" in done.stderr


def test_a_server_without_a_catalog_says_how_to_build_one(tmp_path: Path) -> None:
    """Exit status 2 and the command, not a traceback."""
    environment = os.environ | {"MODELPICKER_CATALOG": str(tmp_path / "none.duckdb")}
    done = subprocess.run(
        [sys.executable, "-m", "service"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "catalog build" in done.stderr
    assert "Traceback" not in done.stderr
