"""Which measurement teaches what, and how much.

A flag keeps a row from teaching the quantity it touches and nothing else. A row that assumes no speculation teaches
with less weight, one of unknown speculation not at all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from catalog.calibration.situations import Ask, Config, computable

if TYPE_CHECKING:
    from catalog.facts import Facts, Measurement

Quantity = Literal["decode", "total", "prefill", "ttft"]

BATCH_TOOLS = ("llama-batched-bench", "llama-bench", "own llama.cpp timing harness")
"""Tools that decode all streams in step, after every prompt is in: no prefill interleaves."""
TYPICAL_CONTEXT = 1024
TYPICAL_OUTPUT = 256
SHORT_PROMPT = 128
"""Prompts shorter than this time the request, not the prefill."""


class Lesson(NamedTuple):
    """One measured time: of which config, under which workload, how it was taken and how noisy it is."""

    measurement: Measurement
    config: Config
    ask: Ask
    quantity: Quantity
    log_seconds: float
    noise_scale: float
    interleaved: bool


def unusable(facts: Facts, row: Measurement, touched: str) -> str | None:
    """Why a measurement cannot teach about ``touched`` (decode or prefill); None if it can."""
    for name in row.flags:
        flag = facts.flags[name]
        if touched in flag.touches or ("identity" in flag.touches and not flag.resolved):
            return f"flag {name}"
        if "length" in flag.touches and touched == "prefill":
            return f"flag {name}"
    if row.speculation in (None, "unspecified"):
        return "speculation not known"
    if row.engine == "unknown":
        return "engine not stated"
    if facts.hardware[row.hardware].bandwidth_gb_s is None:
        return "bandwidth of the hardware not known"
    return computable(facts.models[row.model], facts.quants[row.quant], row.engine)


def config_of(facts: Facts, row: Measurement) -> Config:
    """The records a measurement is about."""
    return Config(
        facts.models[row.model],
        facts.quants[row.quant],
        facts.engines[row.engine],
        facts.hardware[row.hardware],
        row.units,
        row.speculation or "none",
    )


def lessons(facts: Facts, rows: tuple[Measurement, ...]) -> tuple[list[Lesson], dict[str, dict[str, str]]]:
    """All that the measurements teach, and by measurement id and quantity why the others do not."""
    taught: list[Lesson] = []
    refused: dict[str, dict[str, str]] = {}
    for row in rows:
        for touched, make in (("decode", _decode), ("prefill", _prefill)):
            if not _states(row, touched):
                continue
            reason = unusable(facts, row, touched)
            found = [] if reason else make(facts, row)
            taught += found
            if not found:
                refused.setdefault(row.id, {})[touched] = reason or "prompt length not stated or too short"
    return taught, refused


def _states(row: Measurement, touched: str) -> bool:
    if touched == "decode":
        return row.decode_tok_s is not None or row.decode_total_tok_s is not None
    return row.prefill_tok_s is not None or row.ttft_ms is not None


def _noise(row: Measurement) -> float:
    """Standard deviation of a row's error relative to a clean one."""
    scale = 2.0 if row.approx else 1.0
    if row.spec_basis == "assumed":
        scale *= 1.5
    return scale


def _decode(facts: Facts, row: Measurement) -> list[Lesson]:
    streams = row.concurrency or 1
    context = row.decode_kv_tokens if row.decode_kv_tokens is not None else TYPICAL_CONTEXT
    osl = row.osl or TYPICAL_OUTPUT
    isl = row.isl if row.isl is not None else min(context, TYPICAL_CONTEXT)
    ask = Ask(isl, osl, context + osl / 2.0, streams, row.kv_dtype)
    noise = _noise(row) * (1.5 if row.decode_kv_tokens is None else 1.0)
    noise *= 1.5 if streams > 1 and row.osl is None else 1.0
    config, interleaved = config_of(facts, row), row.tool not in BATCH_TOOLS
    found = []
    if row.decode_tok_s is not None:
        found.append(Lesson(row, config, ask, "decode", -math.log(row.decode_tok_s), noise, interleaved))
    if row.decode_total_tok_s is not None and (streams > 1 or not found):
        log_seconds = math.log(streams / row.decode_total_tok_s)
        found.append(Lesson(row, config, ask, "total", log_seconds, noise, interleaved))
    return found


def _prefill(facts: Facts, row: Measurement) -> list[Lesson]:
    if row.isl is None or row.isl < SHORT_PROMPT:
        return []
    ask = Ask(
        row.isl, row.osl or TYPICAL_OUTPUT, row.isl + (row.context_depth or 0), row.concurrency or 1, row.kv_dtype
    )
    config = config_of(facts, row)
    found = []
    if row.prefill_tok_s is not None:
        log_seconds = math.log(row.isl / row.prefill_tok_s)
        found.append(Lesson(row, config, ask, "prefill", log_seconds, _noise(row), interleaved=False))
    if row.ttft_ms is not None:
        found.append(
            Lesson(row, config, ask, "ttft", math.log(row.ttft_ms / 1e3), _noise(row) * 1.5, interleaved=False)
        )
    return found
