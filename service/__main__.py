"""``python -m service``: serve the catalog over HTTP."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server import Server

from service.keys import make
from service.settings import PREFIX, SHARED_COUNTS, Settings, SettingsError

HEADER_TIMEOUT_MS = 10_000
"""A client that sends its headers slower than this is closed."""
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
    if not settings.catalog.exists():
        print(f"no catalog at {settings.catalog}: run `python -m catalog build` first", file=sys.stderr)
        return 2
    serve(settings)
    return 0


def _new_key(name: str) -> int:
    try:
        key, line = make(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"the key, shown this once: {key}", f"its line for the file of MODELPICKER_KEYS: {line}", sep="\n")
    return 0


def serve(settings: Settings, target: str = "service.app:create_app") -> None:
    """Run granian: it closes slow headers, and with these settings respawns killed workers and never hangs on stop.

    ``target`` names the factory of the application, ``module:function``.
    """
    if settings.workers > 1:  # the folder in which they add up their metrics
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="modelpicker-metrics-"))
    if settings.rate_per_address or settings.rate_per_key:
        os.environ.setdefault(SHARED_COUNTS, str(Path(tempfile.mkdtemp(prefix="modelpicker-counts-")) / "counts"))
    Server(
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
    ).serve()


if __name__ == "__main__":
    sys.exit(main())
