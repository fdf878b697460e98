"""Every form in which a record may state its source, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.citations import UncitableError, cite

if TYPE_CHECKING:
    from catalog.facts import Facts


@pytest.mark.parametrize(
    ("stated", "url", "pinned", "date", "evidence"),
    [
        (
            "github:ggml-org/llama.cpp@1c5eb9f3:src/llama-model.cpp (head)",
            "https://github.com/ggml-org/llama.cpp/blob/1c5eb9f3/src/llama-model.cpp", "1c5eb9f3", None, "maintainer",
        ),
        (
            "github:xzwgit/gpu-flops-bench@14a1e5e2 (cuBLASLt dense, measured)",
            "https://github.com/xzwgit/gpu-flops-bench/tree/14a1e5e2", "14a1e5e2", None, "community",
        ),
        (
            "pip transformers==5.23.0 exaone4 configuration class",
            "https://pypi.org/project/transformers/5.23.0/", "5.23.0", "2026-11-13", "maintainer",
        ),
        ("https://huggingface.co/voves/AliceAI", "https://huggingface.co/voves/AliceAI", None, None, "community"),
        (
            "https://huggingface.co/mistralai/Ministral-3-8B.", "https://huggingface.co/mistralai/Ministral-3-8B",
            None, None, "official",
        ),
        ("config.json (config.json)", "config.json", None, None, "own"),
    ],
)  # fmt: skip
def test_a_source_can_be_looked_up(
    stated: str, url: str, pinned: str | None, date: str | None, evidence: str, facts: Facts
) -> None:
    """As an address, with what pins it, and the class of who publishes there."""
    found = cite(stated, facts)
    assert (found.stated, found.url, found.pinned, found.date, found.evidence) == (stated, url, pinned, date, evidence)


def test_rows_of_measurements_are_their_source(facts: Facts) -> None:
    """With its address, date and class."""
    found, source = cite("measurements/elsung.csv (label as printed there)", facts), facts.sources["elsung"]
    assert (found.url, found.date, found.evidence) == (source.url, source.date, source.evidence)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ("as everybody knows", "starts with no address"), ("", "starts with no address"),
        ("github:owner/repository (main)", "starts with no address"),
        ("https://nobody.example/x", "publishers.toml does not say"),
        ("https://huggingface.com/x", "publishers.toml does not say"),
        ("measurements/none.csv", "no source of measurements is called 'none'"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_up_is_said(stated: str, reason: str, facts: Facts) -> None:
    """With what to write instead."""
    with pytest.raises(UncitableError, match=reason):
        cite(stated, facts)
