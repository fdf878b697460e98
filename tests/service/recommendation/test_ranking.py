"""The order of what is feasible: monotone in each part, near-copies kept from filling the list."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from modelpicker.wire.questions import RecommendQuestion

from service.recommendation import ranking
from service.recommendation.asked import Asked, resolve
from service.recommendation.judge import judge
from service.recommendation.quality import QualityColumns
from service.recommendation.recommend import recommend

if TYPE_CHECKING:
    from catalog.catalog import Catalog


class Box:
    """Anything with the attributes that a formula reads."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


def score(quality: float = 50, decode: float = 30, memory: float = 50e9, evidence: float = 0.5) -> float:
    """The balanced score of one config."""
    asked = Box(workload=Box(budget_bytes=100e9), candidates=Box(evidence=np.array([evidence])))
    outcome = Box(decode_tok_s=Box(value=np.array([decode])), total_bytes=np.array([memory]))
    one = np.array([quality])
    columns = QualityColumns(one, one, one, np.zeros(1), 0.0)
    return float(ranking.balanced(cast("Asked", asked), cast("Any", outcome), columns)[0])


def test_the_weights_are_shares() -> None:
    """A config that is best in everything scores 100."""
    parts = (ranking.QUALITY_WEIGHT, ranking.SPEED_WEIGHT, ranking.MEMORY_WEIGHT, ranking.EVIDENCE_WEIGHT)
    assert sum(parts) == pytest.approx(1.0)


def test_balanced_is_monotone_in_each_part() -> None:
    """Better quality, faster, smaller and better known each raise the score."""
    assert score(quality=60) > score(quality=50)
    assert score(decode=40) > score(decode=30)
    assert score(memory=40e9) > score(memory=50e9)
    assert score(evidence=1) > score(evidence=0.5) > score(evidence=0)


def test_the_list_is_ordered_by_its_score(catalog: Catalog) -> None:
    """Whatever the sort key."""
    for sort in ("balanced", "speed", "quality", "latency", "memory"):
        question = RecommendQuestion.model_validate({"sort": sort, "limit": 50})
        scores = [r.score for r in recommend(catalog, question).recommendations]
        assert scores == sorted(scores, reverse=True)


def test_one_config_per_model_and_few_near_copies(catalog: Catalog) -> None:
    """Ten variants of an 8B on a 128 GB box is the failure to avoid."""
    found = [r.config.model for r in recommend(catalog, RecommendQuestion(limit=100)).recommendations]
    assert max(Counter(found).values()) == 1
    bases = Counter(catalog.facts.models[m].derivative_of or m for m in found)
    assert max(bases.values()) <= 1 + ranking.NEAR_COPIES


def test_per_model_opens_the_list(catalog: Catalog) -> None:
    """With per_model=20 a model may take more lines, each measured or worth its own."""
    found = recommend(catalog, RecommendQuestion(limit=100, per_model=20)).recommendations
    assert 1 < max(Counter(r.config.model for r in found).values()) <= 20


def test_the_front_is_what_nothing_beats(catalog: Catalog) -> None:
    """Compared pair by pair, no row beats one of the front in decode, quality and memory at once."""
    question = RecommendQuestion(family=("qwen3.5",))
    judged = judge(catalog, question, resolve(catalog, question))
    rows = np.flatnonzero(judged.feasible)
    front = ranking.on_front(judged.outcome, judged.quality, rows, rows)
    merits = np.stack([judged.outcome.decode_tok_s.value, judged.quality.merit, -judged.outcome.total_bytes], axis=1)[
        rows
    ]
    beaten = [bool(((merits >= mine).all(axis=1) & (merits > mine).any(axis=1)).any()) for mine in merits]
    assert not np.any(front & beaten)
    assert np.all(front | beaten | [(merits[front] == mine).all(axis=1).any() for mine in merits])
