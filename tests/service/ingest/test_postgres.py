"""The ledger in a real PostgreSQL: two servers, eight writers, a database and servers that are killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from catalog.errors import LedgerError
from catalog.facts import Measurement
from catalog.ledger import open_ledger
from service.keys import make
from tests.serving import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.ingest.conftest import Database
    from tests.serving import Running

WRITERS, BATCHES = 8, 12
ROW: dict[str, Any] = {
    "model": "qwen3-14b", "quant": "q8_0", "engine": "llama.cpp", "hardware": "dgx-spark", "speculation": "none",
    "concurrency": 1, "isl": 512, "osl": 128, "decode_kv_tokens": 512, "tool": "llama-bench", "date": "2026-11-25",
}  # fmt: skip


def row(number: int) -> Measurement:
    own = {"id": f"sent-{number}", "source": "sent-test", "spec_basis": "stated", "evidence": "own", "url": "x"}
    return Measurement.model_validate(ROW | own | {"decode_tok_s": 14.0 + number / 1000})


def test_a_ledger_is_followed_and_survives_its_database(database: Database) -> None:
    """What one appends another sees within a second; away, the last rows stay, appending fails, and later all is caught up."""
    writer, reader, told = open_ledger(database.url), open_ledger(database.url), list[bool]()
    assert writer.append("first-key", [row(1), row(2)], {"accepted": 2}) == {"accepted": 2}
    assert writer.append("first-key", [row(3)], {"accepted": 9}) == {"accepted": 2}
    reader.follow(told.append)
    until(lambda: len(reader.rows()) == 2)
    writer.append("second-key", [row(2), row(3)], {"accepted": 1})
    assert until(lambda: set(reader.rows()) == {"sent-1", "sent-2", "sent-3"}) < 1.0
    database.kill()
    until(lambda: told == [False])
    assert len(reader.rows()) == 3
    with pytest.raises(LedgerError, match="same idempotency key"):
        writer.append("third-key", [row(4)], {"accepted": 1})
    database.start()
    writer.append("third-key", [row(4)], {"accepted": 1})
    database.kill()
    database.start()
    assert writer.append("third-key", [row(5)], {"accepted": 9}) == {"accepted": 1}
    until(lambda: len(reader.rows()) == 4)
    assert told[:2] == [False, True]
    reader.close()
    writer.close()


def test_nothing_is_ever_changed(database: Database) -> None:
    """The database refuses, whoever asks."""
    ledger = open_ledger(database.url)
    ledger.append("first-key", [row(1)], {"accepted": 1})
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in (
            "DELETE FROM modelpicker_measurements",
            "UPDATE modelpicker_batches SET report = '{}'",
            "TRUNCATE modelpicker_batches CASCADE",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                connection.execute(statement)
    ledger.close()


def test_a_database_that_is_away_is_no_build(tmp_path: Path) -> None:
    """Said in a sentence."""
    with pytest.raises(LedgerError, match="does not answer"):
        open_ledger("postgresql://postgres@127.0.0.1:1/postgres").rows()


class Sender(threading.Thread):
    """Sends batches to either replica, each until it was acknowledged twice; remembers what it was told."""

    def __init__(self, number: int, urls: list[str], key: str) -> None:
        super().__init__()
        self.acknowledged: dict[str, list[str]] = {}
        self.refused: list[httpx.Response] = []
        self._number, self._urls, self._key = number, urls, key

    def run(self) -> None:
        """All batches, one after the other."""
        for batch in range(BATCHES):
            name, turn = f"batch-{self._number}-{batch}", self._number + batch
            while len(self.acknowledged.get(name, ())) < 2:
                self._send(name, self._urls[turn % len(self._urls)])
                turn += 1

    def _send(self, name: str, url: str) -> None:
        rows = [ROW | {"decode_tok_s": 14.0, "note": name}]
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": name}
        try:
            answer = httpx.post(f"{url}/measurements", json={"measurements": rows}, headers=headers, timeout=15)
        except httpx.TransportError:
            time.sleep(0.05)
            return
        if answer.status_code == 201:
            self.acknowledged.setdefault(name, []).extend(row["id"] for row in answer.json()["rows"])
        else:
            self.refused.append(answer)
            time.sleep(0.05)


def listed(url: str) -> set[str]:
    """Ids of all rows that a replica shows of the sender, page by page."""
    found, cursor = set[str](), ""
    while True:
        after = f"&cursor={cursor}" if cursor else ""
        page = httpx.get(f"{url}/measurements?source=sent-box&limit=50{after}").json()
        found |= {m["id"] for m in page.get("measurements", ())}
        cursor = page.get("next_cursor")
        if not cursor:
            return found


def test_two_replicas_eight_writers_and_kills(
    database: Database, started: Callable[..., Running], tmp_path: Path
) -> None:
    """The database and a replica are killed while rows come in, each batch twice: nothing acknowledged is lost or doubled."""
    key, line = make("box")
    (tmp_path / "keys").write_text(f"{line}\n")
    settings = {
        "MODELPICKER_LEDGER": database.url, "MODELPICKER_KEYS": str(tmp_path / "keys"), "MODELPICKER_LOG_LEVEL": "error",
        "MODELPICKER_RECALIBRATE_SECONDS": "0",
    }  # fmt: skip
    doomed, other = started(**settings), started(**settings, MODELPICKER_WORKERS="2")
    senders = [Sender(i, [doomed.url, other.url], key) for i in range(WRITERS)]
    for sender in senders:
        sender.start()
    time.sleep(0.7)
    database.kill()
    until(lambda: httpx.get(f"{other.url}/recommend?min_tg=30&limit=1").headers.get("x-ledger") == "away")
    assert httpx.get(f"{other.url}/recommend?min_tg=31&limit=1").status_code == 200
    assert "modelpicker_ledger_available 0.0" in httpx.get(f"{other.url}/metrics").text
    database.start()
    time.sleep(0.5)
    for pid in (*doomed.workers(), doomed.process.pid):
        os.kill(pid, signal.SIGKILL)
    doomed.process.wait(10)
    for sender in senders:
        sender.join(120)
    refused = {(r.status_code, r.headers["retry-after"]) for sender in senders for r in sender.refused}
    assert refused == {(503, "30")}, "the database was never away, or something else was refused"
    acknowledged = {name: ids for sender in senders for name, ids in sender.acknowledged.items()}
    assert len(acknowledged) == WRITERS * BATCHES
    assert all(len(set(ids)) == 1 for ids in acknowledged.values()), "a repeated batch got another answer"
    kept = open_ledger(database.url)
    assert {ids[0] for ids in acknowledged.values()} == set(kept.rows())
    kept.close()
    assert until(lambda: len(listed(other.url)) == len(acknowledged)) < 10
