"""What takes minutes (`pytest -m long`): a hundred stops, workers killed under load, whole servers killed while rows come in."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from catalog.ledger import FileLedger
from service.keys import make
from tests.serving import start, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serving import Running

pytestmark = pytest.mark.long
STOPS, KILLS, ROUNDS, WRITERS = 100, 10, 50, 8
KILL_EVERY_S = 9.0
"""Time enough for a new worker to be ready while the machine is busy: with none ready, requests break."""
ROW = {
    "model": "qwen3-14b", "quant": "q8_0", "engine": "llama.cpp", "hardware": "dgx-spark", "speculation": "none",
    "concurrency": 1, "isl": 512, "osl": 128, "decode_kv_tokens": 512, "tool": "llama-bench",
}  # fmt: skip


class Asking:
    """Asks a server from several threads until told to stop, and keeps what came back."""

    def __init__(self, url: str, threads: int = 4) -> None:
        self.answers: list[int] = []
        self.broken: list[str] = []
        self._url, self._over = url, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        chance = random.Random(number)
        while not self._over.is_set():
            try:
                path = f"/recommend?min_tg={chance.uniform(5, 60):.2f}&limit=3&rejected_limit=3"
                self.answers.append(httpx.get(self._url + path, timeout=20).status_code)
            except httpx.TransportError as error:
                self.broken.append(repr(error))

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)


def test_a_hundred_stops_under_load(catalog_file: Path, tmp_path: Path) -> None:
    """SIGTERM always ends a server within its time, whatever it is doing, and every answer that began is whole."""
    for turn in range(STOPS):
        service = start(catalog_file, tmp_path / "log", MODELPICKER_LOG_LEVEL="error")
        asking = Asking(service.url, threads=3)
        time.sleep(random.Random(turn).uniform(0.05, 0.6))
        service.process.send_signal(signal.SIGTERM if turn % 4 else signal.SIGINT)
        began = time.monotonic()
        code = service.process.wait(30)
        assert time.monotonic() - began < 15
        asking.stop()
        assert code in (0, -signal.SIGTERM, -signal.SIGINT), (turn, code)
        assert set(asking.answers) <= {200}
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_killed_workers_come_back(catalog_file: Path, tmp_path: Path) -> None:
    """The other goes on answering; killed one after the other without end, the server starts anew and answers again."""
    service = start(catalog_file, tmp_path / "log", MODELPICKER_WORKERS="2", MODELPICKER_LOG_LEVEL="error")
    asking = Asking(service.url)
    try:
        for _ in range(KILLS):
            os.kill(min(workers(service)), signal.SIGKILL)  # the older one
            time.sleep(KILL_EVERY_S)
        workers(service)
        asking.stop()
        assert set(asking.answers) == {200}
        assert len(asking.answers) > 10 * KILLS
        assert len(asking.broken) <= 8 * KILLS  # those that the killed one had in hand
        for _ in range(3):
            os.kill(max(workers(service)), signal.SIGKILL)
        until(lambda: answers(service), 30)
        assert service.process.poll() is None
    finally:
        asking.stop()
        service.process.terminate()
        service.process.wait(30)


def workers(service: Running) -> list[int]:
    """Both workers, once they live."""
    until(lambda: len(service.workers()) >= 2, 30)
    return service.workers()


def answers(service: Running) -> bool:
    """Whether a question is answered now."""
    try:
        return httpx.get(f"{service.url}/recommend?min_tg=30", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_fifty_kills_of_the_whole_server(catalog_file: Path, tmp_path: Path) -> None:
    """While eight clients send rows: after each, the service starts and every acknowledged row is there once."""
    key, line = make("box")
    (tmp_path / "keys").write_text(f"{line}\n")
    ledger, chance = tmp_path / "ledger.jsonl", random.Random(0)
    settings = {
        "MODELPICKER_KEYS": str(tmp_path / "keys"), "MODELPICKER_LEDGER": str(ledger), "MODELPICKER_WORKERS": "2",
        "MODELPICKER_RECALIBRATE_SECONDS": "0", "MODELPICKER_LOG_LEVEL": "error",
    }  # fmt: skip
    acknowledged: set[str] = set()
    for turn in range(ROUNDS):
        service = start(catalog_file, tmp_path / "log", **settings)
        over = threading.Event()

        def send(number: int, url: str = service.url, over: threading.Event = over, turn: int = turn) -> None:
            batch = 0
            while not over.is_set():
                speed = 10.0 + turn + number / 100 + (batch // 2) / 1e5
                name = f"round-{turn}-{number}-{batch // 2}"  # every batch is sent twice
                headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": name}
                rows = [ROW | {"decode_tok_s": round(speed, 6), "note": name}]
                try:
                    answer = httpx.post(f"{url}/measurements", json={"measurements": rows}, headers=headers, timeout=10)
                except httpx.TransportError:
                    continue
                if answer.status_code == 201:
                    told: dict[str, Any] = answer.json()
                    acknowledged.update(row["id"] for row in told["rows"] if row["status"] == "accepted")
                batch += 1

        senders = [threading.Thread(target=send, args=(i,)) for i in range(WRITERS)]
        for sender in senders:
            sender.start()
        time.sleep(chance.uniform(0.2, 0.8))
        for pid in (*service.workers(), service.process.pid):
            os.kill(pid, signal.SIGKILL)
        service.process.wait(10)
        over.set()
        for sender in senders:
            sender.join(30)
        kept = FileLedger(ledger).rows()
        assert acknowledged <= set(kept), turn
    assert len(acknowledged) > ROUNDS
    service = start(catalog_file, tmp_path / "log", **settings)
    service.process.terminate()
    service.process.wait(30)
