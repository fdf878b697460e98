"""The records of the catalog: what a fact is, before any physics is done with it.

Each record mirrors one kind of file in ``models_data/``. A field that is ``None`` is *not known*; nothing is
guessed here. Units stand in the names; GB is 1e9 bytes, and a field without a unit in its name is a count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.facts.base import (
    SLUG,
    Content,
    Count,
    Evidence,
    Kernels,
    KvDtype,
    MeanCount,
    Modality,
    PartialDate,
    Positive,
    Record,
    Slug,
    SpecBasis,
    Task,
    TensorClass,
    Vendor,
)
from catalog.facts.published import (
    Artifact,
    Benchmark,
    Flag,
    Measurement,
    Publisher,
    QualityScore,
    QuantLoss,
    Source,
)
from catalog.facts.things import (
    AttentionGroup,
    Buffers,
    Engine,
    Hardware,
    Kv,
    Launch,
    Layout,
    Link,
    Model,
    Moe,
    Quant,
)

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = [
    "SLUG",
    "Artifact",
    "AttentionGroup",
    "Benchmark",
    "Buffers",
    "Content",
    "Count",
    "Engine",
    "Evidence",
    "Facts",
    "Flag",
    "Hardware",
    "Kernels",
    "Kv",
    "KvDtype",
    "Launch",
    "Layout",
    "Link",
    "MeanCount",
    "Measurement",
    "Modality",
    "Model",
    "Moe",
    "PartialDate",
    "Positive",
    "Publisher",
    "QualityScore",
    "Quant",
    "QuantLoss",
    "Record",
    "Slug",
    "Source",
    "SpecBasis",
    "Task",
    "TensorClass",
    "Vendor",
]


class Facts(Record):
    """Everything in ``models_data/``, by id, as loaded."""

    models: dict[str, Model]
    quants: dict[str, Quant]
    engines: dict[str, Engine]
    hardware: dict[str, Hardware]
    sources: dict[str, Source]
    publishers: dict[str, Publisher]
    flags: dict[str, Flag]
    benchmarks: dict[str, Benchmark]
    measurements: tuple[Measurement, ...]
    quality_scores: tuple[QualityScore, ...]
    quant_losses: tuple[QuantLoss, ...]
    artifacts: tuple[Artifact, ...]

    def knows(self, row: Measurement) -> bool:
        """Whether the model, quant, engine and hardware that a measurement names are all here."""
        return (
            row.model in self.models
            and row.quant in self.quants
            and row.engine in self.engines
            and row.hardware in self.hardware
        )

    def flagged(self, row: Measurement, touching: AbstractSet[str]) -> bool:
        """Whether a flag of the measurement touches any of these; one that nobody knows touches nothing."""
        return any(touching & set(self.flags[name].touches) for name in row.flags if name in self.flags)
