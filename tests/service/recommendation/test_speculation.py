"""Drafts in answers: what is written decides how many of them are accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = {"model": "qwen3.6-27b", "quant": "q4_k_m", "engine": "llama.cpp"}


def decode(ask: Callable[..., dict[str, Any]], **question: Any) -> float:
    value: float = ask("/predict", **CONFIG, **question)["decode_tok_s"]["value"]
    return value


def width(ask: Callable[..., dict[str, Any]], **question: Any) -> float:
    """High ÷ low of the decode speed."""
    figure = ask("/predict", **CONFIG, **question)["decode_tok_s"]
    ratio: float = figure["high"] / figure["low"]
    return ratio


@pytest.mark.parametrize("task", ["coding", "math", "agentic"])
def test_what_is_written_moves_drafts_alone(ask: Callable[..., dict[str, Any]], task: str) -> None:
    """Code, proofs and tool calls are easier to foresee than just any text; without drafts nothing is foreseen."""
    assert decode(ask, task=task) == decode(ask)
    assert decode(ask, task=task, speculation="mtp-5") > decode(ask, speculation="mtp-5")


def test_a_text_that_nobody_names_may_be_of_any_kind(ask: Callable[..., dict[str, Any]]) -> None:
    """Who says what is written is told more surely; without drafts there is nothing to say."""
    assert width(ask, speculation="mtp-5") > 1.1 * width(ask, speculation="mtp-5", task="coding")
    assert width(ask) == width(ask, task="coding")


def test_the_sentence_says_of_what(ask: Callable[..., dict[str, Any]]) -> None:
    """Where the kind of text counts, it is named."""
    assert "are expected of code" in ask("/predict", **CONFIG, speculation="mtp-5", task="coding")["why"]
    assert "are expected of" not in ask("/predict", **CONFIG, task="coding")["why"]


def test_drafts_help_one_stream_most(ask: Callable[..., dict[str, Any]]) -> None:
    """The seed's pair: about twice the speed alone, a smaller gain among sixteen."""
    alone, among = (decode(ask, speculation="mtp-5", concurrency=n) / decode(ask, concurrency=n) for n in (1, 16))
    assert 1.7 < alone < 2.7
    assert among < alone
