"""Rate limits, right with several workers, and web pages of other origins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from litestar.testing import TestClient

from service.api.limiting import address
from service.app import create_app
from service.keys import make
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serving import Running


def statuses(url: str, count: int, headers: dict[str, str] | None = None) -> list[int]:
    """Answers to requests on connections of their own, so that any worker may get them."""
    return [httpx.get(f"{url}/engines", headers=headers).status_code for _ in range(count)]


def test_limits_hold_over_all_workers(started: Callable[..., Running], tmp_path: Path) -> None:
    """Address and key count apart; the answer says when to come back, and health is never limited."""
    key, line = make("box")
    (tmp_path / "keys").write_text(f"{line}\n")
    keys = {"MODELPICKER_KEYS": str(tmp_path / "keys"), "MODELPICKER_WORKERS": "2"}
    url = started(MODELPICKER_RATE_PER_ADDRESS="20", MODELPICKER_RATE_PER_KEY="30", **keys).url
    without, with_key = statuses(url, 60), statuses(url, 90, {"Authorization": f"Bearer {key}"})
    assert 20 <= without.count(200) <= 40  # a new minute may begin in between
    assert 30 <= with_key.count(200) <= 60
    assert set(without) == set(with_key) == {200, 429}
    refused = httpx.get(f"{url}/engines")
    if refused.status_code == 429:
        assert refused.json()["status"] == 429
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit-remaining"] == "0"
    assert httpx.get(f"{url}/health/ready").status_code == 200


def test_an_answer_says_what_is_left(catalog_file: Path) -> None:
    """In the headers; without a limit there are none."""
    with TestClient(create_app(Settings(catalog=catalog_file, reload_seconds=0, rate_per_address=5))) as client:
        first, second = client.get("/engines").headers, client.get("/engines").headers
        assert first["ratelimit-policy"] == "5;w=60"
        assert int(second["ratelimit-remaining"]) in (3, 4)
    with TestClient(create_app(Settings(catalog=catalog_file, reload_seconds=0))) as client:
        assert not any(name.startswith("ratelimit") for name in client.get("/engines").headers)


@pytest.mark.parametrize(
    ("client", "forwarded", "proxies", "found"),
    [
        ("10.0.0.1", "", 0, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", 0, "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", 2, "1.2.3.4"),
        ("10.0.0.1", "", 1, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", 0, "2001:db8:1:2::/64"),
        ("::ffff:1.2.3.4", "", 0, "1.2.3.4"),
        ("10.0.0.1", "<script>", 1, "<script>"),
    ],
)
def test_whose_address_counts(client: str, forwarded: str, proxies: int, found: str) -> None:
    """What a client writes into X-Forwarded-For itself never does."""
    scope: dict[str, Any] = {"client": (client, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert address(scope, proxies) == found


def test_pages_of_other_origins_ask_only_where_allowed(catalog_file: Path) -> None:
    """Off unless set; a preflight is answered for named origins alone."""
    preflight = {"Origin": "https://mine.example", "Access-Control-Request-Method": "POST"}
    with TestClient(create_app(Settings(catalog=catalog_file, reload_seconds=0))) as client:
        assert "access-control-allow-origin" not in client.get("/engines", headers=preflight).headers
        assert "access-control-allow-origin" not in client.options("/recommend", headers=preflight).headers
    settings = Settings(catalog=catalog_file, reload_seconds=0, cors_origins="https://mine.example")
    with TestClient(create_app(settings)) as client:
        assert client.options("/recommend", headers=preflight).headers["access-control-allow-origin"] == (
            "https://mine.example"
        )
        answer = client.get("/engines", headers={"Origin": "https://mine.example"})
        assert answer.headers["access-control-allow-origin"] == "https://mine.example"
        strange = client.get("/engines", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in strange.headers
