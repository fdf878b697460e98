"""The page the project grew from: its thirteen rows, its wins, and its two famous losers."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., dict[str, Any]]

WINS = {
    "gpt-oss-20b": 82.74,
    "qwen3.5-35b-a3b": 58,
    "gpt-oss-120b": 55.37,
    "qwen2.5-vl-7b-instruct": 41.71,
    "llama-3.1-8b-instruct": 38.65,
    "qwen3-coder-30b-a3b-instruct": 31,
}
PAGE_MS = (1547, 2207, 2312, 3069, 3312, 4129, 4523, 4830, 5637, 6244, 9771, 47407, 10912)
"""Latencies as the page prints them, in its order."""


@pytest.fixture(scope="module")
def rows(ask: Ask) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask("/measurements", source="seed", limit=100)["measurements"]
    return found


def test_the_wins_are_recommended_with_their_published_figures(ask: Ask) -> None:
    """Asked for 30 tok/s and all variants, each WIN config of the page is listed, its figure digit for digit."""
    answer = ask("/recommend", min_tg=30, per_model=20, limit=100)
    found = {
        (r["config"]["model"], s["decode_tok_s"])
        for r in answer["recommendations"]
        for s in r["sources"]
        if s["measurement"].startswith("seed-")
    }
    assert set(WINS.items()) <= found
    assert all(r["verdict"] == "win" for r in answer["recommendations"])


def test_only_measured_configs_come_back_when_asked_for(ask: Ask) -> None:
    """evidence=measured keeps configs that somebody measured, the page's wins among them."""
    answer = ask("/recommend", min_tg=30, per_model=20, limit=100, evidence="measured")
    assert {r["basis"] for r in answer["recommendations"]} == {"measured"}
    assert all(r["sources"] for r in answer["recommendations"])
    assert set(WINS) <= {r["config"]["model"] for r in answer["recommendations"]}


@pytest.mark.parametrize("named", [True, False])
def test_dense_70b_in_fp8_is_beyond_help(ask: Ask, named: bool) -> None:
    """By name, and near the top of what the plain question rejects: it fits, its roofline is 3.8 tok/s, 2.7 were measured."""
    filters = {"model": "llama-3.1-70b-instruct", "quant": "fp8", "speculation": "never"} if named else {}
    rejected = ask("/recommend", **filters)["rejected"]
    found = next(r for r in rejected[:5] if r["config"]["model"] == "llama-3.1-70b-instruct")
    assert (found["config"]["quant"], found["config"]["speculation"]) == ("fp8", "none")
    reason = found["reasons"][0]
    assert reason["code"] == "above_any_ceiling"
    assert reason["value"] == pytest.approx(3.9, abs=0.1)
    assert "fits in memory" in reason["message"]
    assert "does not help" in reason["message"]
    assert "no engine" in reason["message"]
    if found["config"]["engine"] == "sglang":
        assert 2.7 in {s["decode_tok_s"] for s in found["sources"]}
    assert found["nearest"]["change"] in {"quant", "model"}
    assert found["nearest"]["decode_tok_s"] >= 10
    assert found["nearest"]["total_bytes"] > 0


def test_the_plain_question_shows_the_measured_70b(ask: Ask) -> None:
    """The row of the page itself, with its 2.7, stands among the first rejections."""
    first = ask("/recommend")["rejected"][0]
    assert first["config"]["model"] == "llama-3.1-70b-instruct"
    assert 2.7 in {s["decode_tok_s"] for s in first["sources"]}


def test_235b_needs_two_units(ask: Ask) -> None:
    """On one unit it does not fit, in bytes; two units are the nearest change, and there it comes near its 11.73."""
    question = {"model": "qwen3-235b-a22b", "quant": "nvfp4", "engine": "trt-llm", "min_tg": 0}
    rejection = next(r for r in ask("/recommend", **question)["rejected"] if r["config"]["speculation"] == "none")
    reason = rejection["reasons"][0]
    assert reason["code"] == "does_not_fit"
    assert reason["value"] > reason["limit"]
    assert (rejection["nearest"]["change"], rejection["nearest"]["to"]) == ("units", 2)
    two = ask("/recommend", units=2, **question)["recommendations"][0]
    assert two["decode_tok_s"]["low"] <= 11.73 <= two["decode_tok_s"]["high"]
    assert two["decode_tok_s"]["value"] == pytest.approx(11.73, rel=0.15)
    assert two["verdict"] is None


def test_every_row_reads_back_exactly(rows: list[dict[str, Any]]) -> None:
    """Thirteen rows with the page's digits, its approximations marked and its missing values missing."""
    with Path(__file__).with_name("page.csv").open(newline="") as file:
        page = list(csv.DictReader(file))
    assert len(rows) == len(page) == 13
    for row, printed, ms in zip(rows, page, PAGE_MS, strict=True):
        assert row["decode_tok_s"] == float(printed["decode"])
        assert row["prefill_tok_s"] == (float(printed["prefill"]) if printed["prefill"] else None)
        assert row["approx"] == (printed["approx"] == "yes")
        assert row["config"]["units"] == int(printed["units"])
        assert math.isclose(row["decode_ms"], ms, abs_tol=1.0)
        assert row["url"]


def test_each_row_is_a_source_of_its_own_prediction(ask: Ask, rows: list[dict[str, Any]]) -> None:
    """/predict for a row's config names the row."""
    for row in rows:
        answer = ask("/predict", **row["config"], isl=int(row["isl"] or 2048), osl=int(row["osl"] or 128))
        assert row["id"] in {s["measurement"] for s in answer["sources"]}


def test_the_verdict_of_each_row_holds(ask: Ask, rows: list[dict[str, Any]]) -> None:
    """Win from 30, tie from 10, loss below, none for two units; a row that 30 divides closely may lean either way."""
    for row in rows:
        answer = ask("/predict", **row["config"])
        published = None if row["config"]["units"] > 1 else _verdict(row["decode_tok_s"])
        estimate = answer["decode_tok_s"]
        reachable = {None} if published is None else {_verdict(estimate["low"]), _verdict(estimate["high"])}
        assert published in reachable


def _verdict(decode_tok_s: float) -> str:
    return "win" if decode_tok_s >= 30 else "tie" if decode_tok_s >= 10 else "loss"


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("qwen3-coder-30b-a3b-instruct", "32,768"),
        ("qwen2.5-vl-7b-instruct", "dense peak"),
        ("qwen3-235b-a22b", "dense peak"),
    ],
)
def test_what_the_page_got_wrong_is_flagged_and_explained(rows: list[dict[str, Any]], model: str, word: str) -> None:
    """The published number stays, with a flag and a sentence."""
    row = next(r for r in rows if r["config"]["model"] == model)
    assert row["flags"]
    assert any(word in remark for remark in row["remarks"])


def test_nothing_is_fitted_to_an_impossible_prefill(ask: Ask) -> None:
    """65,832 tok/s of prefill would need more FLOPs than the chip has: the prediction stays below the dense peak."""
    answer = ask("/predict", model="qwen2.5-vl-7b-instruct", quant="nvfp4", engine="trt-llm")
    flop_per_token = 2 * 7e9
    assert answer["prefill_tok_s"]["high"] * flop_per_token < 500e12


def test_the_coder_row_is_read_at_its_real_depth(ask: Ask) -> None:
    """31 tok/s belong to 32,768 tokens: at 2,048 the same config is clearly faster."""
    config = {"model": "qwen3-coder-30b-a3b-instruct", "quant": "q8_0", "engine": "llama.cpp"}
    shallow = ask("/predict", **config)["decode_tok_s"]
    deep = ask("/predict", **config, isl=2048, context=32768)["decode_tok_s"]
    assert shallow["low"] > 31
    assert deep["low"] <= 31 <= deep["high"]
