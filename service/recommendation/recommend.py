"""``/recommend`` reads like its sentence: request → candidates → limits → ranking → answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from modelpicker.wire.answers import Counts, RecommendAnswer

from service.recommendation import ranking
from service.recommendation.advice import advice
from service.recommendation.asked import resolve
from service.recommendation.judge import judge
from service.recommendation.nearest import Neighbourhood
from service.recommendation.render import config_of, encoded_parts, figures, sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelpicker.wire.questions import RecommendQuestion

    from catalog.catalog import Catalog
    from catalog.prediction import Floats
    from catalog.table import Candidates
    from service.recommendation.asked import Asked
    from service.recommendation.judge import Judged


@dataclass(frozen=True)
class Considered:
    """All candidates of a question judged and scored; which rows are listed, best first, and which rejections are shown."""

    judged: Judged
    scores: Floats
    chosen: list[int]
    rejected: list[int]


def consider(catalog: Catalog, question: RecommendQuestion) -> Considered:
    """Judge and rank every candidate. Raises BadQuestionError for names nobody knows."""
    judged = judge(catalog, question, resolve(catalog, question))
    outcome, quality, candidates = judged.outcome, judged.quality, judged.asked.candidates
    scores = ranking.score(question.sort, judged.asked, outcome, quality)
    ordered = ranking.best_first(scores, outcome, np.flatnonzero(judged.feasible))
    chosen = ranking.choose(candidates, outcome, quality, ordered, question.per_model, question.limit)
    return Considered(judged, scores, chosen, _rejected_rows(judged, question.rejected_limit))


def recommend(catalog: Catalog, question: RecommendQuestion) -> RecommendAnswer:
    """Rank what is feasible, explain what is not. Raises BadQuestionError for names nobody knows."""
    return answer(catalog, question, consider(catalog, question))


def answer(catalog: Catalog, question: RecommendQuestion, considered: Considered) -> RecommendAnswer:
    """What was considered, as whoever reads the wire has it."""
    return RecommendAnswer.model_validate_json(encoded(catalog, question, considered))


def encoded(catalog: Catalog, question: RecommendQuestion, considered: Considered) -> bytes:
    """The JSON of a RecommendAnswer. Most of it is shared with other answers and encoded already."""
    judged = considered.judged
    fields = {
        "request": filled_in(question, judged.asked),
        "recommendations": _recommendations(catalog, question, considered),
        "rejected": _rejections(catalog, question, considered),
        "counts": dict(_counts(judged)),
        "advice": None if judged.feasible.any() else advice(catalog, question, judged),
        "catalog_version": catalog.version,
    }
    return msgspec.json.encode(fields)


def filled_in(question: RecommendQuestion, asked: Asked) -> dict[str, object]:
    """The question with every default filled in."""
    request = question.model_dump(mode="json")
    return request | {
        "isl": asked.workload.isl,
        "context": asked.workload.context,
        "memory_gb": asked.workload.budget_bytes / 1e9,
    }


def _recommendations(catalog: Catalog, question: RecommendQuestion, considered: Considered) -> list[dict[str, Any]]:
    """The fields of the chosen rows, with intervals that are worked out for them alone."""
    judged, rows = considered.judged, sorted(considered.chosen)  # in whatever order, they are one selection
    places = np.array(rows, dtype=np.int64)
    few = replace(judged.asked, candidates=judged.asked.candidates.selected(tuple(rows)))
    front = ranking.on_front(judged.outcome, judged.quality, np.flatnonzero(judged.feasible), places)
    outcome, quality = judged.outcome.take(few.candidates, places), judged.quality.take(places)
    told = dict(zip(rows, figures(catalog, few, outcome, quality, question.task), strict=True))
    pareto = dict(zip(rows, front.tolist(), strict=True))
    return [
        encoded_parts(told[row])
        | {"rank": rank, "score": round(float(considered.scores[row]), 2), "pareto": pareto[row]}
        for rank, row in enumerate(considered.chosen, start=1)
    ]


def _counts(judged: Judged) -> Counts:
    first: Counter[str] = Counter()
    left = ~judged.feasible
    for limit in judged.limits:
        mine = left & limit.failed
        found = int(np.count_nonzero(mine))
        if found:
            first[limit.code] += found
            left ^= mine
    considered, feasible = len(judged.feasible), int(np.count_nonzero(judged.feasible))
    return Counts(considered=considered, feasible=feasible, rejected=considered - feasible, by_reason=dict(first))


def _rejections(catalog: Catalog, question: RecommendQuestion, considered: Considered) -> list[dict[str, Any]]:
    """The fields of the rejections that are shown."""
    judged, rows = considered.judged, considered.rejected
    candidates, workload = judged.asked.candidates, judged.asked.workload
    return [
        encoded_parts(
            {
                "config": config_of(candidates, row),
                "reasons": [limit.fields(row) for limit in judged.reasons(row)],
                "sources": sources(catalog, candidates, row, workload),
                "nearest": change and encoded_parts(change.fields()),
            }
        )
        for row, change in zip(rows, Neighbourhood(catalog, question, judged).nearest(rows), strict=True)
    ]


def _rejected_rows(judged: Judged, limit: int) -> list[int]:
    """Measured configs, the largest model first, then what misses by least; one per model in each part."""
    candidates, rejected = judged.asked.candidates, ~judged.feasible

    def misses() -> Iterator[int]:
        others = np.flatnonzero(rejected & (candidates.attested == 0))
        yield from ranking.best_first(judged.outcome.decode_tok_s.value, judged.outcome, others)

    by_size = candidates.attested_by_size
    measured = by_size[rejected[by_size]].tolist()
    return list(islice(chain(*(_one_per_model(candidates, rows) for rows in (measured, misses()))), limit))


def _one_per_model(candidates: Candidates, rows: Iterable[int]) -> Iterator[int]:
    """The first row of each model."""
    seen: set[str] = set()
    for row in rows:
        model = candidates.keys[row].model
        if model not in seen:
            seen.add(model)
            yield row
