"""What was published of them, and by whom: measurements, scores, losses, files, sources."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from catalog.facts.base import (
    Content,
    Count,
    Evidence,
    Kernels,
    MeanCount,
    PartialDate,
    Positive,
    Record,
    Slug,
    SpecBasis,
    Task,
)


class Source(Record):
    """Who published measurements, and what to know before believing them."""

    id: Slug
    name: str
    url: str
    evidence: Evidence
    date: PartialDate | None = None
    note: str | None = None


class Publisher(Record):
    """Who stands behind an address that records are taken from; ``id`` is the address without its scheme.

    ``releases`` dates the releases of a package.
    """

    id: str
    evidence: Evidence
    releases: dict[str, PartialDate] = Field(default_factory=dict)
    note: str | None = None


class Flag(Record):
    """A quality flag on measurements: what it touches and one sentence on what is off."""

    id: Slug
    touches: tuple[Literal["prefill", "prefill rate", "decode", "identity", "length"], ...] = Field(
        description="prefill rate: the printed rate alone, not the time to the first token; length: the prompt's"
    )
    resolved: bool = Field(
        default=False, description="the row's ids already correct what its label got wrong: it may teach"
    )
    meaning: str


class Measurement(Record):
    """One published (or own) measurement of one config under one workload, digit for digit as printed."""

    id: Slug
    source: Slug
    model: Slug
    quant: Slug
    engine: Slug
    engine_version: str | None = None
    hardware: Slug
    units: Annotated[int, Field(ge=1)] = 1
    speculation: str | None = Field(default=None, description="none, a method (mtp-3), unspecified; None: not known")
    spec_basis: SpecBasis
    content: Content | None = Field(
        default=None, description="what kind of text was generated, where drafts depend on it"
    )
    concurrency: Annotated[int, Field(ge=1)] | None = None
    isl: MeanCount | None = None
    osl: MeanCount | None = None
    context_depth: Count | None = Field(
        default=None, description="tokens in the KV cache before the isl tokens are processed"
    )
    decode_kv_tokens: MeanCount | None = Field(
        default=None, description="tokens in the KV cache at the first output token"
    )
    kv_dtype: str | None = None
    prefill_tok_s: Positive | None = None
    decode_tok_s: Positive | None = Field(default=None, description="of one stream")
    decode_total_tok_s: Positive | None = None
    ttft_ms: Positive | None = None
    approx: bool = False
    flags: tuple[Slug, ...] = ()
    evidence: Evidence
    tool: str | None = None
    date: PartialDate | None = None
    url: str
    raw_model: str | None = None
    raw_quant: str | None = None
    checkpoint: str | None = Field(default=None, description="repository of the weights, where the source names it")
    kernels: Kernels | None = Field(
        default=None, description="weight-only: 4 and 8 bits are multiplied in 16, as the source says (Marlin)"
    )
    hw_variant: str | None = None
    mem_used_gb: float | None = None
    note: str | None = None


class Benchmark(Record):
    """A quality benchmark and the tasks it informs. ``scale`` is the range its scores live on."""

    id: str
    tasks: tuple[Task, ...]
    scale: Literal["percent", "elo", "index"] = "percent"
    aliases: tuple[str, ...] = ()
    note: str | None = None


class QualityScore(Record):
    """A published benchmark score of a model."""

    model: Slug
    benchmark: str
    score: float
    setting: str | None = None
    kind: Literal["developer-reported", "independent"]
    reporter: Literal["self", "other", "independent"]
    date: PartialDate | None = None
    url: str
    via: str | None = None
    raw_model: str | None = None


class QuantLoss(Record):
    """A measured loss of a quant against its unquantised baseline."""

    model: Slug
    quant: Slug
    kv_dtype: str | None = None
    metric: str
    value: Annotated[float, Field(allow_inf_nan=False)]
    baseline: str | None = None
    setting: str | None = None
    kind: Literal["developer-reported", "independent"]
    model_variant: str | None = None
    url: str
    raw_model: str | None = None
    raw_quant: str | None = None


class Artifact(Record):
    """A published file of a model in a quant, with its size where printed: proof that the config exists."""

    model: Slug
    quant: Slug
    engine: Slug | None = None
    file_bytes: int | None = None
    printed: str | None = None
    bits_per_param: float | None = None
    source: Slug | None = None
    url: str
