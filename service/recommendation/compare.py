"""``/compare``: configs side by side under one load, and what their intervals can tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from modelpicker.wire.answers import CompareAnswer, Difference, Interval, Prediction
from modelpicker.wire.questions import CompareQuestion, PredictQuestion
from pydantic import ValidationError

from service.recommendation.asked import BadQuestionError
from service.recommendation.predict import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.catalog import Catalog


class Figure(NamedTuple):
    """A figure that configs are compared by: where it stands, and whether more of it is better."""

    name: str
    unit: str
    more: bool
    read: Callable[[Prediction], Interval | None]


def _exact(value: float) -> Interval:
    return Interval(value=value, low=value, high=value)


def _quality(prediction: Prediction) -> Interval | None:
    index, low, high = (getattr(prediction.quality, name) for name in ("index", "low", "high"))
    return None if index is None else Interval(value=index, low=low, high=high)


FIGURES = (
    Figure("decode_tok_s", "tok/s", True, lambda p: p.decode_tok_s),
    Figure("decode_total_tok_s", "tok/s", True, lambda p: p.decode_total_tok_s),
    Figure("prefill_tok_s", "tok/s", True, lambda p: p.prefill_tok_s),
    Figure("ttft_ms", "ms", False, lambda p: p.ttft_ms),
    Figure("latency_ms", "ms", False, lambda p: p.latency_ms),
    Figure("total_bytes", "bytes", False, lambda p: _exact(p.memory.total_bytes)),
    Figure("quality", "index", True, _quality),
)


def compare(catalog: Catalog, question: CompareQuestion) -> CompareAnswer:
    """Predict every config and set the figures side by side. Raises BadQuestionError naming the config that is wrong."""
    predictions = tuple(_predict(catalog, question, name) for name in question.config)
    differences = tuple(_difference(figure, predictions) for figure in FIGURES)
    return CompareAnswer(
        request=question.model_dump(mode="json"),
        predictions=predictions,
        differences=differences,
        summary=_summary(question.config, predictions, differences),
        catalog_version=catalog.version,
    )


def _predict(catalog: Catalog, question: CompareQuestion, name: str) -> Prediction:
    config, _, place = name.partition("@")
    model, quant, engine, *speculation = config.split("/")
    fields = question.model_dump(exclude={"config", "hardware"}) | {"hardware": question.hardware}
    if place:
        hardware, _, units = place.partition(":")
        fields |= {"hardware": hardware, **({"units": int(units)} if units else {})}
    try:
        asked = PredictQuestion(
            model=model, quant=quant, engine=engine, speculation=speculation[0] if speculation else "none", **fields
        )
        return predict(catalog, asked)
    except BadQuestionError as error:
        raise BadQuestionError("config", f"{name}: {error}") from error
    except ValidationError as error:
        found = error.errors()[0]
        raise BadQuestionError("config", f"{name}: {'.'.join(map(str, found['loc']))}: {found['msg']}") from error


def _difference(figure: Figure, predictions: Sequence[Prediction]) -> Difference:
    found = [figure.read(p) for p in predictions]
    known = {i: x for i, x in enumerate(found) if x is not None}
    best = (max if figure.more else min)(known, key=lambda i: known[i].value) if known else None
    certain = best is not None and all(
        (known[best].low > x.high if figure.more else known[best].high < x.low) for i, x in known.items() if i != best
    )
    values = tuple(None if x is None else x.value for x in found)
    return Difference(
        figure=figure.name, unit=figure.unit, values=values, best=best, certain=certain and len(known) > 1
    )


def _summary(names: Sequence[str], predictions: Sequence[Prediction], differences: Sequence[Difference]) -> str:
    """One or two sentences: who decodes fastest, by how much, whether that is certain, and who cannot run at all."""
    decode = differences[0]
    runs = [i for i, p in enumerate(predictions) if p.feasible]
    ranked = sorted(runs, key=lambda i: decode.values[i] or 0.0, reverse=True)
    words = []
    if len(ranked) > 1 and decode.values[ranked[0]] == decode.values[ranked[1]]:
        words.append(f"{names[ranked[0]]} and {names[ranked[1]]} decode alike.")
    elif len(ranked) > 1:
        first, second = (decode.values[i] or 0.0 for i in ranked[:2])
        sure = "and the intervals keep them apart" if decode.certain else "but the intervals overlap"
        words.append(f"{names[ranked[0]]} decodes fastest, {first / second:.2f} times the next, {sure}.")
    elif ranked:
        words.append(f"Only {names[ranked[0]]} can run.")
    words += [
        f"{name} is not feasible: {p.reasons[0].message}."
        for name, p in zip(names, predictions, strict=True)
        if p.reasons
    ]
    return " ".join(words)
