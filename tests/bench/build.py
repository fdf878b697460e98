"""How building scales: 10,000 to 1,000,000 synthetic measurements, with time, peak memory and file size of each.

    python tests/bench/build.py [--rows 10000 100000 1000000]

The synthetic rows are the shipped ones, over and over, each with its own id, lengths and figures.
"""

from __future__ import annotations

import argparse
import csv
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ("prefill_tok_s", "decode_tok_s", "decode_total_tok_s", "ttft_ms")
SPREAD = 0.05
PER_FILE = 50_000


def synthesise(source: Path, target: Path, rows: int) -> None:
    """Copy the facts, with ``rows`` measurements in place of the shipped ones."""
    shutil.copytree(source, target)
    shutil.rmtree(target / "measurements")
    (target / "measurements").mkdir()
    shipped = []
    for path in sorted((source / "measurements").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            shipped += list(csv.DictReader(stream))
    columns = sorted({name for row in shipped for name in row})
    known = sorted(path.stem for path in (source / "measurements").glob("*.csv"))
    chance = random.Random(0)
    for start in range(0, rows, PER_FILE):
        name = known[start // PER_FILE]
        with (target / "measurements" / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, columns, lineterminator="\n")
            writer.writeheader()
            for i in range(start, min(start + PER_FILE, rows)):
                row = dict(shipped[i % len(shipped)])
                row["id"] = f"synthetic-{i}"
                for figure in FIGURES:
                    if row.get(figure):
                        row[figure] = f"{float(row[figure]) * chance.lognormvariate(0.0, SPREAD):.6g}"
                writer.writerow(row)


def build(rows: int, folder: Path) -> None:
    """Build one catalog in a process of its own and print what it took."""
    data, output = folder / f"data-{rows}", folder / f"{rows}.duckdb"
    synthesise(ROOT / "models_data", data, rows)
    begun = time.monotonic()
    command = [sys.executable, "-m", "catalog", "build", "--data", str(data), "--output", str(output)]
    subprocess.run(command, cwd=ROOT, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    took, size = time.monotonic() - begun, output.stat().st_size / 1e6
    print(
        f"{rows:>9,} measurements: {took:6.1f} s, {took / rows * 1e6:7.1f} µs each, peak {peak:6.0f} MiB, file {size:6.1f} MB"
    )
    shutil.rmtree(data)
    output.unlink()


def main() -> None:
    """Build at each size, smallest first, so that the peak of each is its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    with tempfile.TemporaryDirectory() as folder:
        for rows in sorted(parser.parse_args().rows):
            build(rows, Path(folder))


if __name__ == "__main__":
    main()
