"""The bot's core against the real service: what people type, and what it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from modelpicker import AsyncClient, Options
from modelpicker_chatops.asking import Question, understand
from modelpicker_chatops.bot import Bot
from modelpicker_chatops.vocabulary import Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelpicker_chatops.replies import Reply


@pytest.fixture(scope="module")
def known(url: str) -> Vocabulary:
    """What the service knows."""

    async def read() -> Vocabulary:
        async with AsyncClient(Options(url=url)) as client:
            return await read_vocabulary(client)

    return asyncio.run(read())


@pytest.fixture
def say(url: str) -> Callable[[str], Reply]:
    """The bot's reply to a message."""

    async def answer(text: str) -> Reply:
        async with AsyncClient(Options(url=url)) as client:
            return await Bot(client).answer(text)

    return lambda text: asyncio.run(answer(text))


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("pick min_tg=30 ctx=64k coding", "pick", {"min_tg": "30", "context": "65536", "task": "coding"}),
        ("/pick for coding at 30 tok/s on 2 sparks", "pick",
         {"min_tg": "30", "hardware": "dgx-spark", "units": "2", "task": "coding"}),
        ("@modelpicker: what fits at 64k context with four users", "pick", {"context": "65536", "concurrency": "4"}),
        ("<@U123> fastest math model at 20 t/s on an rtx 4090", "pick",
         {"sort": "speed", "task": "math", "min_tg": "20", "hardware": "rtx-4090"}),
        ("pick quality 70 in 64 GB with vllm", "pick", {"min_quality": "70", "memory_gb": "64", "engine": "vllm"}),
        ("why not llama 70b fp8?", "why", {"quant": "fp8"}),
        ("what would 235B need?", "need", {}),
        ("help", "help", {}),
        ("", "help", {}),
    ],
)  # fmt: skip
def test_what_people_type_is_understood(known: Vocabulary, text: str, kind: str, fields: dict[str, str]) -> None:
    """Every word of it."""
    question = understand(text, known)
    assert (question.kind, question.fields, question.unknown) == (kind, fields, [])


def test_models_are_found_however_they_are_written(known: Vocabulary) -> None:
    """The nearest id first."""
    named = {
        "compare gpt-oss-120b qwen3-coder": ["gpt-oss-120b", "qwen3-coder-next"],
        "gpt oss 120b vs qwen3.6 27b": ["gpt-oss-120b", "qwen3.6-27b"],
        "why not llama 70b": ["llama-2-70b"],
    }
    for text, models in named.items():
        assert [mention[0] for mention in understand(text, known).models] == models, text


def test_unknown_words_get_the_nearest_known_one(known: Vocabulary) -> None:
    """And what was understood is kept."""
    question = understand("pick min_tgg=30 frobnicate qwen3.6-27c", known)
    assert ("min_tgg", "min_tg") in question.unknown
    assert ("frobnicate", None) in question.unknown
    assert ("qwen3.6-27c", "qwen3.6-27b") in question.unknown


@pytest.mark.parametrize(
    "text", ["$(reboot)", "`id`; rm -rf /", "model=../../etc/passwd", "x" * 5000, "min_tg=1e999", "=" * 50, "🤖 ¿?"]
)
def test_whatever_is_typed_is_answered(say: Callable[[str], Reply], text: str) -> None:
    """Nothing is run, nothing raises."""
    assert say(text).title


def test_which_configs_give_30_tokens(say: Callable[[str], Reply]) -> None:
    """A ranked list with evidence marks, the command, and why not the 70B."""
    reply = say("which configs give 30 tok/s")
    assert reply.lines[0].startswith("1. ●")
    assert reply.launch
    assert any("llama-3.1-70b-instruct/fp8" in line and "no engine can help" in line for line in reply.rejected)


def test_why_not_70b_fp8(say: Callable[[str], Reply]) -> None:
    """The arithmetic, the measurement, the nearest change."""
    reply = say("why not llama 70b fp8?")
    assert "llama-3.1-70b-instruct/fp8" in reply.title
    assert "3.83 tok/s" in reply.text()
    assert "measured: 2.7 tok/s" in reply.text()


def test_what_fits_with_four_users(say: Callable[[str], Reply]) -> None:
    """At 64k context each."""
    assert "-c 262656 -np 4" in (
        say("what fits at 64k context with four users on llama.cpp speculation=never").launch or ""
    )


def test_what_would_235b_need(say: Callable[[str], Reply]) -> None:
    """Machines, cheapest first, and how many of the usual one."""
    assert "qwen3-235b-a22b" in say("what would 235B need?").title
    assert any(line.startswith("On dgx-spark: 2 units") for line in say("what would qwen3-235b-a22b nvfp4 need").lines)


def test_compare(say: Callable[[str], Reply]) -> None:
    """One line a figure."""
    assert "decodes fastest" in say("compare gpt-oss-120b qwen3-coder-30b").title
    assert "Name two" in say("compare gpt-oss-120b").title


def test_the_bot_stays_up_when_the_service_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so."""
    monkeypatch.setattr("modelpicker.transport.FIRST_WAIT_S", 0.0)

    async def answer() -> Reply:
        async with AsyncClient(Options(url="http://127.0.0.1:9")) as client:
            return await Bot(client).answer("pick coding")

    assert "does not answer" in asyncio.run(answer()).title


def test_a_question_starts_empty() -> None:
    """No field of one message is left for the next."""
    assert Question("pick").fields == {}
