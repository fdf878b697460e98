"""Half an hour of mixed load with new catalogs, measurements coming in and killed workers: what breaks, what grows, what slows.

    python tests/bench/soak.py [--minutes 30] [--threads 3]

Two workers answer questions of every kind. Every minute the catalog's file is replaced, every five seconds a batch of
measurements is sent, every two minutes the younger worker is killed: the older one lives through all of it, and shows
whether memory grows. Prints a line a minute and a verdict; requests that a kill took along are counted apart.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import httpx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from service.keys import make  # noqa: E402
from tests.bench.serve import questions  # noqa: E402
from tests.serving import Running, start  # noqa: E402

RELOAD_S, SEND_S, KILL_S, REPORT_S, WARM_S = 60, 5, 120, 60, 600
CAUSED_S = 2.0
"""Requests that broke so soon after a kill are the kill's."""
PATHS = (
    "/predict?model=gpt-oss-20b&quant=mxfp4&engine=llama.cpp&isl={n}",
    "/compare?config=gpt-oss-20b/mxfp4/llama.cpp&config=gpt-oss-120b/mxfp4/llama.cpp&isl={n}",
    "/measurements?model=gpt-oss-120b&limit=20",
    "/models/qwen3-14b",
    "/recommend?min_tg={n}",
    "/recommend?min_tg=x",
    "/",
)
ROW = {
    "model": "qwen3-14b", "quant": "q8_0", "engine": "llama.cpp", "hardware": "dgx-spark", "speculation": "none",
    "concurrency": 1, "isl": 512, "osl": 128, "decode_kv_tokens": 512, "tool": "llama-bench",
}  # fmt: skip


class Answer(NamedTuple):
    """One request: when it ended, how long it took, and its status; 0 where none came."""

    at: float
    took: float
    status: int


class Soak:
    """The load, what is done to the server meanwhile, and what came of it."""

    def __init__(self, service: Running, catalogs: list[Path], place: Path, key: str) -> None:
        self._service, self._catalogs, self._place, self._key = service, catalogs, place, key
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[Answer] = []
        self.kills: list[float] = []
        self.oldest = min(service.workers())

    def run(self, minutes: float, threads: int) -> list[tuple[float, float]]:
        """All of it for so long; returns (seconds, resident MB of the older worker) once a minute."""
        jobs = [threading.Thread(target=self._ask, args=(i,)) for i in range(threads)]
        jobs += [
            threading.Thread(target=self._every, args=(SEND_S, self._send)),
            threading.Thread(target=self._every, args=(RELOAD_S, self._reload)),
            threading.Thread(target=self._every, args=(KILL_S, self._kill)),
        ]
        for job in jobs:
            job.start()
        began, grown = time.monotonic(), []
        print(
            f"{'minute':>6} {'requests':>9} {'broken':>7} {'5xx':>5} {'p50 ms':>8} {'p99 ms':>8} {'MB':>7}", flush=True
        )
        while time.monotonic() - began < minutes * 60:
            time.sleep(REPORT_S)
            grown.append((time.monotonic() - began, resident_mb(self.oldest)))
            self._report((time.monotonic() - began) / 60, grown[-1][1])
        self._over.set()
        for job in jobs:
            job.join(60)
        return grown

    def verdict(self) -> tuple[int, int, int]:
        """Requests, those that broke without a kill, and server errors."""
        with self._lock:
            broken = [a for a in self._answers if a.status == 0]
            alone = [a for a in broken if not any(0 <= a.at - kill <= CAUSED_S + a.took for kill in self.kills)]
            return len(self._answers), len(alone), sum(a.status >= 500 for a in self._answers)

    def _report(self, minute: float, megabytes: float) -> None:
        since = time.monotonic() - REPORT_S
        with self._lock:
            last = [a for a in self._answers if a.at >= since]
        times = sorted(a.took * 1e3 for a in last) or [0.0]
        broken, failed = sum(a.status == 0 for a in last), sum(a.status >= 500 for a in last)
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        print(f"{minute:6.1f} {len(last):9} {broken:7} {failed:5} {p50:8.1f} {p99:8.1f} {megabytes:7.0f}", flush=True)

    def _ask(self, number: int) -> None:
        chance, different = random.Random(number), questions(1000, seed=number)
        with httpx.Client(base_url=self._service.url, timeout=30) as client:
            while not self._over.is_set():
                path = chance.choice(different if chance.random() < 0.6 else PATHS).format(n=chance.randrange(20, 4000))
                self._note(lambda path=path: client.get(path).status_code)

    def _note(self, request: object) -> None:
        began = time.monotonic()
        try:
            status = int(request())  # type: ignore[operator]
        except httpx.TransportError:
            status = 0
        with self._lock:
            self._answers.append(Answer(time.monotonic(), time.monotonic() - began, status))

    def _every(self, seconds: float, work: object) -> None:
        while not self._over.wait(seconds):
            work()  # type: ignore[operator]

    def _send(self) -> None:
        now = time.time()
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": f"soak-{now:.6f}"}
        rows = {"measurements": [ROW | {"decode_tok_s": round(14 + now % 1, 6), "note": f"{now:.6f}"}]}
        self._note(
            lambda: httpx.post(f"{self._service.url}/measurements", json=rows, headers=headers, timeout=30).status_code
        )

    def _reload(self) -> None:
        self._catalogs.append(self._catalogs.pop(0))
        shutil.copy(self._catalogs[0], self._place.with_suffix(".next"))
        self._place.with_suffix(".next").replace(self._place)

    def _kill(self) -> None:
        younger = [pid for pid in self._service.workers() if pid != self.oldest]
        if younger:
            os.kill(younger[0], signal.SIGKILL)
            self.kills.append(time.monotonic())


def resident_mb(pid: int) -> float:
    """Memory of a process, MB."""
    words = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    ).split()
    return int(words[1]) / 1024


def main() -> int:
    """Prepare two catalogs, start the service, soak it, say what came out; status 1 where something broke by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place, other = Path(folder) / "catalog.duckdb", Path(folder) / "other.duckdb"
        first = Path(folder) / "first.duckdb"
        shutil.copy(ROOT / "build" / "catalog.duckdb", first)
        shutil.copy(first, place)
        data = Path(shutil.copytree(ROOT / "models_data", Path(folder) / "data"))
        flags = data / "flags.toml"
        flags.write_text(
            flags.read_text(encoding="utf-8").replace('meaning = "', 'meaning = "soak: ', 1), encoding="utf-8"
        )
        command = [sys.executable, "-m", "catalog", "build", "--data", str(data), "--output", str(other)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        key, line = make("soak")
        (Path(folder) / "keys").write_text(f"{line}\n")
        settings = {
            "MODELPICKER_WORKERS": "2", "MODELPICKER_LOG_LEVEL": "error", "MODELPICKER_KEYS": f"{folder}/keys",
            "MODELPICKER_LEDGER": f"{folder}/ledger.jsonl", "MODELPICKER_RECALIBRATE_SECONDS": "0",
        }  # fmt: skip
        service = start(place, Path(folder) / "log", **settings)
        time.sleep(2)
        try:
            soak = Soak(service, [first, other], place, key)
            grown = soak.run(options.minutes, options.threads)
            requests, alone, failed = soak.verdict()
        finally:
            service.process.terminate()
            service.process.wait(30)
        settled = [megabytes for at, megabytes in grown if at >= WARM_S] or [grown[-1][1]]
    print(f"{requests} requests, {len(soak.kills)} kills; broken without a kill: {alone}; server errors: {failed}")
    print(
        f"the older worker after {WARM_S / 60:g} minutes: {settled[0]:.0f} MB, at the end {settled[-1]:.0f} MB, most {max(settled):.0f} MB"
    )
    return 1 if alone or failed else 0


if __name__ == "__main__":
    sys.exit(main())
