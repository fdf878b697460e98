"""Tools that drive a server and time its stream: llama-benchy, vllm bench serve, SGLang's, AIPerf, llmfit.

Decode of one stream is 1000 / the median time per output token after the first, where the tool prints one. A server's
total divides all tokens by the whole run, prefills and ragged ends included. A run at a request rate has no number of
streams, and is left out with a remark.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from catalog.importers.runs.run import Cells, Run, Runs, positive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LLMFIT_ENGINES = {"llamacpp": "llama.cpp"}


def benchy(report: Mapping[str, Any], file: str) -> Runs:
    """llama-benchy's JSON: means over its runs.

    With prefix caching, a phase of its own fills the cache (only its prefill counts), and prompts follow it. Without, context
    and prompt are one prompt: rate and first token are of both. Its prompts are passages of a novel unless another book is
    asked for, which no report tells.
    """
    head, cached = Cells(report, file), bool(report.get("prefix_caching_enabled"))
    found = []
    for i, row in enumerate(report["benchmarks"]):
        cells = Cells(row, f"{file}: benchmark {i + 1}")
        depth, prompt = cells.count("context_size") or 0, cells.count("prompt_size") or 0
        filling = bool(row.get("is_context_prefill_phase"))
        if filling:
            depth, prompt = 0, depth
        elif not cached:
            depth, prompt = 0, depth + prompt
        found.append(
            Run(
                model=head.text("model"),
                content="prose",
                concurrency=cells.count("concurrency") or 1,
                isl=prompt,
                osl=cells.count("response_size"),
                context_depth=depth,
                decode_kv_tokens=depth + prompt,
                prefill_tok_s=positive(cells.inner("pp_throughput").number("mean")),
                decode_tok_s=None if filling else positive(cells.inner("tg_req_throughput").number("mean")),
                decode_total_tok_s=None if filling else positive(cells.inner("tg_throughput").number("mean")),
                ttft_ms=positive(cells.inner("e2e_ttft").number("mean")),
                date=(head.text("timestamp") or "")[:10] or None,
                note=f"llama-benchy {head.text('version')}",
            )
        )
    return Runs("llama-benchy", tuple(found))


def vllm_bench(report: Mapping[str, Any], file: str) -> Runs:
    """The JSON that ``vllm bench serve --save-result`` writes."""
    return _served("vllm bench serve", [report], file, "vllm")


def sglang_bench(rows: Iterable[Mapping[str, Any]], file: str) -> Runs:
    """The JSON lines of ``sglang.bench_serving``."""
    return _served("sglang.bench_serving", rows, file, "sglang")


def _served(tool: str, rows: Iterable[Mapping[str, Any]], file: str, engine: str) -> Runs:
    found, remarks = [], []
    for i, row in enumerate(rows):
        cells = Cells(row, f"{file}: run {i + 1}")
        streams, done = cells.count("max_concurrency"), cells.needed("completed")
        if not streams or done < 1:
            what = "no run completed" if done < 1 else "a run at a request rate has no number of streams"
            remarks.append(f"run {i + 1}: {what}: left out (state --max-concurrency)")
            continue
        prompt, output = cells.needed("total_input_tokens") / done, cells.needed("total_output_tokens") / done
        per_token = cells.number("median_tpot_ms") or cells.number("mean_tpot_ms")
        named = cells.text("backend") or engine
        found.append(
            Run(
                model=cells.text("model_id") or cells.text("model"),
                engine=engine if named.startswith("openai") else named.partition("-")[0],
                concurrency=streams,
                isl=round(prompt, 1),
                osl=round(output, 1),
                context_depth=0,
                decode_kv_tokens=round(prompt, 1),
                decode_tok_s=positive(1000.0 / per_token) if per_token else None,
                decode_total_tok_s=positive(cells.number("output_throughput")),
                ttft_ms=positive(cells.number("mean_ttft_ms") or cells.number("median_ttft_ms")),
                date=_day(cells.text("date")),
            )
        )
    return Runs(tool, tuple(found), tuple(remarks))


def _day(printed: str | None) -> str | None:
    """20261125-101500 or 2026-11-25… as a date."""
    digits = (printed or "").replace("-", "")[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdigit() else None


def aiperf(report: Mapping[str, Any], file: str) -> Runs:
    """The JSON export of AIPerf or genai-perf: each metric an object with its unit and statistics."""
    cells = Cells(report, file)
    model, streams = _asked(cells.inner("input_config"))
    if not streams:
        return Runs("AIPerf", (), ("a run at a request rate has no number of streams: left out (state --concurrency)",))
    per_token = cells.inner("inter_token_latency").number("p50") or cells.inner("inter_token_latency").number("avg")
    prompt = cells.inner("input_sequence_length").number("avg")
    run = Run(
        model=model,
        concurrency=streams,
        isl=prompt,
        osl=cells.inner("output_sequence_length").number("avg"),
        context_depth=0,
        decode_kv_tokens=prompt,
        decode_tok_s=positive(1000.0 / per_token) if per_token else None,
        decode_total_tok_s=positive(cells.inner("output_token_throughput").number("avg")),
        ttft_ms=positive(cells.inner("time_to_first_token").number("avg")),
        date=(cells.text("start_time") or "")[:10] or None,
    )
    return Runs("AIPerf", (run,))


def _asked(config: Cells) -> tuple[str | None, int | None]:
    """Model and streams that were asked for, where each release keeps them.

    AIPerf 0.13 lists models and phases; earlier ones have endpoint and loadgen; genai-perf drives perf_analyzer.
    """
    measured = next((phase for phase in config.each("phases") if phase.text("kind") == "profiling"), None)
    if measured is not None:
        named = next((model.text("name") for model in config.inner("models").each("items")), None)
        return named, measured.count("concurrency")
    streams = config.inner("loadgen").count("concurrency")
    if streams is None:
        streams = config.inner("perf_analyzer").inner("stimulus").count("concurrency")
    return config.inner("endpoint").first("model_names") or config.first("model_names"), streams


def llmfit(report: Mapping[str, Any], file: str) -> Runs:
    """A community submission of llmfit: tokens over the whole request's time, prompt included, lengths not stated."""
    hardware, submitted = Cells(report["hardware"], file), Cells(report, file).number("submittedAtUnix")
    found = []
    for i, row in enumerate(report["results"]):
        cells = Cells(row, f"{file}: result {i + 1}")
        provider = cells.text("provider") or ""
        found.append(
            Run(
                model=cells.text("model"),
                quant=cells.text("model"),
                engine=LLMFIT_ENGINES.get(provider, provider),
                hardware=hardware.text("hardwareName") or hardware.text("cpu"),
                units=max(hardware.count("gpuCount") or 1, 1),
                concurrency=1,
                osl=cells.number("avgOutputTokens"),
                decode_tok_s=positive(cells.number("avgTps")),
                ttft_ms=positive(cells.number("avgTtftMs")),
                date=datetime.fromtimestamp(submitted, UTC).date().isoformat() if submitted else None,
                note="tokens over the time of the whole request",
            )
        )
    return Runs("llmfit", tuple(found))
