"""A real service for the clients, on a free port, stopped afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def url(catalog_file: Path) -> Iterator[str]:
    """A service on a free port of this machine, stopped afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"MODELPICKER_CATALOG": str(catalog_file), "MODELPICKER_LOG_LEVEL": "error"}
    with subprocess.Popen([sys.executable, "-m", "service", "--port", str(port)], cwd=ROOT, env=environment) as process:
        found = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                try:
                    if httpx.get(f"{found}/health/ready").is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield found
        finally:
            process.terminate()
            process.wait(20)
