"""Quality is learnt from published scores, and what a quant costs from measured losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.quality.ability import TASKS, fit_abilities
from catalog.quality.table import fit_quality, read_quality

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from catalog.facts import Facts


def points(catalog: Catalog, model: str, quant: str) -> float:
    at = np.array([catalog.model_ids.index(model)]), np.array([catalog.quant_ids.index(quant)])
    value, low, high = catalog.quality.penalties(*at)
    assert low <= value <= high
    return float(value[0])


def test_fewer_bits_cost_more(catalog: Catalog) -> None:
    """From Q8_0 down to Q2_K each step costs more, and the last costs much."""
    lost = [points(catalog, "llama-3.1-8b-instruct", q) for q in ("q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")]
    assert lost == sorted(lost)
    assert lost[0] < 0.5
    assert lost[-1] > 3


def test_a_native_format_costs_nothing(catalog: Catalog) -> None:
    """gpt-oss was trained in MXFP4; BF16 is what others are compared with."""
    assert points(catalog, "gpt-oss-20b", "mxfp4") == 0
    assert points(catalog, "llama-3.1-8b-instruct", "bf16") == 0


def test_small_models_lose_more(catalog: Catalog) -> None:
    """The same quant costs an 8B more than a 70B."""
    assert points(catalog, "llama-3.1-8b-instruct", "q4_k_m") > points(catalog, "llama-3.1-70b-instruct", "q4_k_m")


def test_a_model_without_scores_is_unknown(catalog: Catalog, facts: Facts) -> None:
    """Not guessed from its size or its name."""
    scored = {s.model for s in facts.quality_scores}
    value, _, _ = catalog.quality.index("general")
    unscored = [i for i, m in enumerate(catalog.model_ids) if m not in scored]
    assert unscored
    assert np.isnan(value[unscored]).all()


@pytest.mark.parametrize("task", TASKS)
def test_every_index_lies_in_its_interval(catalog: Catalog, task: str) -> None:
    """0 ≤ low ≤ index ≤ high ≤ 100 wherever it is known."""
    value, low, high = catalog.quality.index(task)  # type: ignore[arg-type]
    known = ~np.isnan(value)
    assert known.any()
    assert np.all(
        (low[known] >= 0) & (low[known] <= value[known]) & (value[known] <= high[known]) & (high[known] <= 100)
    )


def test_better_scores_mean_a_better_index(facts: Facts) -> None:
    """Raising every score of a model raises its index."""
    at = fit_abilities(facts).models.index("gpt-oss-20b")
    raised = [
        s.model_copy(update={"score": min(s.score + 10, 99)})
        if s.model == "gpt-oss-20b" and facts.benchmarks[s.benchmark].scale == "percent"
        else s
        for s in facts.quality_scores
    ]
    assert fit_abilities(facts, raised).index(0, 0.0)[at] > fit_abilities(facts).index(0, 0.0)[at]


def test_a_table_reads_back_as_it_was_written(facts: Facts) -> None:
    """Plain rows, no pickles, nothing lost."""
    table = fit_quality(facts)
    rows = table.rows()
    again = read_quality(facts, rows["quality_index"], rows["quant_penalty"])
    np.testing.assert_array_equal(again.indices, table.indices)
    np.testing.assert_array_equal(again.penalties_fit.mean, table.penalties_fit.mean)
