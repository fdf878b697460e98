"""A real PostgreSQL for the tests that need one: its own data folder, its own port, killed and started at will."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.serving import children, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
START_S = 30


class Database:
    """One cluster. PostgreSQL refuses to run as root: then it runs as the user that its package made."""

    def __init__(self, folder: Path) -> None:
        self.bin = INSTALLED[-1].parent
        self.port = free_port()
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder = folder
        folder.mkdir()
        if self.user:
            for parent in (folder, *folder.parents):
                if parent.owner() == "root" and parent != Path("/") and not parent.stat().st_mode & 0o005:
                    parent.chmod(parent.stat().st_mode | 0o055)
            shutil.chown(folder, self.user)
        self._run(str(self.bin / "initdb"), "-D", str(folder), "-A", "trust", "-U", "postgres", "--no-sync")
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ("-c", f"unix_socket_directories={self.folder}", "-c", "listen_addresses=127.0.0.1")
        command = [str(self.bin / "postgres"), "-D", str(self.folder), "-p", str(self.port), *options]
        self._server = subprocess.Popen(command, user=self.user, cwd=self.folder, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                psycopg.connect(self.url, connect_timeout=1).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return
        pytest.fail("the database did not start")

    def kill(self) -> None:
        """As if the machine lost its power: the server and all that serve a connection are gone at once."""
        if self._server is not None:
            for pid in (self._server.pid, *children(self._server.pid)):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._server.wait(10)
            self._server = None
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _run(self, *command: str) -> None:
        subprocess.run(command, user=self.user, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A running database, empty."""
    if not INSTALLED:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    found = Database(tmp_path / "postgres")
    found.start()
    yield found
    found.kill()
