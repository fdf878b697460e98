"""Measurements that came in over the wire, kept before they are acknowledged: in a file, or in PostgreSQL for many servers.

Both keep batches that are only ever added: each under the idempotency key of its sender, with its rows and its report.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from catalog.facts import Source
from catalog.ledger.file import FileLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catalog.facts import Facts, Measurement

__all__ = ["FileLedger", "Ledger", "open_ledger", "usable", "with_ledger", "with_rows"]

POSTGRES = ("postgresql://", "postgres://")


class Ledger(Protocol):
    """What keeps batches. Safe to use from several threads and processes."""

    def append(self, key: str, rows: Sequence[Measurement], report: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a batch under its idempotency key; returns its report, or that of the batch which has the key already.

        Returns when the batch is on the disk. Raises LedgerError where it cannot be kept.
        """

    def rows(self) -> dict[str, Measurement]:
        """Every kept row by its id, each once; the last known ones while the ledger is away."""

    @property
    def revision(self) -> int:
        """Grows whenever rows are added."""

    @property
    def available(self) -> bool:
        """Whether the ledger answered when it was last asked."""

    def follow(self, changed: Callable[[bool], None]) -> None:
        """Begin to take in what others add; ``changed`` is told when the ledger goes away and when it is back."""

    def close(self) -> None:
        """Stop following and let go of what is open."""


def open_ledger(place: str | Path) -> Ledger:
    """The ledger at a path, or behind a PostgreSQL URL. Nothing is asked of it yet."""
    if isinstance(place, str) and place.startswith(POSTGRES):
        from catalog.ledger.postgres import PostgresLedger  # noqa: PLC0415  (a file needs no database driver)

        return PostgresLedger(place)
    return FileLedger(Path(place))


def with_ledger(facts: Facts, place: str | Path) -> Facts:
    """The facts with a ledger's rows and their sources; a row outlives a record that was taken away, and waits."""
    ledger = open_ledger(place)
    try:
        kept = ledger.rows()
    finally:
        ledger.close()
    return with_rows(facts, usable(facts, kept))


def usable(facts: Facts, kept: Mapping[str, Measurement]) -> tuple[Measurement, ...]:
    """The kept rows whose ids and flags the facts know."""
    return tuple(row for row in kept.values() if facts.knows(row) and set(row.flags) <= set(facts.flags))


def with_rows(facts: Facts, rows: Sequence[Measurement]) -> Facts:
    """The facts with more measurements, and a source for each sender."""
    new = {row.source: row for row in rows if row.source not in facts.sources}
    sources = {name: Source(id=name, name=name, url=row.url, evidence=row.evidence) for name, row in new.items()}
    return facts.model_copy(
        update={"measurements": (*facts.measurements, *rows), "sources": {**facts.sources, **sources}}
    )
