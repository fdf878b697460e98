"""``python -m service``: serve the catalog over HTTP."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from typing import Any

from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server import Server

from service.keys import make
from service.settings import PREFIX, SHARED_COUNTS, SHARED_METRICS, Settings, SettingsError, shared_folder

HEADER_TIMEOUT_MS = 10_000
"""A client that sends its headers slower than this is closed."""
MOST_STARTS, PAUSE_S, STEADY_S = 10, 1.0, 60.0
"""How often in a row granian is started before its workers count as broken, how long to wait before each start, and how
long it must have run to count as steady."""
KILL_TIMEOUT_S = 10
"""A worker that has not stopped by then is killed, so that a stop never hangs."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument("--host", help="address to listen on (MODELPICKER_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (MODELPICKER_PORT)")
    parser.add_argument(
        "--new-key", metavar="NAME", help="print a new API key and the line of the key file that lets it in"
    )
    options = parser.parse_args(arguments)
    if options.new_key:
        return _new_key(options.new_key)
    for name, value in (("host", options.host), ("port", options.port)):
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if taken := _taken(settings):
        print(taken, file=sys.stderr)
        return 2
    if not settings.catalog.exists():
        print(f"no catalog at {settings.catalog}: run `python -m catalog build` first", file=sys.stderr)
        return 2
    return serve(settings)


def _taken(settings: Settings) -> str | None:
    """Why nothing can listen there. Granian itself would share the port with whoever has it, and take half of its requests."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(*found[:3]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as error:
        return f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port"
    return None


def _new_key(name: str) -> int:
    try:
        key, line = make(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"the key, shown this once: {key}", f"its line for the file of MODELPICKER_KEYS: {line}", sep="\n")
    return 0


def serve(settings: Settings, target: str = "service.app:create_app") -> int:
    """Run granian: it closes slow headers, and with these settings respawns killed workers and never hangs on stop.

    A worker that ends twice within six seconds makes granian give up: then it is started anew, a few times. ``target``
    names the factory of the application, ``module:function``. Returns the exit status.
    """
    if settings.workers > 1:  # the folder in which they add up their metrics
        os.environ[SHARED_METRICS] = str(shared_folder(SHARED_METRICS))
    if settings.rate_per_address or settings.rate_per_key:
        os.environ[SHARED_COUNTS] = str(shared_folder(SHARED_COUNTS))
    starts = 0
    while starts < MOST_STARTS:
        server, began = _server(settings, target), time.monotonic()
        try:
            server.serve()
        except SystemExit:
            if server.interrupt_signal or not server.interrupt_children:
                raise
        else:
            return 0
        print("the workers ended one after the other, and granian gave up: it is started anew", file=sys.stderr)
        starts = 1 if time.monotonic() - began > STEADY_S else starts + 1
        time.sleep(PAUSE_S)
        if server.interrupt_signal:  # told to stop meanwhile
            return 0
    print(f"given up after {MOST_STARTS} starts: the log says what ended the workers", file=sys.stderr)
    return 1


def _server(settings: Settings, target: str) -> Any:
    return Server(
        target,
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.asyncio,
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_TIMEOUT_S,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        log_level=settings.log_level,  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    sys.exit(main())
