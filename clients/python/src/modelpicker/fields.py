"""The keyword arguments of the calls, for editors: the wire's fields by name. A test keeps them equal to the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from modelpicker.wire.questions import (
    EvidenceFilter,
    HardwareObject,
    HardwareSortKey,
    KvDtype,
    Modality,
    ModelObject,
    SortKey,
    SpeculationPolicy,
    Task,
    Vendor,
)

Names = str | Sequence[str]


class LoadFields(TypedDict, total=False):
    """How the model is used."""

    units: int
    memory_gb: float
    isl: int
    osl: int
    context: int
    concurrency: int
    kv_dtype: KvDtype


class LimitFields(TypedDict, total=False):
    """What a config must reach."""

    min_tg: float
    min_pp: float
    max_ttft_ms: float
    max_latency_ms: float
    min_quality: float
    task: Task
    quant: Names
    engine: Names
    speculation: SpeculationPolicy
    evidence: EvidenceFilter
    confidence: float


class RecommendFields(LoadFields, LimitFields, total=False):
    """Of ``recommend``."""

    hardware: str | HardwareObject | dict[str, Any]
    model: Names
    family: Names
    license: Names
    modality: Modality | Sequence[Modality]
    sort: SortKey
    per_model: int
    limit: int
    rejected_limit: int
    models: Sequence[ModelObject | dict[str, Any]]


class HardwareFields(LoadFields, LimitFields, total=False):
    """Of ``recommend_hardware``; ``model`` must be stated."""

    model: str
    hardware: Names
    vendor: Vendor | Sequence[Vendor]
    max_price_usd: float
    sort: HardwareSortKey
    limit: int
    rejected_limit: int


class CompareFields(LoadFields, total=False):
    """Of ``compare``, beside the configs."""

    hardware: str
    task: Task


class PredictFields(LoadFields, total=False):
    """Of ``predict``; model, quant and engine must be stated."""

    hardware: str
    model: str
    quant: str
    engine: str
    speculation: str
    task: Task


class MeasurementFields(TypedDict, total=False):
    """Of ``measurements``; ``limit`` is the rows fetched at a time."""

    id: Names
    source: Names
    model: Names
    quant: Names
    engine: Names
    hardware: Names
    speculation: Names
    evidence: Names
    limit: int
