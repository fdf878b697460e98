"""The explorer's pages as text: escaped, small, under a strict policy, and refusing what cannot be asked."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from litestar.testing import TestClient

from service.app import create_app
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDOR = Path(__file__).parents[2] / "service" / "explorer" / "static" / "vendor"
HOSTILE = "<script>alert(1)</script>"


def test_the_first_view_is_small(client: TestClient[Any]) -> None:
    """Under 300 kB as sent, script, style and chart library included."""
    page = client.get("/?min_tg=30")
    assert page.status_code == 200
    parts = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(parts) == 5
    sent = [int(client.get(part).headers["content-length"]) for part in parts]
    assert int(page.headers["content-length"]) + sum(sent) < 300_000


def test_the_policy_allows_nothing_inline(client: TestClient[Any]) -> None:
    """No unsafe-inline, nothing from elsewhere; the page holds no inline script or style to begin with."""
    page = client.get("/")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page.text)
    assert set(re.findall(r"<script(?: defer)? ([a-z]+)=", page.text)) == {"src", "type"}


def test_vendored_files_are_the_pinned_ones() -> None:
    """By their checksums, each with its licence beside it."""
    for line in (VENDOR / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
        assert (VENDOR / f"{name.partition('-')[0]}-LICENSE.txt").exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/?min_tg=-1", "min_tg"),
        ("/?hardwear=dgx-spark", "hardwear"),
        ("/?x=beauty", "no such axis"),
        ("/?hardware=dgx-sparc", "dgx-spark"),
        ("/explorer/results?units=0", "units"),
        ("/config", "model/quant/engine/speculation"),
        ("/config?config=gpt-oss-20b/mxfp4/vllm", "model/quant/engine/speculation"),
        ("/explorer/config?config=gpt-oss-12b/mxfp4/vllm/none", "gpt-oss-20b"),
        (f"/?min_tg={HOSTILE}", "min_tg"),
        (f"/config?config={HOSTILE}", "config"),
    ],
)
def test_what_cannot_be_asked_is_a_400_that_says_so(client: TestClient[Any], address: str, said: str) -> None:
    """As a page, with every value escaped."""
    page = client.get(address)
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")
    assert said in page.text
    assert HOSTILE not in page.text


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, catalog: Any) -> Iterator[TestClient[Any]]:
    """A service whose machine is called like an attack."""
    from copy import copy

    from service.current import Current

    spark = catalog.facts.hardware["dgx-spark"].model_copy(update={"name": HOSTILE})
    facts = catalog.facts.model_copy(update={"hardware": {**catalog.facts.hardware, "dgx-spark": spark}})
    spoilt = copy(catalog)
    spoilt.facts, spoilt._tables, spoilt._single = facts, {}, {}
    current = Current(tmp_path_factory.mktemp("none") / "none.duckdb", 0)
    from service.answers import Answers

    current.answers = Answers(spoilt, 0)
    with TestClient(create_app(Settings(reload_seconds=0), current)) as client:
        yield client


@pytest.mark.parametrize("address", ["/", "/config?config=gpt-oss-20b/mxfp4/llama.cpp/none"])
def test_a_name_is_text_whatever_it_says(hostile: TestClient[Any], address: str) -> None:
    """A machine named like a script stays text in the list, in attributes and in the data of the picture."""
    page = hostile.get(address)
    assert page.status_code == 200
    assert HOSTILE not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
