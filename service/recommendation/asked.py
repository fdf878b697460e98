"""A question resolved against the catalog: its machine, its workload, the candidates it is about."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from modelpicker.wire.questions import HardwareObject

from catalog.calibration.labels import draft
from catalog.configs import ConfigKey, cannot_load, cannot_run
from catalog.errors import CatalogError, NotComputableError, UnknownIdError
from catalog.facts import Hardware
from catalog.importers.bounded import ImportFileError
from catalog.prediction import Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelpicker.wire.questions import PredictQuestion, RecommendQuestion, Task
    from modelpicker.wire.questions import Workload as WorkloadQuestion

    from catalog.catalog import Catalog
    from catalog.facts import Content, Model
    from catalog.prediction import Bools
    from catalog.table import Candidates

GB = 1e9
MOST_DRAFT_TOKENS = 64
WRITES: Mapping[Task, Content] = {"coding": "code", "math": "math", "agentic": "agentic"}
"""What kind of text a task has a model write: it says how often drafts are accepted. Other tasks write any kind."""
UNLISTED = "unlisted"
"""Id of a machine that came with the question."""


class BadQuestionError(CatalogError):
    """A field of the question that cannot be answered: ``field`` and a ``reason`` that says what would do."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class Asked:
    """A resolved question: where, what load, and which configs."""

    hardware: Hardware
    workload: Workload
    candidates: Candidates


def machine(catalog: Catalog, question: WorkloadQuestion) -> Hardware:
    """The machine asked about, listed or described. Raises BadQuestionError naming the nearest known ids."""
    given = question.hardware
    if isinstance(given, HardwareObject):
        peaks = {"bf16": given.tflops_bf16, "fp8": given.tflops_fp8, "fp4": given.tflops_fp4}
        return Hardware(
            id=UNLISTED,
            name=given.name,
            vendor=given.vendor,
            memory_gb=given.memory_gb,
            memory_safe_bytes=int(given.memory_gb * GB),
            bandwidth_gb_s=given.bandwidth_gb_s,
            peak_dense_tflops={k: v for k, v in peaks.items() if v is not None},
            sources=("the question",),
        )
    try:
        return catalog.hardware(given)
    except UnknownIdError as error:
        raise BadQuestionError("hardware", f"{error}; GET /hardware lists all") from error


def load(catalog: Catalog, question: RecommendQuestion | PredictQuestion, hardware: Hardware) -> Workload:
    """The workload with its defaults filled in. Raises BadQuestionError where the memory of the machine is not known."""
    budget = question.memory_gb * GB if question.memory_gb is not None else catalog.safe_budget_bytes(hardware)
    if budget is None:
        raise BadQuestionError("memory_gb", f"the memory of {hardware.id} is not known: state memory_gb")
    if hardware.bandwidth_gb_s is None:
        raise BadQuestionError("hardware", f"the memory bandwidth of {hardware.id} is not known: describe it in a POST")
    return Workload(
        question.input_tokens,
        question.osl,
        question.context_tokens,
        question.concurrency,
        question.kv_dtype,
        question.units,
        budget,
        WRITES.get(question.task),
    )


def resolve(catalog: Catalog, question: RecommendQuestion) -> Asked:
    """Machine, workload and filtered candidates of a recommend question."""
    hardware = machine(catalog, question)
    workload = load(catalog, question, hardware)
    _check_names(catalog, question)
    if question.models:
        _refuse_filters_of_listed_models(question)
    table = catalog.candidates(hardware, question.units)
    if question.models:
        table = catalog.with_models(_described(catalog, question), hardware, question.units)
    chosen = catalog.filtered(table, _filters(question), lambda: matches(catalog, question, table))
    if len(chosen) == 0 and question.model and question.quant:
        chosen = _by_name(catalog, question, hardware)
    return Asked(hardware, workload, chosen)


def _refuse_filters_of_listed_models(question: RecommendQuestion) -> None:
    """Filters by what the catalog knows of its models say nothing of a model that came with the question."""
    for field in ("model", "family", "license", "modality"):
        if getattr(question, field):
            raise BadQuestionError(
                field, "filters listed models, but the question brings its own: leave one of the two out"
            )


def _described(catalog: Catalog, question: RecommendQuestion) -> dict[str, Model]:
    """The models that came with the question. Raises BadQuestionError naming the field of config.json that is wrong."""
    try:
        return catalog.models_from((m.name, m.model_extra or {}) for m in question.models)
    except ImportFileError as error:
        raise BadQuestionError("models", str(error)) from error


def _check_names(catalog: Catalog, question: RecommendQuestion) -> None:
    """Every filter value must be known: a misspelt one would silently match nothing."""
    facts = catalog.facts
    known: dict[str, Iterable[str]] = {
        "model": facts.models,
        "quant": facts.quants,
        "engine": facts.engines,
        "family": catalog.families,
        "license": catalog.licenses,
    }
    for field, names in known.items():
        for value in getattr(question, field):
            known_name(field, value, names)


def check_speculation(catalog: Catalog, speculation: str) -> None:
    """Raises BadQuestionError where a method is none that an engine documents or anybody measured, or its length is absurd."""
    method, tokens = draft(speculation)
    if method is not None:
        known_name("speculation", method, catalog.draft_methods)
        if not 1 <= tokens <= MOST_DRAFT_TOKENS:
            raise BadQuestionError("speculation", f"{tokens} draft tokens a step: name 1 to {MOST_DRAFT_TOKENS}")


def known_name(field: str, value: str, names: Iterable[str]) -> None:
    """Raises BadQuestionError with the nearest known names where a value is none of them."""
    if value not in names:
        nearest = difflib.get_close_matches(value, list(names), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
        raise BadQuestionError(field, f"no {field} is called {value!r}{hint}")


def _filters(question: RecommendQuestion) -> tuple[object, ...] | None:
    """What sets the filters of a question apart from others'; None where it brings its own models."""
    names = (question.model, question.quant, question.engine, question.family, question.license, question.modality)
    return None if question.models else (*names, question.speculation, question.task == "vision")


def matches(catalog: Catalog, question: RecommendQuestion, table: Candidates) -> Bools:
    """Rows that every filter lets through."""
    keep = np.ones(len(table), dtype=bool)
    if question.quant:
        keep &= np.isin(table.quant_index, [catalog.quant_ids.index(name) for name in question.quant])
    if question.engine:
        keep &= np.isin(table.engine_index, [catalog.engine_ids.index(name) for name in question.engine])
    wanted = _wanted_models(catalog, question)
    if wanted is not None and not question.models:
        keep &= np.append(wanted, False)[table.model_index]
    if question.speculation == "never":
        keep &= ~table.speculative
    elif question.speculation == "only":
        keep &= table.speculative
    return keep


def _wanted_models(catalog: Catalog, question: RecommendQuestion) -> Bools | None:
    """Mask over all models, or None if no filter is about models."""
    needed = {*question.modality, *({"vision"} if question.task == "vision" else ())}
    if not (question.model or question.family or question.license or needed):
        return None
    return np.array(
        [
            (not question.model or m.id in question.model)
            and (not question.family or m.family in question.family)
            and (not question.license or m.license in question.license)
            and needed <= set(m.modality)
            for m in catalog.facts.models.values()
        ],
        dtype=bool,
    )


def _by_name(catalog: Catalog, question: RecommendQuestion, hardware: Hardware) -> Candidates:
    """Configs asked for by name that nobody published: described all the same, on the engines named or able."""
    facts = catalog.facts
    engines = question.engine or tuple(
        e for e, engine in facts.engines.items() if cannot_run(engine, hardware, question.units) is None
    )
    keys = [
        ConfigKey(model, quant, engine, "none")
        for model in question.model
        for quant in question.quant
        for engine in engines
        if question.engine or cannot_load(facts.engines[engine], facts.quants[quant], hardware) is None
    ]
    if question.speculation == "only":
        keys = []
    try:
        return catalog.table(keys, hardware, question.units)
    except NotComputableError as error:
        raise BadQuestionError("model", str(error)) from error
