"""Every endpoint, described once: its path, how its question is sent, and what its answer is.

``Client`` and ``AsyncClient`` differ only in who waits; both send what stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter

from modelpicker.wire.answers import CompareAnswer, HardwareAnswer, MeasurementsPage, Prediction, RecommendAnswer
from modelpicker.wire.questions import (
    CompareQuestion,
    HardwareQuestion,
    MeasurementsQuestion,
    PredictQuestion,
    RecommendQuestion,
)

A = TypeVar("A")
ID = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Call(Generic[A]):
    """One request, ready to send, and how to read its answer."""

    method: str
    path: str
    read: TypeAdapter[A]
    params: tuple[tuple[str, str], ...] = ()
    json: Any = None


RECOMMEND, HARDWARE, COMPARE, PREDICT = (
    TypeAdapter(RecommendAnswer), TypeAdapter(HardwareAnswer), TypeAdapter(CompareAnswer), TypeAdapter(Prediction),
)  # fmt: skip
PAGE = TypeAdapter(MeasurementsPage)
RECORD: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _given(question: BaseModel) -> dict[str, Any]:
    """The fields that were stated; the service fills in the others, as its version understands them."""
    return question.model_dump(mode="json", exclude_unset=True)


def _query(question: BaseModel) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for name, value in _given(question).items():
        values = value if isinstance(value, list) else [value]
        pairs += [(name, str(v)) for v in values if v is not None]
    return tuple(pairs)


def recommend(fields: dict[str, Any]) -> Call[RecommendAnswer]:
    """POST where something is an object nobody listed, else GET, which caches. Raises ValidationError before sending."""
    question = RecommendQuestion(**fields)
    if question.models or not isinstance(question.hardware, str):
        return Call("POST", "/recommend", RECOMMEND, json=_given(question))
    return Call("GET", "/recommend", RECOMMEND, _query(question))


def recommend_hardware(fields: dict[str, Any]) -> Call[HardwareAnswer]:
    """Raises ValidationError before sending."""
    return Call("GET", "/recommend/hardware", HARDWARE, _query(HardwareQuestion(**fields)))


def compare(fields: dict[str, Any]) -> Call[CompareAnswer]:
    """Raises ValidationError before sending."""
    return Call("GET", "/compare", COMPARE, _query(CompareQuestion(**fields)))


def predict(fields: dict[str, Any]) -> Call[Prediction]:
    """Raises ValidationError before sending."""
    return Call("GET", "/predict", PREDICT, _query(PredictQuestion(**fields)))


def listing(kind: str) -> Call[dict[str, Any]]:
    """All records of a kind: models, hardware, quants, engines or sources."""
    return Call("GET", f"/{kind}", RECORD)


def record(kind: str, identity: str) -> Call[dict[str, Any]]:
    """One record by id. Raises ValueError where the id could not be one."""
    if not ID.fullmatch(identity):
        raise ValueError(f"{identity!r} is no id: letters, digits, dots and dashes only")
    return Call("GET", f"/{kind}/{identity}", RECORD)


def measurements(fields: dict[str, Any], cursor: str | None) -> Call[MeasurementsPage]:
    """A page of measurements. Raises ValidationError before sending."""
    question = MeasurementsQuestion(**fields, **({"cursor": cursor} if cursor else {}))
    return Call("GET", "/measurements", PAGE, _query(question))
