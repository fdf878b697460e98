"""The ledger in PostgreSQL: any number of servers append to it, and each of them knows of a new batch within a second.

Batches are written one after the other, under one advisory lock, so that revisions become visible in their order and a
reader that asks for what comes after the last one it saw misses none. A trigger refuses to change or delete. Readers
LISTEN, and ask every few seconds besides; while the database is away they answer from memory and catch up afterwards.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from catalog.errors import LedgerError
from catalog.facts import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CHANNEL = "modelpicker_ledger"
LOCK = 0x6D6F64656C
"""Number of the advisory lock that writers hold: one batch at a time."""
SCHEMA = f"""
SELECT pg_advisory_xact_lock({LOCK});
CREATE TABLE IF NOT EXISTS modelpicker_batches (
  revision bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text NOT NULL UNIQUE,
  report jsonb NOT NULL,
  kept_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS modelpicker_measurements (
  id text PRIMARY KEY,
  revision bigint NOT NULL REFERENCES modelpicker_batches,
  row jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS modelpicker_measurements_revision ON modelpicker_measurements (revision);
CREATE OR REPLACE FUNCTION modelpicker_append_only() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
CREATE OR REPLACE TRIGGER modelpicker_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON modelpicker_batches
  FOR EACH STATEMENT EXECUTE FUNCTION modelpicker_append_only();
CREATE OR REPLACE TRIGGER modelpicker_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON modelpicker_measurements
  FOR EACH STATEMENT EXECUTE FUNCTION modelpicker_append_only();
"""
MADE = "SELECT to_regclass('modelpicker_measurements')"
"""Null until the schema is there: making it anew would lock the tables at every connection."""
ADDED = "SELECT revision, row FROM modelpicker_measurements WHERE revision > %s ORDER BY revision, id"
CONNECT_S = 3
STATEMENT_MS = 5000
POLL_S = 5.0
"""How long a reader waits for a notice before it asks by itself."""
FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0


class PostgresLedger:
    """Appends and follows batches. One object per process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rows: dict[str, Measurement] = {}
        self._revision = 0
        self._available = True
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._writer: psycopg.Connection | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._changed: Callable[[bool], None] = lambda _: None

    @property
    def revision(self) -> int:
        """The last batch that was taken in."""
        return self._revision

    @property
    def available(self) -> bool:
        """Whether the database answered when it was last asked."""
        return self._available

    def append(self, key: str, rows: Sequence[Measurement], report: Mapping[str, Any]) -> dict[str, Any]:
        """Insert the batch in one transaction and wait for its commit.

        A connection that was opened before may have died since: then it is tried once more on a new one, which the key
        makes safe even where the first commit came through.
        """
        with self._writing:
            try:
                if self._writer is not None:
                    with suppress(psycopg.OperationalError):
                        return self._append(key, rows, report)
                    self._let_go()
                return self._append(key, rows, report)
            except psycopg.Error as error:
                self._let_go()
                self._tell(available=not isinstance(error, psycopg.OperationalError))
                raise LedgerError(
                    "the ledger's database does not answer, so it is not known to have kept the batch: "
                    "send it again under the same idempotency key"
                ) from error

    def _append(self, key: str, rows: Sequence[Measurement], report: Mapping[str, Any]) -> dict[str, Any]:
        if self._writer is None or self._writer.closed:
            self._writer = self._connect()
        with self._writer.transaction(), self._writer.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            known = cursor.execute("SELECT report FROM modelpicker_batches WHERE key = %s", (key,)).fetchone()
            if known:
                return dict(known[0])
            written = cursor.execute(
                "INSERT INTO modelpicker_batches (key, report) VALUES (%s, %s) RETURNING revision",
                (key, Jsonb(dict(report))),
            ).fetchone()
            assert written is not None
            cursor.executemany(
                "INSERT INTO modelpicker_measurements (id, revision, row) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [(row.id, written[0], Jsonb(row.model_dump(mode="json"))) for row in rows],
            )
            cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(written[0])))
        self._tell(available=True)
        return dict(report)

    def rows(self) -> dict[str, Measurement]:
        """Every row taken in. Where nothing follows the database, it is asked. Raises LedgerError where it is away."""
        if self._thread is None:
            try:
                with self._connect() as connection:
                    self._take_in(connection)
            except psycopg.Error as error:
                raise LedgerError(f"the ledger's database does not answer: {error}") from error
        with self._lock:
            return dict(self._rows)

    def follow(self, changed: Callable[[bool], None]) -> None:
        """Listen in a thread of its own until ``close``."""
        self._changed = changed
        self._thread = threading.Thread(target=self._listen, name="ledger", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and close the writer's connection."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=POLL_S + CONNECT_S)
        with self._writing:
            self._let_go()

    def _let_go(self) -> None:
        if self._writer is not None:
            with suppress(psycopg.Error):
                self._writer.close()
        self._writer = None

    def _listen(self) -> None:
        retry = FIRST_RETRY_S
        while not self._over.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    retry = FIRST_RETRY_S
                    asked = 0.0
                    while not self._over.is_set():
                        if time.monotonic() - asked >= POLL_S or any(connection.notifies(timeout=0.2, stop_after=1)):
                            self._take_in(connection)
                            asked = time.monotonic()
                            self._tell(available=True)
            except (psycopg.Error, OSError):
                self._tell(available=False)
                self._over.wait(retry)
                retry = min(2.0 * retry, LAST_RETRY_S)

    def _take_in(self, connection: psycopg.Connection) -> None:
        added = connection.execute(ADDED, (self._revision,)).fetchall()
        if added:
            new = {row["id"]: Measurement.model_validate(row) for _, row in added}
            with self._lock:
                self._rows = {**new, **self._rows}
                self._revision = int(added[-1][0])

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_S, options=f"-c statement_timeout={STATEMENT_MS}",
            keepalives_idle=5, keepalives_interval=2, keepalives_count=2,
        )  # fmt: skip
        if connection.execute(MADE).fetchone() == (None,):
            with connection.transaction():
                connection.execute(SCHEMA)
        return connection

    def _tell(self, *, available: bool) -> None:
        if available != self._available:
            self._available = available
            self._changed(available)
