"""``/openapi.json``: written from the wire types themselves, so that the document cannot drift from what is read."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from modelpicker.wire.answers import CompareAnswer, HardwareAnswer, MeasurementOut, Prediction, RecommendAnswer
from modelpicker.wire.questions import (
    CompareQuestion,
    HardwareQuestion,
    MeasurementsQuestion,
    PredictBatch,
    PredictQuestion,
    RecommendQuestion,
)
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from catalog.citations import Citation
from catalog.facts import Engine, Hardware, Measurement, Model, Quant, Source
from service.api.incoming import GIVEN, KEY, MOST_ROWS
from service.api.listings import KINDS
from service.api.reading import parameters

VERSION = "0.1.0"
REF = "#/components/schemas/{model}"
LISTED: dict[str, type[BaseModel]] = dict(zip(KINDS, (Model, Hardware, Quant, Engine, Source), strict=True))
FIELD_ERRORS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "reason"],
        "properties": {"name": {"type": "string"}, "reason": {"type": "string"}},
    },
}
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": ["string", "null"]},
        "errors": FIELD_ERRORS,
    },
}


@get("/openapi.json", sync_to_thread=False)
def document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The description of every endpoint."""
    del request
    return Response(msgspec.json.encode(describe()), media_type=MediaType.JSON)


@cache
def describe() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    answers: list[type[BaseModel]] = [
        RecommendAnswer,
        HardwareAnswer,
        CompareAnswer,
        Prediction,
        MeasurementOut,
        Citation,
        *LISTED.values(),
    ]
    questions: list[type[BaseModel]] = [RecommendQuestion, PredictQuestion, PredictBatch]
    _, answer_schemas = models_json_schema([(m, "serialization") for m in answers], ref_template=REF)
    for record in (schema for schema in answer_schemas["$defs"].values() if "sources" in schema["properties"]):
        if record["properties"]["sources"]["items"] == {"type": "string"}:
            record["properties"]["citations"] = {"type": "array", "items": _ref("Citation")}
    _, question_schemas = models_json_schema([(m, "validation") for m in questions], ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "modelpicker",
            "version": VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(),
        "components": {
            "schemas": {**answer_schemas["$defs"], **question_schemas["$defs"], "Problem": PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {
        "/recommend": {
            "get": _get("Rank configs that meet the limits", RecommendQuestion, _ref("RecommendAnswer")),
            "post": _post(
                "Rank configs; hardware and models may be objects", "RecommendQuestion", _ref("RecommendAnswer")
            ),
        },
        "/recommend/hardware": {
            "get": _get("Rank machines that run a model within the limits", HardwareQuestion, _ref("HardwareAnswer")),
        },
        "/compare": {"get": _get("Set configs side by side", CompareQuestion, _ref("CompareAnswer"))},
        "/predict": {
            "get": _get("What one config does", PredictQuestion, _ref("Prediction")),
            "post": _post("Up to 1,000 predictions in one call", "PredictBatch", _list("predictions", {})),
        },
        "/measurements": {
            "get": _get(
                "Published figures, a page at a time",
                MeasurementsQuestion,
                _list("measurements", _ref("MeasurementOut")),
            ),
            "post": _taking(),
        },
        "/health/live": {"get": _plain("Whether the process answers", 200)},
        "/health/ready": {"get": _plain("Whether a catalog is loaded", 200, 503)},
    }
    for kind, record in LISTED.items():
        ref = _ref(record.__name__)
        paths[f"/{kind}"] = {"get": _operation(f"All {kind}", _list(kind, ref), [], {400})}
        identity = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        paths[f"/{kind}/{{id}}"] = {"get": _operation(f"One of the {kind}", ref, [identity], {400, 404})}
    return paths


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": REF.format(model=name)}


def _list(name: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: {"type": "array", "items": items}}}


def _get(summary: str, question: type[BaseModel], answer: dict[str, Any]) -> dict[str, Any]:
    return _operation(summary, answer, _query(question), {400, 414})


def _query(question: type[BaseModel]) -> list[dict[str, Any]]:
    properties = question.model_json_schema()["properties"]
    required = set(question.model_json_schema().get("required", ()))
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": properties[name].get("description", ""),
            "schema": _plain_schema(properties[name], repeated=repeated),
            **({"style": "form", "explode": True} if repeated else {}),
        }
        for name, repeated in parameters(question).items()
    ]


def _plain_schema(schema: dict[str, Any], *, repeated: bool) -> dict[str, Any]:
    """A query parameter's schema: what has no value is left out rather than null, and objects only exist in a POST."""
    if "anyOf" in schema:
        kinds = [s for s in schema["anyOf"] if s.get("type") != "null" and "$ref" not in s]
        schema = {**schema, **kinds[0]}
    kept = {k: v for k, v in schema.items() if k not in {"anyOf", "title", "description"} and v is not None}
    if repeated:
        kept.pop("default", None)
    return kept


def _post(summary: str, question: str, answer: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": _ref(question)}}}
    return _operation(summary, answer, [], {400, 408, 413, 415}) | {"requestBody": body}


def _taking() -> dict[str, Any]:
    """``POST /measurements``: rows as their senders state them, a report for each."""
    row = Measurement.model_json_schema()
    fields = {name: field for name, field in row["properties"].items() if name in GIVEN}
    needed = ["model", "quant", "engine", "hardware"]
    sent = {"type": "object", "required": needed, "properties": fields, "additionalProperties": False}
    rows = {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": sent}
    body = {"type": "object", "required": ["measurements"], "properties": {"measurements": rows}}
    said = {
        "type": "object",
        "required": ["index", "status"],
        "properties": {
            "index": {"type": "integer"},
            "status": {"enum": ["accepted", "duplicate", "rejected"]},
            "id": {"type": "string"},
            "flags": {"type": "array", "items": {"type": "string"}},
            "errors": FIELD_ERRORS,
        },
    }
    report = _list("rows", said)
    report["properties"] |= {"accepted": {"type": "integer"}, "rejected": {"type": "integer"}}
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "pattern": KEY.pattern},
    }
    taken = _operation("Send up to 1,000 measurements", report, [key], {400, 401, 403, 408, 409, 413, 415, 507})
    taken["responses"]["201"] = taken["responses"].pop("200")
    del taken["responses"]["304"]
    content = {"application/json": {"schema": body}}
    return taken | {"security": [{"key": []}], "requestBody": {"required": True, "content": content}}


def _operation(summary: str, answer: dict[str, Any], query: list[dict[str, Any]], problems: set[int]) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "200": {"description": "the answer", "content": {"application/json": {"schema": answer}}}
    }
    responses["304"] = {"description": "the client has this catalog's answer already"}
    for status in sorted({*problems, 429, 500, 503}):
        responses[str(status)] = {
            "description": "a problem document",
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
    return {"summary": summary, "parameters": query, "responses": responses}


def _plain(summary: str, *statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "summary": summary,
        "responses": {str(s): {"description": "the state", "content": content} for s in statuses},
    }
