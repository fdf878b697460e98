"""Which tool printed a file, told by what stands in it."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from catalog.importers.bounded import ImportFileError, regular_file
from catalog.importers.runs import llama_cpp, servers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from catalog.importers.runs.run import Runs

MAX_BYTES = 64 * 2**20
MAX_RUNS = 10_000
KNOWN = "llama-bench, llama-batched-bench, llama-benchy, vllm bench serve, sglang.bench_serving, AIPerf, llmfit"
Row = dict[str, Any]
Reader = tuple[frozenset[str], "Callable[[Sequence[Row], str], Runs]"]

READERS: tuple[Reader, ...] = (
    (frozenset({"avg_ts", "n_prompt", "n_gen"}), llama_cpp.llama_bench),
    (frozenset({"test", "t/s", "model"}), llama_cpp.llama_bench_table),
    (frozenset({"pp", "tg", "pl", "speed_tg"}), llama_cpp.batched_bench),
    (frozenset({"PP", "TG", "B", "S_TG t/s"}), llama_cpp.batched_bench),
    (frozenset({"benchmarks", "latency_mode"}), lambda rows, file: servers.benchy(rows[0], file)),
    (frozenset({"results", "schemaVersion", "hardware"}), lambda rows, file: servers.llmfit(rows[0], file)),
    (frozenset({"output_token_throughput", "input_config"}), lambda rows, file: servers.aiperf(rows[0], file)),
    (frozenset({"total_output_tokens", "completed", "backend", "dataset_name"}), servers.sglang_bench),
    (frozenset({"total_output_tokens", "completed"}), lambda rows, file: servers.vllm_bench(rows[0], file)),
)
"""Fields that only this tool's rows have, and what reads them; the first that fits."""


def read_runs(path: Path) -> Runs:
    """The runs of a file. Raises ImportFileError for a file of no known tool, or a field that cannot be."""
    if regular_file(path) > MAX_BYTES:
        raise ImportFileError(path.name, f"is larger than {MAX_BYTES} bytes: no benchmark prints that much")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportFileError(path.name, "is not UTF-8 text") from error
    rows = _json(text) or _table(text) or _csv(text)
    if len(rows) > MAX_RUNS:
        raise ImportFileError(path.name, f"holds {len(rows)} runs, more than the {MAX_RUNS} allowed: split it")
    for fields, read in READERS:
        if rows and fields <= rows[0].keys():
            try:
                return read(rows, path.name)
            except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
                if isinstance(error, ImportFileError):
                    raise
                raise ImportFileError(path.name, f"a field is not what the tool prints: {error!r:.100}") from error
    raise ImportFileError(path.name, f"was printed by no known tool: known are {KNOWN}")


def _json(text: str) -> list[Row]:
    """Objects of a JSON document, or of JSON lines; empty where it is neither."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict):
        return [whole]
    if isinstance(whole, list):
        return [row for row in whole if isinstance(row, dict)]
    found = []
    for line in text.splitlines():
        if line.lstrip().startswith("{"):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                return []
            found.append(row)
    return found


def _table(text: str) -> list[Row]:
    """Rows of the first Markdown table; what stands around it is a tool's chatter."""
    lines = [line.strip() for line in text.splitlines()]
    found: list[Row] = []
    header: list[str] = []
    for line in lines:
        if not (line.startswith("|") and line.endswith("|")):
            if found:
                break
            header = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not header:
            header = cells
        elif not set(line) <= set("|-: ") and len(cells) == len(header):
            found.append(dict(zip(header, cells, strict=True)))
    return found


def _csv(text: str) -> list[Row]:
    """Rows of a CSV file with a header."""
    try:
        return [row for row in csv.DictReader(text.splitlines()) if None not in row]
    except csv.Error:
        return []
