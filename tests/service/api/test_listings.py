"""The facts over HTTP: whole, by id, in pages, and with validators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.testing import TestClient

    from catalog.facts import Facts


@pytest.mark.parametrize("kind", ["models", "hardware", "quants", "engines", "sources"])
def test_a_listing_is_complete_and_each_record_stands_alone(
    client: TestClient[Any], facts: Facts, kind: str, ask: Callable[..., dict[str, Any]]
) -> None:
    """Everything that models_data holds, and the same record by id."""
    records = ask(f"/{kind}")[kind]
    assert len(records) == len(getattr(facts, kind))
    first = records[0]
    assert client.get(f"/{kind}/{first['id']}").json() == first


def test_each_stated_source_can_be_looked_up(ask: Callable[..., dict[str, Any]]) -> None:
    """Address, what pins it, date where it is known, and evidence class, one for each source."""
    record = ask("/hardware/dgx-spark")
    assert [citation["stated"] for citation in record["citations"]] == record["sources"]
    assert {"url": "https://github.com/antirez/ds4/issues/773", "evidence": "maintainer"}.items() <= (
        record["citations"][-1].items()
    )
    assert "citations" not in ask("/engines/vllm")


def test_an_unchanged_answer_is_304(client: TestClient[Any]) -> None:
    """A client that has this catalog's answer is told so."""
    answer = client.get("/models")
    again = client.get("/models", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "max-age" in answer.headers["cache-control"]


def test_pages_hold_every_measurement_once(client: TestClient[Any], facts: Facts) -> None:
    """Following next_cursor to the end gives all of them, in order."""
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        parameters = {"limit": 1000} | ({"cursor": cursor} if cursor else {})
        page = client.get("/measurements", params=parameters).json()
        seen += [row["id"] for row in page["measurements"]]
        cursor = page["next_cursor"]
    assert seen == sorted(m.id for m in facts.measurements)


def test_filters_of_measurements_combine(ask: Callable[..., dict[str, Any]]) -> None:
    """Values of one filter are alternatives, filters together are conditions."""
    page = ask("/measurements", model="gpt-oss-20b,gpt-oss-120b", engine="llama.cpp", hardware="dgx-spark", limit=1000)
    assert {row["config"]["model"] for row in page["measurements"]} == {"gpt-oss-20b", "gpt-oss-120b"}
    assert {row["config"]["engine"] for row in page["measurements"]} == {"llama.cpp"}


def test_health_says_which_catalog_answers(ask: Callable[..., dict[str, Any]], client: TestClient[Any]) -> None:
    """Ready names the version that the answers carry."""
    assert ask("/health/live") == {"status": "live"}
    assert ask("/health/ready")["catalog_version"] == ask("/recommend")["catalog_version"]
    assert client.get("/recommend").headers["x-content-type-options"] == "nosniff"
