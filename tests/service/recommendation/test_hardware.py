"""The other way round: which machine for a model, and configs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.testing import TestClient

    from catalog.facts import Facts


@pytest.fixture(scope="module")
def answer(ask: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Which machine runs gpt-oss-120b at 30 tok/s?"""
    return ask("/recommend/hardware", model="gpt-oss-120b", min_tg=30, limit=100, rejected_limit=100)


def test_every_machine_is_accounted_for(answer: dict[str, Any], facts: Facts) -> None:
    """Ranked or turned down with a reason; the counts add up."""
    counts = answer["counts"]
    assert counts["considered"] == len(facts.hardware) == counts["feasible"] + counts["rejected"]
    assert len(answer["recommendations"]) == counts["feasible"]
    assert len(answer["rejected"]) == counts["rejected"]
    assert sum(counts["by_reason"].values()) == counts["rejected"]
    assert all(x["reasons"] for x in answer["rejected"])


def test_the_cheapest_comes_first_and_unknown_prices_last(answer: dict[str, Any]) -> None:
    """A price that is not known is not guessed."""
    prices = [x["price_usd"] for x in answer["recommendations"]]
    known = [p for p in prices if p is not None]
    assert known == sorted(known)
    assert prices == known + [None] * (len(prices) - len(known))
    assert all(x["price_source"] for x in answer["recommendations"] if x["price_usd"])


def test_what_it_says_of_a_machine_is_what_recommend_says(
    answer: dict[str, Any], ask: Callable[..., dict[str, Any]]
) -> None:
    """The same config at the same figures; a machine turned down has nothing feasible."""
    mine = next(x for x in answer["recommendations"] if x["hardware"] == "dgx-spark")
    asked = ask("/recommend", hardware="dgx-spark", model="gpt-oss-120b", min_tg=30)
    assert mine["best"]["config"] == asked["recommendations"][0]["config"]
    assert mine["best"]["decode_tok_s"] == asked["recommendations"][0]["decode_tok_s"]
    out = next(x for x in answer["rejected"] if x["hardware"] == "rtx-4090")
    assert ask("/recommend", hardware="rtx-4090", model="gpt-oss-120b", min_tg=30)["counts"]["feasible"] == 0
    assert out["reasons"][0]["code"] == "does_not_fit"


def test_what_would_do_is_verified(answer: dict[str, Any], ask: Callable[..., dict[str, Any]]) -> None:
    """Four RTX 4090 would hold it: asked with four, it is feasible."""
    out = next(x for x in answer["rejected"] if x["hardware"] == "rtx-4090")
    units = out["nearest"]["to"]
    assert out["nearest"]["change"] == "units"
    again = ask("/recommend/hardware", model="gpt-oss-120b", min_tg=30, hardware="rtx-4090", units=units)
    assert again["counts"]["feasible"] == 1


def test_filters_and_sorts(ask: Callable[..., dict[str, Any]]) -> None:
    """By vendor and price of all units; by speed and memory."""
    apple = ask("/recommend/hardware", model="gpt-oss-20b", vendor="apple", min_tg=20, limit=100)
    assert {x["vendor"] for x in apple["recommendations"]} == {"apple"}
    cheap = ask("/recommend/hardware", model="gpt-oss-20b", max_price_usd=4000, units=2, limit=100)
    assert cheap["recommendations"]
    assert all(x["price_usd"] <= 4000 and x["units"] == 2 for x in cheap["recommendations"])
    fast = ask("/recommend/hardware", model="gpt-oss-20b", sort="speed", limit=100)["recommendations"]
    speeds = [x["best"]["decode_tok_s"]["value"] for x in fast]
    assert speeds == sorted(speeds, reverse=True)


@pytest.mark.parametrize(
    ("query", "name", "hint"),
    [
        ("", "model", "required"),
        ("model=gpt-oss-12b", "model", "gpt-oss-120b"),
        ("model=gpt-oss-120b&hardware=dgx", "hardware", "dgx-spark"),
        ("model=gpt-oss-120b&quant=mxfp", "quant", "mxfp4"),
        ("model=gpt-oss-120b&sort=prise", "sort", "price"),
        ("model=gpt-oss-120b&max_price=10", "max_price", "max_price_usd"),
    ],
)
def test_bad_questions_name_the_field_and_the_fix(client: TestClient[Any], query: str, name: str, hint: str) -> None:
    """As everywhere."""
    response = client.get(f"/recommend/hardware?{query}")
    assert response.status_code == 400
    errors = response.json()["errors"]
    assert errors[0]["name"] == name
    assert hint in errors[0]["reason"]


def test_compared_figures_are_those_of_predict(ask: Callable[..., dict[str, Any]]) -> None:
    """In the order asked, across machines, units and speculation."""
    names = [
        "gpt-oss-120b/mxfp4/llama.cpp",
        "qwen3-235b-a22b/nvfp4/trt-llm@dgx-spark:2",
        "qwen3.6-27b/q4_k_m/llama.cpp/mtp-5@strix-halo-395",
    ]
    answer = ask("/compare", config=names, context=8000, isl=2000)
    single = [
        ask("/predict", model="gpt-oss-120b", quant="mxfp4", engine="llama.cpp", context=8000, isl=2000),
        ask("/predict", model="qwen3-235b-a22b", quant="nvfp4", engine="trt-llm", units=2, context=8000, isl=2000),
        ask(
            "/predict", model="qwen3.6-27b", quant="q4_k_m", engine="llama.cpp", speculation="mtp-5",
            hardware="strix-halo-395", context=8000, isl=2000,
        ),
    ]  # fmt: skip
    assert answer["predictions"] == single
    decode = next(d for d in answer["differences"] if d["figure"] == "decode_tok_s")
    assert decode["values"] == [p["decode_tok_s"]["value"] for p in single]
    assert decode["best"] == max(range(3), key=lambda i: decode["values"][i])
    assert names[decode["best"]] in answer["summary"]


def test_a_difference_is_certain_only_where_intervals_part(ask: Callable[..., dict[str, Any]]) -> None:
    """One model on two front-ends of one engine cannot be told apart; a 20B and a dense 70B can."""
    same = ask("/compare", config="gpt-oss-20b/mxfp4/llama.cpp,gpt-oss-20b/mxfp4/lmstudio")
    apart = ask("/compare", config="gpt-oss-20b/mxfp4/llama.cpp,llama-3.1-70b-instruct/fp8/vllm")
    assert [x["differences"][0]["certain"] for x in (same, apart)] == [False, True]
    assert "overlap" in same["summary"]


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("config=gpt-oss-20b/mxfp4/llama.cpp", "at least 2"),
        ("config=gpt-oss-20b&config=a", "model/quant/engine"),
        ("config=gpt-oss-20b/mxfp4/llama.cpp,gpt-oss-20b/mxfp4/vlm", "vllm"),
        ("config=gpt-oss-20b/mxfp4/llama.cpp,gpt-oss-20b/mxfp4/vllm@dgx-sparc", "dgx-spark"),
        ("config=gpt-oss-20b/mxfp4/llama.cpp,gpt-oss-20b/mxfp4/vllm@dgx-spark:99", "units"),
    ],
)
def test_a_bad_config_is_named(client: TestClient[Any], query: str, hint: str) -> None:
    """With what would do."""
    response = client.get(f"/compare?{query}")
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["name"] == "config"
    assert hint in response.json()["errors"][0]["reason"]
