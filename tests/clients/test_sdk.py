"""The Python SDK against the real service over a real socket, and against a service that misbehaves."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from modelpicker import (
    AsyncClient,
    BadRequestError,
    Client,
    ConnectionFailedError,
    NotFoundError,
    Options,
    ServiceError,
    endpoints,
    fields,
    transport,
)
from modelpicker.wire import questions
from pydantic import ValidationError

if TYPE_CHECKING:
    pass

ROOT = Path(__file__).parents[2]
README = ROOT / "clients" / "python" / "README.md"


def test_every_call_answers_in_its_type(url: str) -> None:
    """What the README of the service shows, as objects."""
    with Client(Options(url=url)) as client:
        answer = client.recommend(min_tg=30, speculation="never", limit=3)
        best = answer.recommendations[0]
        assert best.decode_tok_s.low <= best.decode_tok_s.value <= best.decode_tok_s.high
        again = client.predict(model=best.config.model, quant=best.config.quant, engine=best.config.engine)
        assert again.decode_tok_s == best.decode_tok_s
        machines = client.recommend_hardware(model="gpt-oss-120b", min_tg=30, vendor="apple")
        assert {x.vendor for x in machines.recommendations} == {"apple"}
        sides = client.compare("gpt-oss-20b/mxfp4/llama.cpp", "gpt-oss-120b/mxfp4/llama.cpp")
        assert sides.differences[0].best == 0
        assert client.get("models", "gpt-oss-120b")["id"] == "gpt-oss-120b"
        assert len(client.list("hardware")) > 60


def test_objects_nobody_listed_are_posted(url: str) -> None:
    """A machine as an object."""
    box = {"name": "box", "memory_gb": 64, "bandwidth_gb_s": 400, "tflops_bf16": 100}
    with Client(Options(url=url)) as client:
        answer = client.recommend(hardware=box, min_tg=20, limit=1)
    assert answer.recommendations[0].config.hardware == "unlisted"


def test_pages_follow_each_other(url: str) -> None:
    """All rows once, whatever the size of a page."""
    with Client(Options(url=url)) as client:
        small = [row.id for row in client.measurements(model="gpt-oss-20b", limit=7)]
        large = [row.id for row in client.measurements(model="gpt-oss-20b", limit=1000)]
    assert small == large
    assert len(set(small)) == len(small) > 7


def test_the_async_client_says_the_same(url: str) -> None:
    """Awaited, many at once over shared connections."""

    async def ask() -> None:
        async with AsyncClient(Options(url=url)) as client:
            answers = await asyncio.gather(*(client.recommend(min_tg=tg, limit=1) for tg in (10, 20, 30)))
            rows = [row.id async for row in client.measurements(model="gpt-oss-20b", limit=50)]
            prediction = await client.predict(model="gpt-oss-20b", quant="mxfp4", engine="llama.cpp")
            sides = await client.compare("gpt-oss-20b/mxfp4/llama.cpp", "gpt-oss-120b/mxfp4/llama.cpp")
            machines = await client.recommend_hardware(model="gpt-oss-20b", limit=1)
            hardware, listed = await client.get("hardware", "dgx-spark"), await client.list("engines")
        with Client(Options(url=url)) as plain:
            assert answers[2] == plain.recommend(min_tg=30, limit=1)
            assert prediction == plain.predict(model="gpt-oss-20b", quant="mxfp4", engine="llama.cpp")
            assert rows == [row.id for row in plain.measurements(model="gpt-oss-20b")]
        assert sides.predictions
        assert machines.recommendations
        assert hardware["id"] == "dgx-spark"
        assert listed

    asyncio.run(ask())


def test_errors_carry_the_problem(url: str) -> None:
    """With field, fix and request id; what the wire forbids is not even sent."""
    with Client(Options(url=url)) as client:
        with pytest.raises(BadRequestError) as bad:
            client.recommend(model="gpt-oss-12b")
        assert bad.value.errors[0][0] == "model"
        assert "gpt-oss-120b" in bad.value.errors[0][1]
        assert bad.value.request_id
        with pytest.raises(NotFoundError, match="did you mean"):
            client.get("models", "gpt-oss-12b")
        with pytest.raises(ValidationError, match="min_tk"):
            client.recommend(min_tk=30)  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="no id"):
            client.get("models", "../secret")


def test_raw_responses_show_what_http_says(url: str) -> None:
    """Status and validator beside the answer."""
    with Client(Options(url=url)) as client:
        raw = client.with_raw_response(endpoints.recommend({"min_tg": 30, "limit": 1}))
    assert raw.status == 200
    assert raw.answer.catalog_version in raw.headers["etag"]


def answering(*responses: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A transport that gives these answers in turn, the last one for ever."""
    left, asked = list(responses), list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle), asked


def test_a_busy_service_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After as long as it asks for, or a random while; not more often than told; not where it would not help."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    page = {"models": [], "catalog_version": "x"}
    moody, asked = answering(
        httpx.Response(503, headers={"retry-after": "7"}), httpx.ConnectError("gone"), httpx.Response(200, json=page)
    )
    assert Client(Options(url="http://x"), transport=moody).list("models") == []
    assert len(asked) == 3
    assert waits[0] == 7
    assert 0 <= waits[1] <= 2 * transport.FIRST_WAIT_S
    down, asked = answering(httpx.Response(500, json={"detail": "no"}))
    with pytest.raises(ServiceError, match="no"):
        Client(Options(url="http://x"), transport=down).list("models")
    assert len(asked) == 1
    gone, asked = answering(httpx.ConnectError("gone"))
    with pytest.raises(ConnectionFailedError):
        Client(Options(url="http://x", retries=2), transport=gone).list("models")
    assert len(asked) == 3


def test_retry_after_may_be_a_date() -> None:
    """In the past: at once. Nonsense: no advice."""
    assert transport.retry_after_s(httpx.Response(503, headers={"retry-after": "Wed, 01 Jan 2020 00:00:00 GMT"})) == 0
    assert transport.retry_after_s(httpx.Response(503, headers={"retry-after": "soon"})) is None


def test_a_newer_answer_is_read(url: str) -> None:
    """Fields that an older SDK does not know are left out, not refused."""
    with Client(Options(url=url)) as client:
        raw = client.with_raw_response(endpoints.predict({"model": "gpt-oss-20b", "quant": "mxfp4", "engine": "vllm"}))
    newer = raw.content[:-1] + b',"from_the_future":{"x":1}}'
    assert endpoints.PREDICT.validate_json(newer) == raw.answer


def test_settings_come_from_the_environment_and_keys_stay_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes into the header and into no text."""
    monkeypatch.setenv("MODELPICKER_URL", "http://elsewhere:9")
    monkeypatch.setenv("MODELPICKER_API_KEY", "s3cret")
    service, asked = answering(httpx.Response(200, json={"models": []}))
    client = Client(transport=service)
    client.list("models")
    assert str(asked[0].url) == "http://elsewhere:9/models"
    assert asked[0].headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(client.options)


@pytest.mark.parametrize(
    ("typed", "question", "apart"),
    [
        (fields.RecommendFields, questions.RecommendQuestion, set()),
        (fields.HardwareFields, questions.HardwareQuestion, set()),
        (fields.CompareFields, questions.CompareQuestion, {"config"}),
        (fields.PredictFields, questions.PredictQuestion, set()),
        (fields.MeasurementFields, questions.MeasurementsQuestion, {"cursor"}),
    ],
)
def test_keyword_arguments_are_the_wire(typed: Any, question: Any, apart: set[str]) -> None:
    """No field is missing and none is invented."""
    assert set(typed.__annotations__) | apart == set(question.model_fields)


def test_the_snippets_of_the_readme_run(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As printed, one after the other."""
    monkeypatch.setenv("MODELPICKER_URL", url)
    snippets = re.findall(r"```python\n(.+?)```", README.read_text(), re.DOTALL)
    assert len(snippets) >= 2
    names: dict[str, Any] = {}
    for snippet in snippets:
        exec(compile(snippet, str(README), "exec"), names)
    assert names["machines"].recommendations
