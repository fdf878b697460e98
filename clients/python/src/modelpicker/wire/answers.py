"""What comes back. Answers only ever gain fields, so an older SDK ignores what it does not know."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["win", "tie", "loss"]
Basis = Literal["measured", "calibrated", "roofline"]
Bound = Literal["bandwidth", "compute", "overhead", "link"]
Evidence = Literal["official", "maintainer", "community", "own"]
Code = Literal[
    "does_not_fit",
    "too_slow",
    "above_any_ceiling",
    "prefill_too_slow",
    "ttft_too_high",
    "latency_too_high",
    "quality_too_low",
    "quality_unknown",
    "context_too_long",
    "unsupported",
    "no_measurement",
]


class Answer(BaseModel):
    """Base of all answers: immutable, tolerant of fields added later."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Config(Answer):
    """One of each: model, quant, engine, hardware (units of it) and speculation."""

    model: str
    quant: str
    engine: str
    hardware: str
    units: int
    speculation: str


class Interval(Answer):
    """A figure and its 80 % interval. The value is the posterior, never one source's figure."""

    value: float
    low: float
    high: float


class Memory(Answer):
    """Bytes per unit: what the engine allocates at context + osl tokens and the asked concurrency."""

    weights_bytes: int
    kv_bytes: int
    overhead_bytes: int
    total_bytes: int
    budget_bytes: int


class Roofline(Answer):
    """Physics: bytes streamed in one decode step, the tok/s no engine can exceed, and how near this config comes."""

    bytes_per_step: int
    ceiling_tok_s: float
    efficiency: float
    bound: Bound


class Score(Answer):
    """One published benchmark score behind a quality index."""

    benchmark: str
    score: float
    source: str


class Quality(Answer):
    """Quality index 0-100 for the task with its 80 % interval; null index: no scores, not guessed."""

    index: float | None
    low: float | None
    high: float | None
    penalty: float | None
    scores: tuple[Score, ...] = ()


class SourceFigure(Answer):
    """A measurement behind the answer, its figures digit for digit as published."""

    measurement: str
    url: str
    date: str | None
    evidence: Evidence
    decode_tok_s: float | None
    prefill_tok_s: float | None
    isl: float | None
    context: float | None
    flags: tuple[str, ...] = ()


class Figures(Answer):
    """What a config does under a workload; shared by recommendations and predictions."""

    config: Config
    verdict: Verdict | None
    basis: Basis
    decode_tok_s: Interval
    decode_total_tok_s: Interval
    prefill_tok_s: Interval
    ttft_ms: Interval
    decode_ms: Interval
    latency_ms: Interval
    memory: Memory
    roofline: Roofline
    quality: Quality
    sources: tuple[SourceFigure, ...]
    launch: str | None
    why: str


class Reason(Answer):
    """Why a config is turned down: the code, the limit, the number that failed it, and the arithmetic in words."""

    code: Code
    limit: float | str | None
    value: float | str | None
    message: str


class Nearest(Answer):
    """The smallest change of one thing that makes a rejected config feasible."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, serialize_by_alias=True)

    change: str
    from_: int | float | str | None = Field(alias="from")
    to: int | float | str | None
    config: Config
    decode_tok_s: float
    total_bytes: int


class Recommendation(Figures):
    """A feasible config, ranked."""

    rank: int
    score: float
    pareto: bool


class Rejection(Answer):
    """A config that is turned down, with its reasons, its evidence and the nearest thing that would do."""

    config: Config
    reasons: tuple[Reason, ...]
    sources: tuple[SourceFigure, ...]
    nearest: Nearest | None


class Counts(Answer):
    """Over configs, before per_model and limit. considered = feasible + rejected; by_reason counts first reasons."""

    considered: int
    feasible: int
    rejected: int
    by_reason: dict[str, int]


class RecommendAnswer(Answer):
    """Answer of /recommend."""

    request: dict[str, object]
    recommendations: tuple[Recommendation, ...]
    rejected: tuple[Rejection, ...]
    counts: Counts
    advice: str | None = None
    catalog_version: str


class Prediction(Figures):
    """Answer of /predict: numbers whether or not the config fits, is supported, or exceeds the model's context."""

    feasible: bool
    reasons: tuple[Reason, ...]


class Machine(Answer):
    """A machine, with what all asked units of it cost where that is known."""

    hardware: str
    name: str
    vendor: str
    units: int
    price_usd: float | None
    price_source: str | None


class HardwareChoice(Machine):
    """A machine that meets the limits, ranked, with the best config of the model on it."""

    rank: int
    best: Prediction


class HardwareRejection(Machine):
    """A machine that does not, with the config that comes nearest and its reasons; null: no config exists there."""

    config: Config | None
    reasons: tuple[Reason, ...]
    nearest: Nearest | None


class HardwareAnswer(Answer):
    """Answer of /recommend/hardware. considered = feasible + rejected, in machines."""

    request: dict[str, object]
    recommendations: tuple[HardwareChoice, ...]
    rejected: tuple[HardwareRejection, ...]
    counts: Counts
    catalog_version: str


class Difference(Answer):
    """One figure of every compared config, which of them is best, and whether the intervals keep it apart from all others."""

    figure: str
    unit: str
    values: tuple[float | None, ...]
    best: int | None
    certain: bool


class CompareAnswer(Answer):
    """Answer of /compare: the predictions in the order asked, and their figures side by side."""

    request: dict[str, object]
    predictions: tuple[Prediction, ...]
    differences: tuple[Difference, ...]
    summary: str
    catalog_version: str


class MeasurementOut(Answer):
    """A measurement as published, with what is known of its conditions."""

    id: str
    source: str
    config: Config
    spec_basis: str
    engine_version: str | None
    concurrency: int | None
    isl: float | None
    osl: float | None
    context_depth: float | None
    decode_kv_tokens: float | None
    kv_dtype: str | None
    prefill_tok_s: float | None
    decode_tok_s: float | None
    decode_total_tok_s: float | None
    ttft_ms: float | None
    decode_ms: float | None
    approx: bool
    flags: tuple[str, ...]
    remarks: tuple[str, ...]
    evidence: Evidence
    tool: str | None
    date: str | None
    url: str
    raw_model: str | None
    raw_quant: str | None
    checkpoint: str | None = None
    kernels: str | None = None
    hw_variant: str | None = None
    mem_used_gb: float | None = None
    note: str | None


class MeasurementsPage(Answer):
    """Answer of /measurements: one page; null cursor on the last."""

    measurements: tuple[MeasurementOut, ...]
    next_cursor: str | None
    catalog_version: str
