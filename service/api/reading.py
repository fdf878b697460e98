"""Requests to questions: unknown and repeated names, bad values and hostile bodies are refused with field and fix."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections import Counter
from functools import cache, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, get_origin
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from service.api.problems import FieldErrors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar import Request
    from pydantic_core import ErrorDetails

Q = TypeVar("Q", bound=BaseModel)
BODY_ONLY = frozenset({"models", "items"})
"""Fields that hold objects and so only exist in a POST."""
MOST_ERRORS = 20
KEPT_QUESTIONS = 512
"""Query strings whose questions are kept: reading one takes as long as looking its answer up."""


@cache
def parameters(question: type[BaseModel]) -> dict[str, bool]:
    """The query parameters of a question: name → whether it may be repeated."""
    return {
        name: get_origin(field.annotation) is tuple
        for name, field in question.model_fields.items()
        if name not in BODY_ONLY
    }


@lru_cache(maxsize=KEPT_QUESTIONS)
def from_query(question: type[Q], query: bytes, most_bytes: int) -> Q:
    """A question from a query string. Raises FieldErrors."""
    if len(query) > most_bytes:
        raise FieldErrors([("query", f"longer than {most_bytes} bytes: use POST")], HTTPStatus.REQUEST_URI_TOO_LONG)
    known = parameters(question)
    values: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    pairs = _pairs(query)
    repeated = Counter(name for name, _ in pairs)
    for name, value in pairs:
        if name not in known:
            errors.append((name, unknown(name, known)))
        elif known[name]:
            values.setdefault(name, []).append(value)
        elif repeated[name] > 1:
            errors.append((name, "given more than once: state it once"))
        else:
            values[name] = value
    if errors:
        raise FieldErrors(list(dict.fromkeys(errors))[:MOST_ERRORS])
    return validated(question, values)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=500)
    except (UnicodeDecodeError, ValueError) as error:
        raise FieldErrors([("query", f"not a valid query string: {error}")]) from error


def unknown(name: str, known: Iterable[str]) -> str:
    """What to say of a name nobody knows, with the nearest known one."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(names)}"
    return f"unknown parameter; {hint}"


async def whole_body(request: Request[Any, Any, Any]) -> bytes:
    """The request's body. Raises FieldErrors, 408, where it takes longer than the settings allow to come."""
    seconds = request.app.state.settings.body_seconds
    try:
        return await asyncio.wait_for(request.body(), seconds)
    except TimeoutError as error:
        said = f"did not come whole within {seconds:g} s"
        raise FieldErrors([("body", said)], HTTPStatus.REQUEST_TIMEOUT) from error


def from_body(question: type[Q], body: bytes, content_type: str) -> Q:
    """A question from a JSON body. Raises FieldErrors: 415 for another type, 400 for what is not a valid question."""
    if content_type.split(";", maxsplit=1)[0].strip().lower() not in {"application/json", ""}:
        raise FieldErrors([("content-type", "send application/json")], HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return validated(question, json_object(body))


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object without duplicate names, NaN or infinities."""
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise FieldErrors([("body", "nested too deeply")]) from error
    except (UnicodeDecodeError, ValueError) as error:
        raise FieldErrors([("body", f"not valid JSON: {error}")]) from error
    if not isinstance(value, dict):
        raise FieldErrors([("body", "send a JSON object")])
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name!r} stands twice in one object")
    return dict(pairs)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number JSON has")


def validated(question: type[Q], values: dict[str, Any]) -> Q:
    """Validate values. Raises FieldErrors that name each field, what it accepts and what was given."""
    try:
        return question.model_validate(values)
    except ValidationError as error:
        raise FieldErrors([_said(question, e) for e in error.errors()[:MOST_ERRORS]]) from error


def _said(question: type[BaseModel], error: ErrorDetails) -> tuple[str, str]:
    place = [str(part) for part in error["loc"] if part not in {"constrained-str", "HardwareObject"}]
    if len(place) > 1 and parameters(question).get(place[0]):
        place = place[:1]
    name = ".".join(place) if place else ("context" if "context" in error["msg"] else "body")
    if error["type"] == "extra_forbidden" and len(place) == 1:
        return name, unknown(name, question.model_fields)
    given = error["input"]
    shown = f" (given: {given!r})" if isinstance(given, (str, int, float)) and len(repr(given)) < 100 else ""
    return name, error["msg"].removeprefix("Value error, ") + shown
