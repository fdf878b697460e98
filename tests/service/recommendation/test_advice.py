"""When nothing is feasible, the answer says what binds, and the value it names lets something in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Ask = Callable[..., dict[str, Any]]
NAMED = re.compile(r"^(\w+) binds: .*?([\d,.]+)(?: [a-zA-Z/]+| of 100)? would let the first config in")
SOME = settings(
    derandomize=True, max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def named(answer: dict[str, Any]) -> tuple[str, float] | None:
    """The field and the value that the advice names, if it names one."""
    found = NAMED.match(answer["advice"])
    return (found[1], float(found[2].rstrip(".").replace(",", ""))) if found else None


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"model": "llama-3.1-70b-instruct", "quant": "fp8", "engine": "sglang", "min_tg": 30}, "min_tg"),
        ({"memory_gb": 0.5}, "memory_gb"),
        ({"max_ttft_ms": 1, "confidence": 0.9}, "max_ttft_ms"),
        ({"max_latency_ms": 10, "confidence": 0.95}, "max_latency_ms"),
        ({"min_quality": 100}, "min_quality"),
        ({"min_pp": 1e6}, "min_pp"),
        ({"model": "gpt-oss-20b", "context": 200000}, "context"),
        ({"min_tg": 900, "confidence": 0.8, "speculation": "never"}, "min_tg"),
    ],
)
def test_the_named_value_lets_the_first_in(ask: Ask, question: dict[str, Any], field: str) -> None:
    """Asked again with it, something is feasible."""
    answer = ask("/recommend", **question)
    assert answer["counts"]["feasible"] == 0
    found = named(answer)
    assert found is not None, answer["advice"]
    assert found[0] == field
    value: float = int(found[1]) if field == "context" else found[1]
    assert ask("/recommend", **question | {field: value})["counts"]["feasible"] > 0


@SOME
@given(
    question=st.fixed_dictionaries(
        {
            "min_tg": st.floats(50, 2000),
            "confidence": st.sampled_from([0.5, 0.75, 0.95]),
            "concurrency": st.sampled_from([1, 8]),
            "hardware": st.sampled_from(["dgx-spark", "rtx-4090", "apple-m3-ultra"]),
            "task": st.sampled_from(["general", "coding"]),
        }
    )
)
def test_the_named_value_holds_for_many_questions(ask: Ask, question: dict[str, Any]) -> None:
    """Whatever the machine, the load and the confidence."""
    answer = ask("/recommend", **question)
    if answer["counts"]["feasible"] == 0 and (found := named(answer)):
        field, value = found
        assert ask("/recommend", **question | {field: value})["counts"]["feasible"] > 0


def test_an_engine_that_cannot_run_there_is_said(ask: Ask) -> None:
    """Not that no config exists."""
    assert "does not run on apple" in ask("/recommend", hardware="apple-m3-ultra", engine="vllm")["advice"]
    old = ask("/recommend", hardware="gtx-1080-ti", engine="vllm")
    assert "compute capability 7.0" in old["advice"]


def test_a_cache_type_without_a_flag_is_unsupported(ask: Ask) -> None:
    """Rather than evaluated as one thing and launched as another."""
    answer = ask("/recommend", model="gpt-oss-20b", engine="llama.cpp", kv_dtype="fp8")
    assert answer["counts"]["by_reason"] == {"unsupported": answer["counts"]["considered"]}
    assert ask("/recommend", model="gpt-oss-20b", engine="llama.cpp", kv_dtype="q8_0")["counts"]["feasible"] > 0


def test_the_nearest_change_is_of_one_thing(ask: Ask) -> None:
    """All other parts of the config stay."""
    for question in ({"min_tg": 40}, {"memory_gb": 20}, {"evidence": "measured", "min_tg": 20}):
        for rejected in ask("/recommend", rejected_limit=60, **question)["rejected"]:
            if rejected["nearest"] is None:
                continue
            before, after = rejected["config"], rejected["nearest"]["config"]
            changed = {name for name in before if before[name] != after[name]}
            assert changed <= {rejected["nearest"]["change"]}, rejected


def test_nothing_exists_at_any_confidence(ask: Callable[..., dict[str, Any]]) -> None:
    """Filters that leave no config have an answer, intervals asked or not."""
    answer = ask("/recommend", modality="audio", speculation="only", confidence=0.7)
    assert (answer["counts"]["considered"], answer["recommendations"]) == (0, [])
    assert answer["advice"]
