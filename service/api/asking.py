"""``/recommend`` and ``/predict``, by GET and by POST; ``/recommend/hardware`` and ``/compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, post
from modelpicker.wire.questions import (
    CompareQuestion,
    HardwareQuestion,
    PredictBatch,
    PredictQuestion,
    RecommendQuestion,
)

from service.api.encoding import answered
from service.api.problems import FieldErrors
from service.api.reading import from_body, from_query, validated, whole_body
from service.recommendation.asked import BadQuestionError

if TYPE_CHECKING:
    from service.answers import Answers

Asked = Request[Any, Any, Any]


@get("/recommend", sync_to_thread=False)
def recommend(request: Asked) -> Response[bytes]:
    """Rank the configs that meet the question's limits; say why the others do not."""
    answers: Answers = request.app.state.current.answers
    limit = request.app.state.settings.max_query_bytes
    question = from_query(RecommendQuestion, request.scope["query_string"], limit)
    return answered(request, answers, answers.recommend(question))


@post("/recommend", status_code=200)
async def post_recommend(request: Asked) -> Response[bytes]:
    """The same question as JSON, where hardware and models may be objects nobody listed yet."""
    answers: Answers = request.app.state.current.answers
    question = from_body(RecommendQuestion, await whole_body(request), request.headers.get("content-type", ""))
    return answered(request, answers, answers.recommend(question))


@get("/recommend/hardware", sync_to_thread=True)
def recommend_hardware(request: Asked) -> Response[bytes]:
    """Rank the machines that run a model within the limits, with their prices where known."""
    answers: Answers = request.app.state.current.answers
    limit = request.app.state.settings.max_query_bytes
    question = from_query(HardwareQuestion, request.scope["query_string"], limit)
    return answered(request, answers, answers.recommend_hardware(question))


@get("/compare", sync_to_thread=False)
def compare(request: Asked) -> Response[bytes]:
    """Set configs side by side under one load."""
    answers: Answers = request.app.state.current.answers
    limit = request.app.state.settings.max_query_bytes
    question = from_query(CompareQuestion, request.scope["query_string"], limit)
    return answered(request, answers, answers.compare(question))


@get("/predict", sync_to_thread=False)
def predict(request: Asked) -> Response[bytes]:
    """What one config does: numbers whether or not it fits."""
    answers: Answers = request.app.state.current.answers
    limit = request.app.state.settings.max_query_bytes
    question = from_query(PredictQuestion, request.scope["query_string"], limit)
    return answered(request, answers, answers.predict(question))


@post("/predict", status_code=200)
async def post_predict(request: Asked) -> Response[bytes]:
    """Up to 1,000 predictions in one call, in the same order; a bad item carries its error in its place."""
    answers: Answers = request.app.state.current.answers
    batch = from_body(PredictBatch, await whole_body(request), request.headers.get("content-type", ""))
    items = b",".join(_item(answers, item) for item in batch.items)
    return answered(request, answers, b'{"predictions":[' + items + b"]}")


def _item(answers: Answers, item: dict[str, object]) -> bytes:
    try:
        return answers.predict(validated(PredictQuestion, item))
    except FieldErrors as error:
        errors = error.errors
    except BadQuestionError as error:
        errors = [(error.field, error.reason)]
    detail = "; ".join(f"{name}: {reason}" for name, reason in errors)
    fields = [{"name": name, "reason": reason} for name, reason in errors]
    return msgspec.json.encode({"error": {"detail": detail, "errors": fields}})
