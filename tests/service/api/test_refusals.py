"""Bad input is refused with the field and the fix; nothing is ignored and nothing crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.testing import TestClient

    from catalog.facts import Facts


def refused(client: TestClient[Any], query: str, status: int = 400) -> dict[str, Any]:
    """The problem document of a refused GET."""
    response = client.get(query)
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "request_id"} <= problem.keys()
    assert problem["status"] == status
    assert problem["request_id"]
    return problem


@pytest.mark.parametrize(
    ("query", "field", "fix"),
    [
        ("min_tps=30", "min_tps", "min_tg"),
        ("min_tg=-1", "min_tg", "0"),
        ("min_tg=abc", "min_tg", "number"),
        ("min_tg=nan", "min_tg", "finite"),
        ("min_tg=inf", "min_tg", "finite"),
        ("min_tg=1e309", "min_tg", "finite"),
        ("hardware=rtx-9999", "hardware", "/hardware"),
        ("limit=100000", "limit", "100"),
        ("units=0", "units", "1"),
        ("isl=4096&context=1024", "context", "isl"),
        ("min_tg=10&min_tg=20", "min_tg", "once"),
        ("task=poetry", "task", "coding"),
        ("speculation=off", "speculation", "never"),
        ("model=gpt-oss-20", "model", "gpt-oss-20b"),
        ("quant=q4km", "quant", "q4_k_m"),
        ("confidence=0.2", "confidence", "0.5"),
        ("per_model=0", "per_model", "1"),
        ("concurrency=1.5", "concurrency", "integer"),
        ("modality=smell", "modality", "vision"),
        ("models=x", "models", ""),
    ],
)
def test_a_bad_recommend_parameter_is_named_with_what_would_do(
    client: TestClient[Any], query: str, field: str, fix: str
) -> None:
    """400, the field, and the allowed values or the nearest name."""
    problem = refused(client, f"/recommend?{query}")
    assert [error["name"] for error in problem["errors"]] == [field]
    assert fix in problem["errors"][0]["reason"]


@pytest.mark.parametrize("missing", ["model", "quant", "engine"])
def test_predict_needs_model_quant_and_engine(client: TestClient[Any], missing: str) -> None:
    """What is missing is named."""
    given = {"model": "gpt-oss-20b", "quant": "mxfp4", "engine": "llama.cpp"}
    del given[missing]
    query = "&".join(f"{k}={v}" for k, v in given.items())
    assert [e["name"] for e in refused(client, f"/predict?{query}")["errors"]] == [missing]


def test_a_listing_takes_no_parameters(client: TestClient[Any]) -> None:
    """A filter that does not exist would be a silent lie."""
    assert refused(client, "/models?family=qwen")["errors"][0]["name"] == "family"


@pytest.mark.parametrize("path", ["/models/gpt-oss-20", "/hardware/dgx-sparc", "/quants/q4_km", "/engines/vlm"])
def test_an_unknown_id_is_404_with_the_nearest(client: TestClient[Any], path: str) -> None:
    """The detail suggests the id that was meant."""
    assert "did you mean" in refused(client, path, 404)["detail"]


def test_an_unknown_path_is_404(client: TestClient[Any]) -> None:
    """As a problem document, too."""
    refused(client, "/recomend", 404)


def test_a_wrong_method_is_405(client: TestClient[Any]) -> None:
    """As a problem document, too."""
    assert client.delete("/recommend").status_code == 405


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "null", '{"min_tg": NaN}', '{"min_tg": 1, "min_tg": 2}', "[" * 5000, '{"hardware": {"name": "x"}}'],
)
def test_a_bad_body_is_400(client: TestClient[Any], body: str) -> None:
    """Whatever is wrong with it."""
    response = client.post("/recommend", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["errors"]


def test_a_bad_item_of_a_batch_carries_its_error_in_its_place(client: TestClient[Any]) -> None:
    """The good ones are answered, in order."""
    good = {"model": "gpt-oss-20b", "quant": "mxfp4", "engine": "llama.cpp"}
    bad = good | {"model": "gpt-oss-2b"}
    answer = client.post("/predict", json={"items": [good, bad, good | {"isl": -1}]}).json()["predictions"]
    assert answer[0]["config"]["model"] == "gpt-oss-20b"
    assert answer[1]["error"]["errors"][0]["name"] == "model"
    assert answer[2]["error"]["errors"][0]["name"] == "isl"


def test_a_cursor_of_nobody_is_refused(client: TestClient[Any]) -> None:
    """Instead of an empty page."""
    assert refused(client, "/measurements?cursor=%21%21%21")["errors"][0]["name"] == "cursor"


def test_a_long_query_is_told_to_post(client: TestClient[Any]) -> None:
    """414 with the way out."""
    assert "POST" in refused(client, "/recommend?model=" + "x" * 9000, 414)["errors"][0]["reason"]


def test_get_and_post_agree(client: TestClient[Any], ask: Callable[..., dict[str, Any]]) -> None:
    """The same question in either form has the same answer."""
    question = {"min_tg": 20, "task": "coding", "concurrency": 4, "limit": 5}
    assert client.post("/recommend", json=question).json() == ask("/recommend", **question)


@pytest.mark.parametrize(
    ("path", "parameters", "field"),
    [
        ("/measurements", {"model": "gpt-oss-12b"}, "model"),
        ("/measurements", {"evidence": "rumour"}, "evidence"),
        ("/recommend", {"model": ","}, "model"),
        (
            "/predict",
            {"model": "gpt-oss-20b", "quant": "mxfp4", "engine": "vllm", "speculation": "mpt-3"},
            "speculation",
        ),
        (
            "/predict",
            {"model": "gpt-oss-20b", "quant": "mxfp4", "engine": "vllm", "speculation": "mtp-999"},
            "speculation",
        ),
    ],
)
def test_what_would_match_nothing_is_refused(
    client: TestClient[Any], path: str, parameters: dict[str, str], field: str
) -> None:
    """With the field, not with an empty list or a figure for something that is not there."""
    response = client.get(path, params=parameters)
    assert response.status_code == 400
    assert [error["name"] for error in response.json()["errors"]] == [field]


def test_filters_of_listed_models_and_models_of_the_question_do_not_mix(client: TestClient[Any]) -> None:
    """One of the two would be ignored."""
    mine = {
        "name": "mine",
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    mine |= {"intermediate_size": 14336, "vocab_size": 128256, "num_key_value_heads": 8}
    assert client.post("/recommend", json={"models": [mine]}).status_code == 200
    response = client.post("/recommend", json={"models": [mine], "family": ["llama-3.1"]})
    assert response.status_code == 400
    assert response.json()["errors"][0]["name"] == "family"


def test_vision_is_asked_of_models_that_see(ask: Callable[..., dict[str, Any]], facts: Facts) -> None:
    """A text model is no answer to a question about images."""
    found = ask("/recommend", task="vision", limit=100)["recommendations"]
    assert found
    assert all("vision" in facts.models[r["config"]["model"]].modality for r in found)


def test_rows_of_unknown_speculation_are_found(ask: Callable[..., dict[str, Any]]) -> None:
    """By the word that the rows themselves show."""
    rows = ask("/measurements", speculation="unknown", limit=5)["measurements"]
    assert rows
    assert {row["config"]["speculation"] for row in rows} == {"unknown"}


@pytest.mark.parametrize("path", ["/recommend?min_tg=30", "/models", "/health/ready", "/", "/nowhere"])
def test_head_is_get_without_its_body(client: TestClient[Any], path: str) -> None:
    """Status and length are those of the GET; nothing else is sent."""
    got, headed = client.get(path), client.head(path)
    assert headed.status_code == got.status_code
    assert headed.headers["content-length"] == got.headers["content-length"]
    assert headed.content == b""
