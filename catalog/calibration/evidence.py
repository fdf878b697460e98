"""Which measurement teaches what, how much, and why no more.

A flag keeps a row from teaching the quantity it touches and nothing else. A row that assumes no speculation teaches
with less weight, one of unknown speculation not at all; a row that only repeats another is no second witness.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from catalog.calibration.situations import Ask, Config, computable
from catalog.physics.weights import as_run
from catalog.quotes import quotes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.facts import Facts, Measurement

Quantity = Literal["decode", "total", "prefill", "ttft"]
Touched = Literal["decode", "prefill"]
TOUCHED: tuple[Touched, ...] = ("decode", "prefill")

TIMING_HARNESS = "own llama.cpp timing harness"
"""Times random weights of a model's shape: it teaches physics, and is nobody's way to run a config."""
BATCH_TOOLS = ("llama-batched-bench", "llama-bench", TIMING_HARNESS)
"""Tools that decode all streams in step, after every prompt is in: no prefill interleaves."""
TYPICAL_CONTEXT = 1024
TYPICAL_OUTPUT = 256
TYPICAL_PROMPT = 256
"""What prompts are where nobody states them: questions, not documents."""
SHORT_PROMPT = 128
"""Prompts shorter than this time the request, not the prefill."""
OWN_NOISE = 1 / 3
"""How much less one's own run scatters about what one's own box does than another's does about what all boxes do."""
MOST_ROWS = 4000
"""Measurements that teach one quantity at most: the fit grows with their cube, and what a config's hundredth row adds is little."""


class Lesson(NamedTuple):
    """One measured time: of which config, under which workload, how it was taken and how noisy it is."""

    measurement: Measurement
    config: Config
    ask: Ask
    quantity: Quantity
    log_seconds: float
    noise_scale: float
    interleaved: bool


class Teaching(NamedTuple):
    """What one measurement counts for in one quantity: 1 as a clean row of an official source, 0 not at all."""

    measurement: str
    quantity: Touched
    weight: float
    reason: str


class Doubt(NamedTuple):
    """Something that makes a row less sure: by what factor its error grows, and which rows it concerns."""

    words: str
    factor: float
    concerns: Callable[[Measurement, Touched], bool]


DOUBTS = (
    Doubt("the source prints ~ or a range", 2.0, lambda row, _: row.approx),
    Doubt("no speculation is only assumed", 2.0, lambda row, _: row.spec_basis == "assumed"),
    Doubt("measured on one's own box", OWN_NOISE, lambda row, _: measured_here(row)),
    Doubt("reported by one user", 1.2, lambda row, _: row.evidence == "community"),
    Doubt(
        "tokens in the cache not stated", 1.5, lambda row, touched: touched == "decode" and row.decode_kv_tokens is None
    ),
    Doubt(
        "output length of several streams not stated",
        1.5,
        lambda row, touched: touched == "decode" and (row.concurrency or 1) > 1 and row.osl is None,
    ),
)
"""Factors from the scatter of rows about what models and sources left out predict: assumed 2, community 1.2."""
TTFT_NOISE = 1.5
"""A first token also waits for the network, the tokeniser and the scheduler."""


@dataclass(frozen=True)
class Evidence:
    """What the measurements teach, and what each of them counts for."""

    lessons: list[Lesson]
    teachings: list[Teaching]


def measured_here(row: Measurement) -> bool:
    """Whether who asks measured it on a box of their own: their next run shares its habits, another's source would not."""
    return row.evidence == "own" and row.tool != TIMING_HARNESS


def unusable(facts: Facts, row: Measurement, touched: Touched) -> str | None:
    """Why a measurement cannot teach about ``touched`` (decode or prefill); None if it can."""
    for name in row.flags:
        flag = facts.flags[name]
        if touched in flag.touches or ("identity" in flag.touches and not flag.resolved):
            return f"flag {name}"
        if "length" in flag.touches and touched == "prefill":
            return f"flag {name}"
        if "prefill rate" in flag.touches and touched == "prefill" and row.ttft_ms is None:
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
        as_run(facts.quants[row.quant], row.checkpoint, row.kernels),
        facts.engines[row.engine],
        facts.hardware[row.hardware],
        row.units,
        row.speculation or "none",
    )


def evidence(facts: Facts, rows: Sequence[Measurement]) -> Evidence:
    """All that the measurements teach, and by measurement and quantity with what weight and why.

    Where more than MOST_ROWS of them could teach a quantity, every config has its say in turn, its surest and latest
    row first, until there are enough.
    """
    repeated = quotes(rows)
    lessons: list[Lesson] = []
    teachings: list[Teaching] = []
    for touched in TOUCHED:
        reasons = {row.id: _refusal(facts, row, touched, repeated) for row in rows if _states(row, touched)}
        able = [row for row in rows if reasons.get(row.id, "") is None]
        chosen = {row.id for row in _in_turn(able, touched)[:MOST_ROWS]}
        for row in rows:
            if row.id in chosen:
                lessons += _decode(facts, row) if touched == "decode" else _prefill(facts, row)
                teachings.append(Teaching(row.id, touched, _noise(row, touched) ** -2.0, _doubts(row, touched)))
            elif row.id in reasons:
                reason = reasons[row.id] or f"{MOST_ROWS} rows teach already, others of this config among them"
                teachings.append(Teaching(row.id, touched, 0.0, reason))
    return Evidence(lessons, teachings)


def _in_turn(rows: Sequence[Measurement], touched: Touched) -> list[Measurement]:
    """Rows with the first of every config before the second of any: surest first, then latest, then by id."""
    turns: Counter[tuple[str, ...]] = Counter()
    turn: dict[str, int] = {}
    latest = sorted(sorted(rows, key=lambda row: row.id), key=lambda row: row.date or "", reverse=True)
    for row in sorted(latest, key=lambda row: _noise(row, touched)):
        config = (row.model, row.quant, row.engine, row.hardware, str(row.units), row.speculation or "")
        turn[row.id] = turns[config]
        turns[config] += 1
    return sorted(rows, key=lambda row: (turn[row.id], row.id))


def _refusal(facts: Facts, row: Measurement, touched: Touched, repeated: dict[str, str]) -> str | None:
    if row.id in repeated:
        return f"repeats {repeated[row.id]}"
    if touched == "prefill" and (row.isl is None or row.isl < SHORT_PROMPT):
        return "prompt length not stated or too short"
    return unusable(facts, row, touched)


def _states(row: Measurement, touched: Touched) -> bool:
    if touched == "decode":
        return row.decode_tok_s is not None or row.decode_total_tok_s is not None
    return row.prefill_tok_s is not None or row.ttft_ms is not None


def _noise(row: Measurement, touched: Touched) -> float:
    """Standard deviation of a row's error relative to a clean one."""
    return math.prod(doubt.factor for doubt in DOUBTS if doubt.concerns(row, touched))


def _doubts(row: Measurement, touched: Touched) -> str:
    return "; ".join(doubt.words for doubt in DOUBTS if doubt.concerns(row, touched)) or "clean"


def _decode(facts: Facts, row: Measurement) -> list[Lesson]:
    streams = row.concurrency or 1
    context = row.decode_kv_tokens if row.decode_kv_tokens is not None else TYPICAL_CONTEXT
    osl = row.osl or TYPICAL_OUTPUT
    isl = row.isl if row.isl is not None else min(context, TYPICAL_PROMPT)
    ask = Ask(isl, osl, context + osl / 2.0, streams, row.kv_dtype)
    config, interleaved, noise = config_of(facts, row), row.tool not in BATCH_TOOLS, _noise(row, "decode")
    found = []
    if row.decode_tok_s is not None:
        found.append(Lesson(row, config, ask, "decode", -math.log(row.decode_tok_s), noise, interleaved))
    another = interleaved and streams > 1  # in step, a total is the same time again
    if row.decode_total_tok_s is not None and (another or not found):
        log_seconds = math.log(streams / row.decode_total_tok_s)
        found.append(Lesson(row, config, ask, "total", log_seconds, noise, interleaved))
    return found


def _prefill(facts: Facts, row: Measurement) -> list[Lesson]:
    isl, noise = row.isl or 0, _noise(row, "prefill")
    ask = Ask(isl, row.osl or TYPICAL_OUTPUT, isl + (row.context_depth or 0), row.concurrency or 1, row.kv_dtype)
    config = config_of(facts, row)
    found = []
    if row.prefill_tok_s is not None and not facts.flagged(row, {"prefill rate"}):
        found.append(Lesson(row, config, ask, "prefill", math.log(isl / row.prefill_tok_s), noise, interleaved=False))
    if row.ttft_ms is not None:
        log_seconds = math.log(row.ttft_ms / 1e3)
        found.append(Lesson(row, config, ask, "ttft", log_seconds, noise * TTFT_NOISE, interleaved=False))
    return found
