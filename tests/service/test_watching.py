"""Seen from outside: names of requests, metrics, logs, and the settings that README lists."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from service.metrics import forget_the_dead
from service.settings import SHARED_METRICS, Settings
from tests.serving import free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from litestar.testing import TestClient

    from tests.serving import Running

ROOT = Path(__file__).parents[2]


def test_every_answer_carries_its_name(client: TestClient[Any]) -> None:
    """The same in the header and in a problem document; a proxy's name is kept, a hostile one replaced."""
    problem = client.get("/recommend?min_tg=x")
    assert problem.headers["x-request-id"] == problem.json()["request_id"]
    assert client.get("/models", headers={"X-Request-Id": "proxy-1"}).headers["x-request-id"] == "proxy-1"
    assert client.get("/models", headers={"X-Request-Id": "a b<"}).headers["x-request-id"] != "a b<"


def test_a_request_stays_on_the_event_loop(client: TestClient[Any]) -> None:
    """A hook that is no coroutine would take every request through a thread: that took longer than all else of it."""
    assert inspect.iscoroutinefunction(client.app.before_request)
    assert inspect.iscoroutinefunction(client.app.after_request)


def test_metrics_count_by_route_and_outcome(client: TestClient[Any]) -> None:
    """A path with an id counts as its route, an unknown path as none."""

    def counted(text: str) -> dict[str, float]:
        lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith("modelpicker_requests_total"))
        return {name: float(value) for name, _, value in lines}

    before = counted(client.get("/metrics").text)
    client.get("/recommend?min_tg=30&limit=1")
    client.get("/recommend?min_tg=x")
    client.get("/models/gpt-oss-20b")
    client.get("/nowhere/at/all")
    after = counted(client.get("/metrics").text)
    new = {name for name, value in after.items() if value > before.get(name, 0)}
    for route, status in (("/recommend", 200), ("/recommend", 400), ("unknown", 404)):
        assert any(f'route="{route}"' in name and f'status="{status}"' in name for name in new), (route, status)
    assert not any("gpt-oss-20b" in name for name in after)


def test_slow_questions_are_logged_with_their_name(started: Callable[..., Running]) -> None:
    """As one JSON object, with the question; the same name as in the answer."""
    url, _, log = started(MODELPICKER_SLOW_MS="0.001")
    name = httpx.get(f"{url}/recommend?min_tg=31").headers["x-request-id"]
    until(lambda: name in log.read_text(), 10)  # it is written once the answer is out
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == name]
    assert (line["event"], line["query"], line["status"], line["level"]) == (
        "slow question",
        "min_tg=31",
        200,
        "warning",
    )


def test_metrics_on_a_port_of_their_own_add_up_workers(started: Callable[..., Running]) -> None:
    """Off the public path, of both workers together."""
    port = free_port()
    url, *_ = started(MODELPICKER_METRICS_PORT=str(port), MODELPICKER_WORKERS="2")
    assert httpx.get(f"{url}/metrics").status_code == 404
    for i in range(30):
        with httpx.Client() as client:
            assert client.get(
                f"{url}/predict?model=gpt-oss-20b&quant=mxfp4&engine=vllm&osl={i + 1}", timeout=60
            ).is_success
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    (count,) = [
        line
        for line in text.splitlines()
        if line.startswith("modelpicker_requests_total") and 'route="/predict"' in line
    ]
    assert float(count.rpartition(" ")[2]) == 30


def test_readme_lists_the_settings() -> None:
    """As they are in the code."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert settings_table() in readme


def test_gauges_of_killed_workers_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of living ones stay."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive = tmp_path / f"gauge_livemin_{gone.pid}.db", tmp_path / f"gauge_livemin_{os.getpid()}.db"
    dead.touch()
    alive.touch()
    monkeypatch.setenv(SHARED_METRICS, str(tmp_path))
    forget_the_dead()
    assert (dead.exists(), alive.exists()) == (False, True)


def settings_table() -> str:
    rows = [
        f"| `MODELPICKER_{name.upper()}` | {_told(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _told(default: Any) -> str:
    return f"`{default.relative_to(ROOT)}`" if isinstance(default, Path) else f"`{default}`"
