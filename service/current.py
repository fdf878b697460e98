"""The catalog in use, and its replacement while requests run.

A new file is noticed by its inode, size and time, opened beside the old one and swapped in one assignment: requests
that began on the old catalog finish on it. A file that cannot be read is refused, and the old one keeps serving.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from catalog.errors import CatalogError
from catalog.recent import forget_facts
from catalog.store import open_catalog
from service.answers import Answers
from service.metrics import CATALOG, REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = structlog.get_logger()


@contextmanager
def long_lived() -> Iterator[None]:
    """Keep the garbage collector away from what is made here and lives as long as the catalog.

    Its rounds over a whole catalog took a quarter of every question, and a fifth of the time to open one.
    """
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count():
            gc.unfreeze()
            gc.collect()
        gc.freeze()
        gc.enable()


class Current:
    """Holds the answers in use. ``answers`` is None until a catalog could be read."""

    def __init__(self, path: Path, cached: int) -> None:
        self._path = path
        self._cached = cached
        self._seen: tuple[int, int, int] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.answers: Answers | None = None
        self.refused = 0

    def refresh(self) -> bool:
        """Look at the file once; True if a new catalog is now in use."""
        try:
            stat = self._path.stat()
        except OSError as error:
            if self._seen is not None or self.answers is None:
                log.warning("catalog missing", path=str(self._path), error=str(error))
                self._seen = None
            return False
        mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if mark == self._seen:
            return False
        self._seen = mark
        try:
            forget_facts()  # or what was made of the old catalog would stay
            with long_lived():
                catalog = open_catalog(self._path)
                catalog.candidates(catalog.hardware("dgx-spark"))
                self.answers = Answers(catalog, self._cached)  # in here, so that the old ones can be collected
        except CatalogError as error:
            self.refused += 1
            REFUSED.inc()
            log.exception("catalog refused", path=str(self._path), error=str(error), serving=self.version)
            return False
        CATALOG.set_to_current_time()
        log.info("catalog in use", version=catalog.version)
        return True

    @property
    def version(self) -> str | None:
        """Version of the catalog in use."""
        return self.answers.catalog.version if self.answers else None

    def watch(self, seconds: float) -> None:
        """Look again every so many seconds, in the background, until ``close``."""
        if seconds > 0:
            self._thread = threading.Thread(target=self._loop, args=(seconds,), name="catalog-watch", daemon=True)
            self._thread.start()

    def _loop(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self.refresh()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)
