"""An append-only file of batches, safe against kills and full disks.

One line is one acknowledged batch: JSON with its idempotency key, its rows and its report, behind a checksum. A batch is
acknowledged when its line is on the disk. A kill in the middle of a write leaves a line without its end, which the next
writer cuts off; a full disk is cut off at once. Several processes may write: each locks the file for the length of a line.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import zlib
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from catalog.errors import LedgerError
from catalog.facts import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileLedger:
    """Reads and appends batches. One object per process; ``reports`` and ``rows`` follow what others append."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._reports: dict[str, dict[str, Any]] = {}
        self._rows: dict[str, Measurement] = {}
        self._lock = Lock()

    @property
    def revision(self) -> int:
        """Bytes of whole batches."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    @property
    def available(self) -> bool:
        """A file does not go away."""
        return True

    def follow(self, changed: Callable[[bool], None]) -> None:
        """Nothing to begin: every reading looks at the file."""

    def close(self) -> None:
        """Nothing is open between calls."""

    def append(self, key: str, rows: Sequence[Measurement], report: Mapping[str, Any]) -> dict[str, Any]:
        """Lock the file, write the batch as a line, wait for the disk."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, self._locked() as file:
                whole = self._follow(file)
                if key in self._reports:
                    return self._reports[key]
                line = _line(
                    {"key": key, "rows": [row.model_dump(mode="json") for row in rows], "report": dict(report)}
                )
                try:
                    os.ftruncate(file, whole)
                    _write(file, line, whole)
                except OSError:
                    os.ftruncate(file, whole)
                    raise
                self._follow(file)
        except OSError as error:
            full = error.errno in FULL
            raise LedgerError(f"the ledger cannot be written: {error.strerror}", full=full) from error
        return self._reports[key]

    def rows(self) -> dict[str, Measurement]:
        """Every kept row by its id, with what others appended."""
        try:
            with self._lock, self._path.open("rb") as stream:
                self._follow(stream.fileno())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise LedgerError(f"the ledger cannot be read: {error.strerror}") from error
        with self._lock:
            return dict(self._rows)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _follow(self, file: int) -> int:
        """Take in the whole lines that were added since the last look; returns where the last of them ends."""
        size = os.fstat(file).st_size
        if size < self._read:
            self._read, self._reports, self._rows = 0, {}, {}
        added = os.pread(file, size - self._read, self._read)
        whole = added[: added.rfind(b"\n") + 1]
        for line in whole.splitlines():
            batch = _batch(line)
            if batch is not None:
                self._reports[batch["key"]] = batch["report"]
                for row in batch["rows"]:
                    self._rows.setdefault(row["id"], Measurement.model_validate(row))
        self._read += len(whole)
        return self._read


def _line(batch: Mapping[str, Any]) -> bytes:
    body = json.dumps(batch, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _batch(line: bytes) -> dict[str, Any] | None:
    """A line's batch; None where its checksum says that it is damaged."""
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    batch: dict[str, Any] = json.loads(body)
    return batch


def _write(file: int, line: bytes, at: int) -> None:
    """Write a line and wait for the disk."""
    done = 0
    while done < len(line):
        done += os.pwrite(file, line[done:], at + done)
    os.fsync(file)
