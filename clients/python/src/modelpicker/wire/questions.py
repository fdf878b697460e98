"""What one can ask: the fields of each request, with their units, defaults and ranges.

An unknown field is an error before anything is sent. Numbers must be finite. These classes are the wire: the
service validates with them, the SDK builds from them, the command line and the bots derive their options from them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Task = Literal["general", "coding", "reasoning", "math", "agentic", "vision"]
Modality = Literal["text", "vision", "audio", "video"]
KvDtype = Literal["auto", "f16", "fp8", "q8_0"]
SpeculationPolicy = Literal["allow", "never", "only"]
EvidenceFilter = Literal["any", "measured", "official"]
HardwareSortKey = Literal["price", "speed", "memory"]
SortKey = Literal["balanced", "speed", "quality", "latency", "memory"]
Vendor = Literal["nvidia", "amd", "apple", "intel", "cpu"]

MAX_TOKENS = 10_000_000
MAX_FILTER = 100


def _split(value: object) -> object:
    """Accept ``a,b``, ``["a", "b"]`` and ``["a,b"]`` alike; empty parts are dropped, but something must be left."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        return value
    if parts and all(isinstance(part, str) and not part.strip(" ,") for part in parts):
        raise ValueError("is empty: name at least one, or leave it out")
    return tuple(p.strip() if isinstance(p, str) else p for part in parts for p in _pieces(part))


def _pieces(part: object) -> list[object]:
    return [p for p in part.split(",") if p.strip()] if isinstance(part, str) else [part]


Slug = Annotated[str, Field(min_length=1, max_length=100)]
Filter = Annotated[tuple[Slug, ...], BeforeValidator(_split), Field(max_length=MAX_FILTER)]
CONFIG_NAME = r"^[^/@:]+/[^/@:]+/[^/@:]+(/[^/@:]+)?(@[^/@:]+(:[1-9][0-9]?)?)?$"


def _config_name(value: str) -> str:
    if not re.fullmatch(CONFIG_NAME, value):
        raise ValueError(
            "write model/quant/engine, then /speculation and @hardware or @hardware:units where they differ"
        )
    return value


ConfigName = Annotated[
    str, Field(max_length=300, json_schema_extra={"pattern": CONFIG_NAME}), AfterValidator(_config_name)
]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]


TASK = "what the model is for: sets the quality index and, for coding, math and agentic, how often drafts are accepted"


class Question(BaseModel):
    """Base of all requests: immutable, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HardwareObject(Question):
    """A machine nobody listed yet. Peaks are dense (without structured sparsity)."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    vendor: Vendor = "nvidia"
    memory_gb: Annotated[float, Field(ge=0.001, le=1e5, allow_inf_nan=False)] = Field(
        description="usable memory, GB (1e9)"
    )
    bandwidth_gb_s: Annotated[float, Field(ge=0.01, le=1e6, allow_inf_nan=False)] = Field(
        description="memory bandwidth"
    )
    tflops_bf16: Annotated[float, Field(ge=0.001, le=1e6, allow_inf_nan=False)]
    tflops_fp8: Annotated[float, Field(ge=0.001, le=1e6, allow_inf_nan=False)] | None = None
    tflops_fp4: Annotated[float, Field(ge=0.001, le=1e6, allow_inf_nan=False)] | None = None


class ModelObject(Question):
    """A model nobody listed yet: the numbers of its config.json (names as Hugging Face spells them)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]


class Load(Question):
    """How the model is used: request shape, streams, and the memory of each unit."""

    units: Annotated[int, Field(ge=1, le=64)] = Field(1, description="how many of the hardware")
    memory_gb: Annotated[float, Field(ge=0.001, le=1e5, allow_inf_nan=False)] | None = Field(
        None,
        description="budget per unit for all the engine takes, GB (1e9); default: the hardware's safe usable memory",
    )
    isl: Tokens | None = Field(None, description="input tokens of one request; default 2048, or context if smaller")
    osl: Tokens = Field(128, description="output tokens of one request")
    context: Tokens | None = Field(
        None, description="tokens in the KV cache when decoding starts; what exceeds isl is cached history; default isl"
    )
    concurrency: Annotated[int, Field(ge=1, le=4096)] = Field(1, description="streams at once")
    kv_dtype: KvDtype = Field("auto", description="KV cache type; auto is the engine's default")

    @model_validator(mode="after")
    def _context_holds_the_input(self) -> Load:
        if self.isl is not None and self.context is not None and self.context < self.isl:
            raise ValueError(f"context ({self.context}) is smaller than isl ({self.isl}): raise context or lower isl")
        return self

    @property
    def input_tokens(self) -> int:
        """Input tokens of one request, with the default filled in."""
        return self.isl if self.isl is not None else min(2048, self.context or 2048)

    @property
    def context_tokens(self) -> int:
        """Tokens in the KV cache when decoding starts, with the default filled in."""
        return self.context if self.context is not None else self.input_tokens


class Workload(Load):
    """Where and how the model runs: a load on some hardware."""

    hardware: Slug | HardwareObject = Field("dgx-spark", description="hardware id, or (POST) an object")


class Limits(Question):
    """What a config must reach, and which configs are meant."""

    min_tg: Rate = Field(10.0, description="decode tok/s of one stream")
    min_pp: Rate | None = Field(None, description="prefill tok/s in total")
    max_ttft_ms: Milliseconds | None = Field(None, description="time to first token, ms")
    max_latency_ms: Milliseconds | None = Field(None, description="whole request: TTFT + osl tokens, ms")
    min_quality: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = Field(
        None, description="quality index 0-100 for the task"
    )
    task: Task = Field("general", description=TASK)
    quant: Filter = Field((), description="quant ids")
    engine: Filter = Field((), description="engine ids")
    speculation: SpeculationPolicy = Field("allow", description="allow, never or only speculative configs")
    evidence: EvidenceFilter = Field(
        "any", description="measured: some usable measurement of that very config; official: by the hardware's vendor"
    )
    confidence: Annotated[float, Field(ge=0.5, le=0.99, allow_inf_nan=False)] = Field(
        0.5, description="probability with which each speed limit must hold"
    )


class RecommendQuestion(Workload, Limits):
    """``GET /recommend`` and ``POST /recommend``: which config should I pick?"""

    model: Filter = Field((), description="model ids")
    family: Filter = Field((), description="model families")
    license: Filter = Field((), description="licenses")
    modality: Annotated[tuple[Modality, ...], BeforeValidator(_split), Field(max_length=4)] = Field(
        (), description="the model must accept all of these"
    )
    sort: SortKey = Field("balanced", description="order of the recommendations")
    per_model: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="configs of one model that may be recommended"
    )
    limit: Annotated[int, Field(ge=1, le=100)] = Field(10, description="recommendations that come back")
    rejected_limit: Annotated[int, Field(ge=0, le=100)] = Field(10, description="rejections that come back")
    models: Annotated[tuple[ModelObject, ...], Field(max_length=20)] = Field(
        (), description="(POST) models nobody listed yet, as config.json numbers"
    )


class HardwareQuestion(Load, Limits):
    """``GET /recommend/hardware``: which machine should I run this model on? The other way round."""

    model: Slug = Field(description="model id")
    hardware: Filter = Field((), description="hardware ids; default: all that are listed")
    vendor: Annotated[tuple[Vendor, ...], BeforeValidator(_split), Field(max_length=5)] = Field(
        (), description="vendors of the hardware"
    )
    max_price_usd: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = Field(
        None, description="price of all units; hardware of unknown price is left out"
    )
    sort: HardwareSortKey = Field("price", description="order of the machines; unknown prices come after known ones")
    limit: Annotated[int, Field(ge=1, le=100)] = Field(10, description="machines that come back")
    rejected_limit: Annotated[int, Field(ge=0, le=100)] = Field(10, description="rejections that come back")


class CompareQuestion(Workload):
    """``GET /compare``: configs side by side under one load."""

    config: Annotated[tuple[ConfigName, ...], BeforeValidator(_split), Field(min_length=2, max_length=10)] = Field(
        description="model/quant/engine, with /speculation and @hardware or @hardware:units where they differ"
    )
    task: Task = Field("general", description=TASK)


class PredictQuestion(Workload):
    """``GET /predict``: what would this one config do? ``speculation`` names the method here."""

    model: Slug
    quant: Slug
    engine: Slug
    speculation: Annotated[str, Field(max_length=40, pattern=r"^[a-z0-9][a-z0-9.-]*$")] = Field(
        "none", description="none, or a method: mtp-5, eagle3..."
    )
    task: Task = Field("general", description=TASK)


class MeasurementsQuestion(Question):
    """``GET /measurements``: filters of the listing; each may be repeated or comma-separated."""

    id: Filter = Field((), description="measurement ids")
    source: Filter = Field((), description="source ids")
    model: Filter = Field((), description="model ids")
    quant: Filter = Field((), description="quant ids")
    engine: Filter = Field((), description="engine ids")
    hardware: Filter = Field((), description="hardware ids")
    speculation: Filter = Field((), description="none, methods, or unknown")
    evidence: Filter = Field((), description="official, maintainer, community, own")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(100, description="rows of one page")
    cursor: Annotated[str, Field(max_length=200)] | None = Field(None, description="next_cursor of the page before")


class PredictBatch(Question):
    """``POST /predict``: up to 1,000 predictions in one call, answered in the same order."""

    items: Annotated[tuple[dict[str, object], ...], Field(max_length=1000)] = Field(
        description="each the fields of a predict question; a bad item gets an error in its place"
    )
