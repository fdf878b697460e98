"""llama-bench and llama-batched-bench. Neither can speculate, and both make all streams in step.

llama-bench times a prompt of ``n_prompt`` tokens, or ``n_gen`` single tokens, after ``n_depth`` tokens in the cache; a
run with both is one rate over prompt and output together, which is neither, and is left out with a remark. Its table
names a test ``pp512``, ``tg128``, ``pp512 @ d4096``. llama-batched-bench puts PP tokens of each of B streams into the
cache, then makes TG tokens of each; its rates count all streams.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from catalog.importers.bounded import ImportFileError
from catalog.importers.runs.run import Cells, Run, Runs, positive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LLAMA_BENCH, BATCHED_BENCH = "llama-bench", "llama-batched-bench"
TEST = re.compile(r"(?:pp(?P<pp>\d+))?\+?(?:tg(?P<tg>\d+))?(?: @ d(?P<depth>\d+))?")
BATCHED_COLUMNS = {"PP": "pp", "TG": "tg", "B": "pl", "S_PP t/s": "speed_pp", "S_TG t/s": "speed_tg"}


def llama_bench(rows: Iterable[Mapping[str, Any]], file: str) -> Runs:
    """Rows of ``-o json``, ``jsonl`` or ``csv``."""
    found: list[Run] = []
    remarks: list[str] = []
    for i, row in enumerate(rows):
        cells = Cells(row, f"{file}: run {i + 1}")
        prompt, output, depth = (cells.count(name) or 0 for name in ("n_prompt", "n_gen", "n_depth"))
        commit, number = cells.text("build_commit"), cells.text("build_number")
        common = {
            "model": cells.text("model_filename"),
            "quant": cells.text("model_type"),
            "engine": "llama.cpp",
            "engine_version": f"b{number} ({commit})" if number else commit,
            "hardware": cells.text("gpu_info") or cells.text("cpu_info"),
            "kv_dtype": cells.text("type_k"),
            "date": (cells.text("test_time") or "")[:10] or None,
        }
        _test(found, remarks, prompt, output, depth, cells.needed("avg_ts"), common, f"run {i + 1}")
    return Runs(LLAMA_BENCH, tuple(found), tuple(remarks))


def llama_bench_table(rows: Sequence[Mapping[str, str]], file: str) -> Runs:
    """Rows of ``-o md``."""
    found: list[Run] = []
    remarks: list[str] = []
    for i, row in enumerate(rows):
        match = TEST.fullmatch(row["test"].strip())
        if not match:
            raise ImportFileError(f"{file}: row {i + 1}", f"test: {row['test'][:60]!r} is no test of llama-bench")
        prompt, output, depth = (int(match[name] or 0) for name in ("pp", "tg", "depth"))
        rate = Cells({"t/s": row["t/s"].partition("±")[0].strip()}, f"{file}: row {i + 1}").needed("t/s")
        common = {"model": row["model"].strip(), "quant": row["model"].strip(), "engine": "llama.cpp"}
        _test(found, remarks, prompt, output, depth, rate, common, f"row {i + 1}")
    return Runs(LLAMA_BENCH, tuple(found), tuple(remarks))


def _test(
    found: list[Run],
    remarks: list[str],
    prompt: int,
    output: int,
    depth: int,
    rate: float,
    common: dict[str, Any],
    place: str,
) -> None:
    """One test's rate: of a prompt, of an output, or of both together."""
    if prompt and output:
        remarks.append(f"{place}: pp{prompt}+tg{output} is one rate over prompt and output, neither's: left out")
    elif prompt:
        found.append(
            Run(plain=True, concurrency=1, isl=prompt, context_depth=depth, prefill_tok_s=positive(rate), **common)
        )
    elif output:
        found.append(
            Run(
                plain=True,
                concurrency=1,
                isl=0,
                osl=output,
                context_depth=depth,
                decode_kv_tokens=depth,
                decode_tok_s=positive(rate),
                **common,
            )
        )


def batched_bench(rows: Iterable[Mapping[str, Any]], file: str) -> Runs:
    """Rows of ``--output-format jsonl``, or of its table."""
    found = []
    for i, row in enumerate(rows):
        cells = Cells({BATCHED_COLUMNS.get(name, name): value for name, value in row.items()}, f"{file}: row {i + 1}")
        streams, prompt = cells.count("pl") or 1, cells.count("pp") or 0
        together = positive(cells.number("speed_tg"))
        shared = cells.count("is_pp_shared") == 1
        found.append(
            Run(
                engine="llama.cpp",
                plain=True,
                concurrency=streams,
                isl=prompt,
                osl=cells.count("tg"),
                context_depth=0,
                decode_kv_tokens=prompt,
                prefill_tok_s=None if shared else positive(cells.number("speed_pp")),
                decode_tok_s=together and positive(together / streams),
                decode_total_tok_s=together,
                note="one prompt shared by all streams" if shared else None,
            )
        )
    return Runs(BATCHED_BENCH, tuple(found))
