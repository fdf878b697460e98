"""How fast the service answers: requests per second, latency and CPU time, against a constant answer of the same size.

    python tests/bench/serve.py [--seconds 10] [--configs 100000 1000000]

Starts the server as ``make serve`` does and drives it with wrk (Debian: apt-get install wrk) from another process: the
floor, one question over and over, and 1,000 different questions, at 1 and at 16 connections. With ``--configs`` the same
on catalogs blown up with copies of the DGX Spark, each with its own bandwidth, until so many configs can be asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import httpx

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = 1000
REPEATED = "/recommend?min_tg=30"
START = "from service.__main__ import serve; from service.settings import Settings; serve(Settings.from_environment(), 'tests.bench.floor:create')"
SCRIPT = """
local paths = {{ {paths} }}
local i = {first}
request = function() i = i % #paths + 1; return wrk.format("GET", paths[i]) end
done = function(summary, latency)
  io.write(string.format("%f %f %f %d\\n", summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, summary.errors.status + summary.errors.timeout + summary.errors.read))
end
"""


class Measured(NamedTuple):
    """What one run of wrk says."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_ms: float


def questions(count: int, seed: int = 0) -> list[str]:
    """Different questions about one machine: limits, lengths, streams and tasks at random."""
    chance, found = random.Random(seed), []
    for _ in range(count):
        isl = chance.randrange(128, 8192)
        asked = {
            "min_tg": round(chance.uniform(5, 60), 2),
            "isl": isl,
            "osl": chance.randrange(64, 1024),
            "context": isl + chance.randrange(0, 60_000),
            "concurrency": chance.choice([1, 1, 1, 1, 2, 4, 8, 16]),
            "task": chance.choice(["general", "coding", "math", "reasoning"]),
        }
        found.append(f"/recommend?{urlencode(asked)}")
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") + sum(cpu_seconds(int(child)) for child in children)


def drive(url: str, pid: int, paths: list[str], connections: int, seconds: int) -> Measured:
    """One run of wrk over the paths, in turn."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.format(paths=", ".join(map(json.dumps, paths)), first=0))
        script.flush()
        before = cpu_seconds(pid)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script.name, url]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used = cpu_seconds(pid) - before
    per_second, p50, p99, errors = map(float, told.strip().splitlines()[-1].split())
    return Measured(per_second, p50, p99, int(errors), used * 1e3 / (per_second * seconds))


def blown_up(configs: int, each: int, folder: Path) -> Path:
    """A catalog with copies of the DGX Spark until ``configs`` can be asked for."""
    data, output = folder / "data", folder / f"{configs}.duckdb"
    shutil.copytree(ROOT / "models_data", data)
    spark = (data / "hardware" / "dgx-spark.toml").read_text(encoding="utf-8")
    spark = re.sub(r"aliases = \[.*?\]\n", "", spark, flags=re.DOTALL)
    for i in range(configs // each):
        copy = spark.replace("bandwidth_gb_s = 273.0", f"bandwidth_gb_s = {200 + i}.5")
        (data / "hardware" / f"copy-{i}.toml").write_text(copy.replace("DGX Spark (GB10)", f"Copy {i}"), "utf-8")
    command = [sys.executable, "-m", "catalog", "build", "--data", str(data), "--output", str(output)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.rmtree(data)
    return output


def bench(catalog: Path, seconds: int, copies: int) -> None:
    """Start the server on one catalog, drive it, print the table, stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    size = len(answer_of(catalog))
    environment = os.environ | {
        "MODELPICKER_PORT": str(port), "MODELPICKER_CATALOG": str(catalog), "MODELPICKER_LOG_LEVEL": "error",
        "MODELPICKER_CACHED_ANSWERS": "64", "FLOOR_BYTES": str(size),
    }  # fmt: skip
    started = time.monotonic()
    server = subprocess.Popen([sys.executable, "-c", START], cwd=ROOT, env=environment)
    try:
        while True:
            try:
                if httpx.get(f"{url}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.01)
        print(f"ready after {time.monotonic() - started:.2f} s; an answer has {size:,} bytes")
        considered = httpx.get(url + REPEATED).json()["counts"]["considered"]
        for i in range(copies):
            httpx.get(f"{url}{REPEATED}&hardware=copy-{i}", timeout=60)
        cases = {"floor": ["/floor"], "one question": [REPEATED], f"{QUESTIONS} questions": questions(QUESTIONS)}
        print(f"{'':16}{'conns':>6}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'of floor':>9}{'errors':>8}")
        floors: dict[int, float] = {}
        for name, paths in cases.items():
            drive(url, server.pid, paths, 1, 2)
            for connections in (1, 16):
                found = drive(url, server.pid, paths, connections, seconds)
                floor = floors.setdefault(connections, found.per_second)
                print(
                    f"{name:16}{connections:>6}{found.per_second:>9.0f}{found.p50_ms:>9.2f}{found.p99_ms:>9.2f}"
                    f"{found.cpu_ms:>9.2f}{found.per_second / floor:>9.2f}{found.errors:>8}"
                )
        print(f"{considered:,} configs considered: {found.cpu_ms / considered * 1e3:.2f} ms of CPU per thousand")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def answer_of(catalog: Path) -> bytes:
    """The repeated question's answer, to know its size."""
    sys.path.insert(0, str(ROOT))
    from modelpicker.wire.questions import RecommendQuestion

    from catalog.store import open_catalog
    from service.answers import Answers

    return Answers(open_catalog(catalog), 0).recommend(RecommendQuestion(min_tg=30.0))


def main() -> None:
    """The shipped catalog first, then the blown-up ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--configs", type=int, nargs="*", default=[])
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    command = [sys.executable, "-m", "compileall", "-q", "service", "catalog", "clients/python/src"]
    subprocess.run(command, cwd=ROOT, check=True)
    print("the shipped catalog")
    bench(ROOT / "build" / "catalog.duckdb", options.seconds, 0)
    for configs in options.configs:
        with tempfile.TemporaryDirectory() as folder:
            print(f"\nwith {configs:,} configs for other hardware beside it")
            bench(blown_up(configs, 5776, Path(folder)), options.seconds, configs // 5776)


if __name__ == "__main__":
    main()
