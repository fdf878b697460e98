"""One number quoted by several sources is one witness."""

from __future__ import annotations

from typing import Any

from catalog.facts import Measurement
from catalog.quotes import quotes

ROW: dict[str, Any] = {
    "source": "maker",
    "model": "m",
    "quant": "q8_0",
    "engine": "llama.cpp",
    "hardware": "box",
    "speculation": "none",
    "spec_basis": "stated",
    "concurrency": 1,
    "decode_tok_s": 24.1,
    "evidence": "community",
    "url": "https://example.org",
}


def row(identity: str, **changes: Any) -> Measurement:
    """A measurement that differs from the plain one in what is named."""
    return Measurement.model_validate({**ROW, "id": identity, **changes})


def test_a_quote_by_another_source_counts_once() -> None:
    """The official row is kept, whatever the order of the files."""
    rows = [row("copy", source="blog"), row("first", evidence="official")]
    assert quotes(rows) == {"copy": "first"}


def test_the_earlier_of_equals_is_the_original() -> None:
    """Within one evidence class the date decides, and no date comes last."""
    rows = [row("late", source="blog", date="2026-05"), row("early", date="2026"), row("undated", source="forum")]
    assert quotes(rows) == {"late": "early", "undated": "early"}


def test_another_config_with_the_same_short_number_is_no_quote() -> None:
    """Three digits agree by chance between different quants."""
    assert quotes([row("a"), row("b", source="blog", quant="q4_k_m")]) == {}


def test_drafts_of_other_text_with_the_same_short_number_are_no_quote() -> None:
    """An essay and code that are written equally fast were measured twice; a text that only one of them states says nothing."""
    drafts = {"speculation": "mtp-3", "content": "code"}
    assert quotes([row("a", **drafts), row("b", source="blog", **{**drafts, "content": "prose"})]) == {}
    assert quotes([row("a", **drafts), row("b", source="blog", **{**drafts, "content": None})]) == {"b": "a"}


def test_many_equal_digits_are_no_chance() -> None:
    """Prefill and decode equal to the last digit are one run, even under two quant labels."""
    figures = {"prefill_tok_s": 3320.99, "decode_tok_s": 197.26}
    rows = [row("a", **figures), row("b", quant="iq4_xs", **figures)]
    assert quotes(rows) == {"b": "a"}


def test_repeated_runs_of_one_source_stay() -> None:
    """A source that measures the same rate twice at different lengths has measured twice."""
    assert quotes([row("a", osl=512), row("b", osl=4096)]) == {}


def test_a_round_number_is_no_quote() -> None:
    """Two digits prove nothing."""
    assert quotes([row("a", decode_tok_s=51.0), row("b", source="blog", decode_tok_s=51.0)]) == {}
