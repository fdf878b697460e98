"""How long it takes to predict 100,000 configs for one workload, on one core, and what memory that takes.

    python tests/bench/predict.py [--configs 100000] [--rounds 10]

The shipped candidates of the DGX Spark, repeated until there are enough; the catalog must be built.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from catalog.predict import Outcome  # noqa: E402
from catalog.prediction import Workload  # noqa: E402
from catalog.store import open_catalog  # noqa: E402


def read(outcome: Outcome, *, intervals: bool) -> None:
    """What a question reads: speeds, time to the first token and memory, as medians or with their intervals."""
    figures = (outcome.decode_tok_s, outcome.decode_total_tok_s, outcome.prefill_tok_s, outcome.ttft_ms)
    _ = outcome.total_bytes, outcome.latency_ms.value
    if intervals:
        _ = [figure.low for figure in figures]


def main() -> None:
    """Print milliseconds per pass, with and without intervals, and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    threadpool_limits(1)
    catalog = open_catalog(ROOT / "build" / "catalog.duckdb")
    hardware = catalog.hardware("dgx-spark")
    few = catalog.candidates(hardware)
    many = few.take(np.resize(np.arange(len(few)), options.configs))
    for streams in (1, 16):
        load = Workload(2048, 128, 2048, streams, "auto", 1, 101e9)
        for intervals in (False, True):
            times = []
            for _ in range(options.rounds):
                started = time.perf_counter()
                read(catalog.predict(many, load), intervals=intervals)
                times.append((time.perf_counter() - started) * 1e3)
            tracemalloc.start()
            read(catalog.predict(many, load), intervals=intervals)
            peak = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
            words = "with intervals" if intervals else "values alone"
            print(
                f"{options.configs:,} configs, {streams} streams, {words}: {statistics.median(times):.0f} ms, peak {peak:.0f} MB"
            )


if __name__ == "__main__":
    main()
