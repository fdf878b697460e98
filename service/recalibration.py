"""New rows of the ledger become predictions: a new catalog is built in a process of its own, and picked up when it is whole."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import structlog

from service.settings import ROOT

if TYPE_CHECKING:
    from catalog.ledger import Ledger
    from service.settings import Settings

log = structlog.get_logger()
NICENESS = 19


class Recalibration:
    """Looks for new rows every so often. Of several workers only one builds: the one that holds the lock."""

    def __init__(self, settings: Settings, ledger: Ledger | None) -> None:
        self._settings = settings
        self._ledger = ledger
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._built = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to look, where there is a ledger to look at."""
        if self._ledger and self._settings.recalibrate_seconds:
            self._thread = threading.Thread(target=self._loop, name="recalibration", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop looking; a build that runs is ended, and nothing of it is left."""
        self._stop.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _loop(self) -> None:
        while not self._stop.wait(self._settings.recalibrate_seconds):
            revision = self._ledger.revision if self._ledger else 0
            if revision > self._built and self._build():
                self._built = revision

    def _build(self) -> bool:
        """Build beside the catalog in use; True if a new one is in its place, or another worker is building it."""
        settings = self._settings
        lock = settings.catalog.with_name(f".{settings.catalog.name}.lock")
        try:
            file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.warning("recalibration impossible", error=str(error))
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return True
        try:
            return self._run()
        finally:
            os.close(file)

    def _run(self) -> bool:
        settings = self._settings
        command = [sys.executable, "-m", "catalog", "build", "--ledger", str(settings.ledger)]
        command += ["--output", str(settings.catalog)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)
        _, said = self._process.communicate()
        status = self._process.returncode
        if status and not self._stop.is_set():
            log.error("recalibration failed", status=status, said=said.decode(errors="replace")[-500:])
        return status == 0
