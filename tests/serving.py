"""Servers of tests: a free port, and waiting until one answers there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

START_S = 60
ROOT = Path(__file__).resolve().parent.parent


class Running(NamedTuple):
    """A service's address, its process and its workers' parent, and the file that its log goes to."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def workers(self) -> list[int]:
        """Process ids of its workers."""
        return children(self.process.pid)


def children(pid: int) -> list[int]:
    """Process ids of those that a process started."""
    told = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in told.split()]


def until(holds: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait until something holds, and fail where it does not in time; how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it never held"
        time.sleep(0.02)
    return time.monotonic() - began


def start(catalog: Path, log: Path, **settings: str) -> Running:
    """Start a service as ``make serve`` does and wait until it is ready."""
    port = free_port()
    environment = os.environ | {"MODELPICKER_CATALOG": str(catalog)} | settings
    command = [sys.executable, "-m", "service", "--port", str(port)]
    with log.open("ab") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stream)
    url = f"http://127.0.0.1:{port}"
    wait(f"{url}/health/ready", process)
    return Running(url, process, log)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait(address: str, process: subprocess.Popen[bytes]) -> None:
    """Until the address answers 200; fails where the process ends, or after a minute."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server stopped by itself"
        try:
            if httpx.get(address, timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{address} did not answer within {START_S} s")
