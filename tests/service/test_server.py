"""The real thing: a server process on a free port, real requests, a clean stop."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.serving import free_port, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(catalog_file: Path) -> Iterator[str]:
    """The base URL of a service started as `make serve` starts it."""
    port = free_port()
    environment = os.environ | {"MODELPICKER_CATALOG": str(catalog_file)}
    command = [sys.executable, "-m", "service", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait(f"{url}/health/ready", process)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_a_server_answers_over_a_socket(server: str) -> None:
    """A question, an error and the description of the API."""
    answer = httpx.get(f"{server}/recommend", params={"min_tg": 30}, timeout=30)
    assert answer.status_code == 200
    assert answer.json()["recommendations"][0]["decode_tok_s"]["value"] >= 30
    assert httpx.get(f"{server}/recommend", params={"min_tps": 30}).status_code == 400
    assert httpx.get(f"{server}/openapi.json").json()["openapi"].startswith("3.1")


def test_a_server_without_a_catalog_says_how_to_build_one(tmp_path: Path) -> None:
    """Exit status 2 and the command, not a traceback."""
    environment = os.environ | {"MODELPICKER_CATALOG": str(tmp_path / "none.duckdb")}
    done = subprocess.run(
        [sys.executable, "-m", "service"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "catalog build" in done.stderr
    assert "Traceback" not in done.stderr
