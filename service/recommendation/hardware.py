"""``/recommend/hardware``: the other way round. Which machines run this model within the limits, and what do they cost?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from modelpicker.wire.answers import (
    Counts,
    HardwareAnswer,
    HardwareChoice,
    HardwareRejection,
    Machine,
    Prediction,
    Reason,
)
from modelpicker.wire.questions import HardwareQuestion, RecommendQuestion

from service.recommendation import ranking
from service.recommendation.asked import Asked, known_name, load, matches
from service.recommendation.judge import Judged, judge
from service.recommendation.nearest import Neighbourhood
from service.recommendation.render import config_of, figures

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from catalog.facts import Hardware

FASTEST = "speed"


@dataclass(frozen=True)
class Tried:
    """One machine with the model's configs judged on it; ``row`` is the best, or the one that misses by least."""

    hardware: Hardware
    price_usd: float | None
    question: RecommendQuestion
    judged: Judged | None
    row: int
    feasible: bool
    unknown: str | None = None
    """What is not known of the machine, where nothing can be said about it."""

    @property
    def order(self) -> tuple[float, float, str]:
        """Cheapest first, unknown prices last; the faster of equals; then by name."""
        return (self.price_usd or float("inf"), -self.decode_tok_s, self.hardware.id)

    @property
    def decode_tok_s(self) -> float:
        """Of the row; 0 where there is none."""
        return float(self.judged.outcome.decode_tok_s.value[self.row]) if self.judged and self.row >= 0 else 0.0


def recommend_hardware(catalog: Catalog, question: HardwareQuestion) -> HardwareAnswer:
    """Rank the machines that run a model within the limits. Raises BadQuestionError for names nobody knows."""
    known_name("model", question.model, catalog.facts.models)
    for field, names in (
        ("hardware", catalog.facts.hardware),
        ("quant", catalog.facts.quants),
        ("engine", catalog.facts.engines),
    ):
        for value in getattr(question, field):
            known_name(field, value, names)
    tried = [_try(catalog, question, hardware) for hardware in _asked_for(catalog, question)]
    feasible = sorted((x for x in tried if x.feasible), key=_order(question))
    rejected = sorted((x for x in tried if not x.feasible), key=lambda x: (-x.decode_tok_s, x.hardware.id))
    reasons = Counter(_reasons(x)[0].code if _reasons(x) else "unsupported" for x in rejected)
    return HardwareAnswer(
        request=question.model_dump(mode="json"),
        recommendations=tuple(
            HardwareChoice(rank=i + 1, best=_best(catalog, x), **_machine(x, question.units))
            for i, x in enumerate(feasible[: question.limit])
        ),
        rejected=tuple(_rejection(catalog, x, question.units) for x in rejected[: question.rejected_limit]),
        counts=Counts(considered=len(tried), feasible=len(feasible), rejected=len(rejected), by_reason=dict(reasons)),
        catalog_version=catalog.version,
    )


def _asked_for(catalog: Catalog, question: HardwareQuestion) -> list[Hardware]:
    """The listed machines that the filters let through."""
    return [
        h
        for h in catalog.facts.hardware.values()
        if (not question.hardware or h.id in question.hardware)
        and (not question.vendor or h.vendor in question.vendor)
        and (question.max_price_usd is None or (h.price_usd and h.price_usd * question.units <= question.max_price_usd))
    ]


def _try(catalog: Catalog, question: HardwareQuestion, hardware: Hardware) -> Tried:
    """Judge the model's configs on one machine."""
    fields = question.model_dump(include=set(RecommendQuestion.model_fields) - {"hardware", "model", "sort"})
    here = RecommendQuestion(hardware=hardware.id, model=(question.model,), sort="balanced", **fields)
    price = hardware.price_usd * question.units if hardware.price_usd else None
    budget_known = here.memory_gb is not None or catalog.safe_budget_bytes(hardware) is not None
    if hardware.bandwidth_gb_s is None or not budget_known:
        unknown = "memory bandwidth" if hardware.bandwidth_gb_s is None else "memory"
        return Tried(hardware, price, here, None, -1, feasible=False, unknown=unknown)
    table = catalog.of_model(question.model, hardware, question.units)
    chosen = table.take(np.flatnonzero(matches(catalog, here, table)))
    judged = judge(catalog, here, Asked(hardware, load(catalog, here, hardware), chosen))
    rows = np.flatnonzero(judged.feasible)
    if len(rows):
        scores = ranking.score(here.sort, judged.asked, judged.outcome, judged.quality)
        return Tried(hardware, price, here, judged, int(ranking.order(scores, judged.outcome, rows)[0]), feasible=True)
    return Tried(hardware, price, here, judged, _nearest_miss(judged), feasible=False)


def _nearest_miss(judged: Judged) -> int:
    """The config that breaks the fewest limits, the faster of equals; -1 where none exists."""
    if not len(judged.feasible):
        return -1
    broken = np.sum([limit.failed for limit in judged.limits], axis=0)
    return int(np.lexsort((-judged.outcome.decode_tok_s.value, broken))[0])


def _order(question: HardwareQuestion) -> Any:
    if question.sort == FASTEST:
        return lambda x: (-x.decode_tok_s, *x.order)
    if question.sort == "memory":
        return lambda x: (float(x.judged.outcome.total_bytes[x.row]), *x.order)
    return lambda x: x.order


def _machine(tried: Tried, units: int) -> dict[str, Any]:
    hardware = tried.hardware
    machine = Machine(
        hardware=hardware.id, name=hardware.name, vendor=hardware.vendor, units=units,
        price_usd=tried.price_usd, price_source=hardware.price_source if tried.price_usd else None,
    )  # fmt: skip
    return dict(machine)


def _best(catalog: Catalog, tried: Tried) -> Prediction:
    """The best config with its intervals, worked out for it alone."""
    assert tried.judged is not None
    asked = tried.judged.asked
    one = Asked(asked.hardware, asked.workload, asked.candidates.take(np.array([tried.row])))
    outcome, quality = catalog.predict(one.candidates, one.workload), tried.judged.quality.take([tried.row])
    return Prediction(feasible=True, reasons=(), **figures(catalog, one, outcome, quality, tried.question.task)[0])


def _reasons(tried: Tried) -> tuple[Reason, ...]:
    if tried.unknown:
        text = f"the {tried.unknown} of {tried.hardware.name} is not known: nothing can be said about it"
        return (Reason(code="unsupported", limit=None, value=None, message=text),)
    if tried.judged is None or tried.row < 0:
        text = f"no config of this model exists on {tried.hardware.name} for these filters"
        return (Reason(code="unsupported", limit=None, value=None, message=text),)
    return tuple(limit.reason(tried.row) for limit in tried.judged.reasons(tried.row))


def _rejection(catalog: Catalog, tried: Tried, units: int) -> HardwareRejection:
    config, nearest = None, None
    if tried.judged is not None and tried.row >= 0:
        config = config_of(tried.judged.asked.candidates, tried.row)
        (change,) = Neighbourhood(catalog, tried.question, tried.judged, everything=tried.judged).nearest([tried.row])
        nearest = change and change.nearest()
    return HardwareRejection(config=config, reasons=_reasons(tried), nearest=nearest, **_machine(tried, units))
