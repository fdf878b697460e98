"""What must hold for every question, tried on many over the real catalog."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelpicker.wire.questions import HardwareObject, PredictQuestion, RecommendQuestion

from catalog.prediction import Z80
from service.recommendation.asked import resolve
from service.recommendation.judge import judge
from service.recommendation.nearest import ROUNDING
from service.recommendation.predict import predict
from service.recommendation.recommend import answer, consider, encoded, recommend

if TYPE_CHECKING:
    from litestar.testing import TestClient
    from modelpicker.wire.answers import Interval

    from catalog.catalog import Catalog
    from catalog.prediction import Bools

MANY = settings(
    derandomize=True, max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FEW = settings(MANY, max_examples=12)

WORKLOADS = st.fixed_dictionaries(
    {
        "isl": st.integers(1, 16384),
        "osl": st.integers(1, 2048),
        "concurrency": st.sampled_from([1, 2, 4, 16, 64]),
        "min_tg": st.floats(0, 60),
        "task": st.sampled_from(["general", "coding", "math"]),
        "memory_gb": st.sampled_from([None, 24.0, 64.0, 110.0]),
    }
)
SHAPE = {"isl", "osl", "concurrency", "memory_gb", "task", "kv_dtype"}
MORE_LIMITS = st.fixed_dictionaries(
    {
        "min_pp": st.sampled_from([None, 500.0, 3000.0]),
        "max_ttft_ms": st.sampled_from([None, 500.0, 5000.0]),
        "max_latency_ms": st.sampled_from([None, 10000.0, 60000.0]),
        "min_quality": st.sampled_from([None, 50.0, 70.0]),
        "confidence": st.sampled_from([0.5, 0.8, 0.95]),
        "kv_dtype": st.sampled_from(["auto", "fp8", "q8_0"]),
        "units": st.sampled_from([1, 2]),
    }
)
LIMITS: dict[str, tuple[float | None, float | None]] = {
    "min_tg": (10.0, 25.0),
    "min_pp": (None, 2000.0),
    "max_ttft_ms": (None, 2000.0),
    "max_latency_ms": (20000.0, 5000.0),
    "min_quality": (None, 65.0),
    "memory_gb": (101.0, 40.0),
    "confidence": (0.5, 0.9),
}
"""Each limit, loose and tight."""


def feasible(catalog: Catalog, question: RecommendQuestion) -> Bools:
    return judge(catalog, question, resolve(catalog, question)).feasible


@pytest.mark.parametrize("field", LIMITS)
@MANY
@given(workload=WORKLOADS)
def test_tightening_a_limit_never_adds_a_config(catalog: Catalog, field: str, workload: dict[str, Any]) -> None:
    """What meets the tight question meets the loose one."""
    loose, tight = LIMITS[field]
    before = feasible(catalog, RecommendQuestion(**workload | {field: loose}))
    after = feasible(catalog, RecommendQuestion(**workload | {field: tight}))
    assert not (after & ~before).any()


@MANY
@given(workload=WORKLOADS, memory=st.floats(8, 500), bandwidth=st.floats(50, 4000), factor=st.floats(1, 3))
def test_a_better_machine_never_removes_a_config(
    catalog: Catalog, workload: dict[str, Any], memory: float, bandwidth: float, factor: float
) -> None:
    """More memory or more bandwidth keeps all that was feasible."""
    base = {"name": "box", "tflops_bf16": 100.0, "memory_gb": memory, "bandwidth_gb_s": bandwidth}
    question = workload | {"memory_gb": None}
    before = feasible(catalog, RecommendQuestion(hardware=HardwareObject.model_validate(base), **question))
    for field in ("memory_gb", "bandwidth_gb_s"):
        better = HardwareObject.model_validate(base | {field: base[field] * factor})  # type: ignore[operator]
        after = feasible(catalog, RecommendQuestion(hardware=better, **question))
        assert not (before & ~after).any()


@MANY
@given(workload=WORKLOADS, units=st.sampled_from([1, 1, 2, 4]))
def test_more_streams_never_speed_up_one(catalog: Catalog, workload: dict[str, Any], units: int) -> None:
    """Raising concurrency never raises the speed of a stream."""
    workload = workload | {"units": units}
    asked = resolve(catalog, RecommendQuestion(**workload))
    speeds = []
    for streams in (1, 2, 3, 8, 32, 128):
        question = RecommendQuestion(**workload | {"concurrency": streams})
        table = resolve(catalog, question)
        speeds.append(catalog.predict(asked.candidates, table.workload).decode_tok_s.value)
    assert np.all(np.diff(np.array(speeds), axis=0) <= 1e-9)


@MANY
@given(
    workload=WORKLOADS,
    share=st.floats(0.01, 1.0),
    streams=st.sampled_from([1, 3, 16, 37]),
    units=st.sampled_from([1, 2]),
)
def test_no_shorter_context_exceeds_the_best(
    catalog: Catalog, workload: dict[str, Any], share: float, streams: int, units: int
) -> None:
    """What rules a change out must hold: neither a shorter context nor a shorter prompt is faster."""
    asked = resolve(catalog, RecommendQuestion(**workload | {"concurrency": streams, "units": units}))
    load = asked.workload
    best = catalog.predict(asked.candidates, load).at_best_tok_s
    for isl, context in ((load.isl, load.context), (1, load.context), (1, max(int(load.context * share), 1))):
        less = catalog.predict(asked.candidates, replace(load, isl=isl, context=context))
        assert np.all(less.decode_tok_s.value <= best * (1 + ROUNDING))


@MANY
@given(workload=WORKLOADS)
def test_a_plain_decode_never_exceeds_its_ceiling(catalog: Catalog, workload: dict[str, Any]) -> None:
    """Neither the value nor the upper end of its interval."""
    asked = resolve(catalog, RecommendQuestion(**workload))
    outcome = catalog.predict(asked.candidates, asked.workload)
    assert np.all(outcome.decode_tok_s.high <= outcome.ceiling_tok_s * (1 + 1e-9))
    assert np.all(outcome.decode_tok_s.value > 0)


@MANY
@given(workload=WORKLOADS)
def test_what_is_recommended_holds_when_asked_again(catalog: Catalog, workload: dict[str, Any]) -> None:
    """/predict of each recommendation gives the same figures, within every limit asked; the counts add up."""
    answer = recommend(catalog, RecommendQuestion(**workload, limit=5, rejected_limit=3))
    counts = answer.counts
    assert counts.considered == counts.feasible + counts.rejected
    assert counts.rejected == sum(counts.by_reason.values())
    for found in answer.recommendations:
        assert found.decode_tok_s.value >= float(f"{workload['min_tg']:.4g}") * 0.999
        assert found.memory.total_bytes <= found.memory.budget_bytes
        shape = {k: v for k, v in workload.items() if k != "min_tg"}
        config = found.config.model_dump()
        again = predict(catalog, PredictQuestion(**shape, **config))
        assert again.feasible
        assert again.decode_tok_s.value == pytest.approx(found.decode_tok_s.value, rel=2e-3)
        assert again.memory == found.memory


@FEW
@given(workload=WORKLOADS, limits=MORE_LIMITS)
def test_every_limit_holds_when_asked_again(catalog: Catalog, workload: dict[str, Any], limits: dict[str, Any]) -> None:
    """/predict of each recommendation stays within all of them, at the confidence that was asked."""
    question = RecommendQuestion(**workload | limits, limit=5, rejected_limit=0)
    shape = {k: v for k, v in (workload | limits).items() if k in SHAPE}
    z = NormalDist().inv_cdf(question.confidence) / Z80
    for found in recommend(catalog, question).recommendations:
        again = predict(catalog, PredictQuestion(**shape, **found.config.model_dump()))
        assert again.feasible
        assert _sure(again.decode_tok_s, -z) >= question.min_tg * 0.99
        assert question.min_pp is None or _sure(again.prefill_tok_s, -z) >= question.min_pp * 0.99
        assert question.max_ttft_ms is None or _sure(again.ttft_ms, z) <= question.max_ttft_ms * 1.01
        assert question.max_latency_ms is None or _sure(again.latency_ms, z) <= question.max_latency_ms * 1.01
        assert question.min_quality is None or (again.quality.index or 0) >= question.min_quality - 0.1


def _sure(figure: Interval, z: float) -> float:
    """The figure at ``z`` half-widths of its 80 % interval from the middle, down or up."""
    side = figure.high if z > 0 else figure.low
    return float(figure.value * (side / figure.value) ** abs(z))


@FEW
@given(workload=WORKLOADS, limits=MORE_LIMITS)
def test_get_and_post_and_asking_twice_agree(
    client: TestClient[Any], workload: dict[str, Any], limits: dict[str, Any]
) -> None:
    """One question, one answer."""
    question = {k: v for k, v in (workload | limits).items() if v is not None} | {"limit": 5, "rejected_limit": 5}
    first, second = client.get("/recommend", params=question), client.post("/recommend", json=question)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json() == client.get("/recommend", params=question).json()


@MANY
@given(workload=WORKLOADS)
def test_the_nearest_change_is_feasible_when_asked(catalog: Catalog, workload: dict[str, Any]) -> None:
    """What a rejection suggests holds when it is asked."""
    question = RecommendQuestion(**workload, limit=1, rejected_limit=5)
    for rejection in recommend(catalog, question).rejected:
        nearest = rejection.nearest
        if nearest is None:
            continue
        change: dict[str, Any] = {} if nearest.change in {"quant", "model"} else {nearest.change: nearest.to}
        if nearest.change == "context":
            change["isl"] = min(workload["isl"], int(nearest.to or 0))
        config = nearest.config
        asked = {"model": (config.model,), "quant": (config.quant,), "engine": (config.engine,), "units": config.units}
        policy = "never" if config.speculation == "none" else "only"
        update = RecommendQuestion(
            **question.model_dump(exclude_unset=True)
            | asked
            | change
            | {"speculation": policy, "limit": 100, "per_model": 100}
        )
        found = [r for r in recommend(catalog, update).recommendations if r.config == config]
        judged = judge(catalog, update, resolve(catalog, update))
        keys = [k.speculation for k in judged.asked.candidates.keys]
        assert found or judged.feasible[keys.index(config.speculation)]


@FEW
@given(workload=WORKLOADS, limits=MORE_LIMITS)
def test_the_encoded_answer_is_the_wire_s(catalog: Catalog, workload: dict[str, Any], limits: dict[str, Any]) -> None:
    """Put together from parts that were encoded before, it is what the answer's own type would write."""
    question = RecommendQuestion(**workload | limits)
    considered = consider(catalog, question)
    assert encoded(catalog, question, considered).decode() == answer(catalog, question, considered).model_dump_json()


def test_the_same_question_has_the_same_answer(catalog: Catalog) -> None:
    """Ties break the same way every time."""
    question = RecommendQuestion(min_tg=20, sort="memory", limit=50)
    assert recommend(catalog, question) == recommend(catalog, question)
