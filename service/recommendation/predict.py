"""``/predict``: what would this one config do? Numbers are given whether or not it fits, is supported, or is too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelpicker.wire.answers import Prediction
from modelpicker.wire.questions import RecommendQuestion

from catalog.configs import ConfigKey
from catalog.errors import NotComputableError, UnknownIdError
from service.recommendation.asked import Asked, BadQuestionError, check_speculation, load, machine
from service.recommendation.judge import judge
from service.recommendation.render import figures

if TYPE_CHECKING:
    from modelpicker.wire.questions import PredictQuestion

    from catalog.catalog import Catalog


def predict(catalog: Catalog, question: PredictQuestion) -> Prediction:
    """Answer one config. Raises BadQuestionError for unknown names and what physics cannot describe."""
    hardware = machine(catalog, question)
    workload = load(catalog, question, hardware)
    check_speculation(catalog, question.speculation)
    key = ConfigKey(question.model, question.quant, question.engine, question.speculation)
    try:
        table = catalog.one(key, hardware, question.units)
    except UnknownIdError as error:
        raise BadQuestionError(error.kind, str(error)) from error
    except NotComputableError as error:
        raise BadQuestionError("model", str(error)) from error
    asked = Asked(hardware, workload, table)
    judged = judge(catalog, _without_floors(question), asked)
    outcome = catalog.predict(table, workload)
    return Prediction(
        feasible=bool(judged.feasible[0]),
        reasons=tuple(limit.reason(0) for limit in judged.reasons(0)),
        **figures(catalog, asked, outcome, judged.quality, question.task)[0],
    )


def _without_floors(question: PredictQuestion) -> RecommendQuestion:
    """The same question as a recommendation without limits on speed: only what makes a config impossible remains."""
    fields = question.model_dump(exclude={"model", "quant", "engine", "speculation"})
    return RecommendQuestion(**fields, min_tg=0.0)
