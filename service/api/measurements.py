"""``GET /measurements``: the published figures digit for digit, with flags and a sentence for each."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from litestar import Request, Response, get
from modelpicker.wire.answers import Config, Evidence, MeasurementOut
from modelpicker.wire.questions import MeasurementsQuestion

from catalog.ledger import usable, with_rows
from service.api.encoding import answered
from service.api.problems import FieldErrors
from service.api.reading import from_query
from service.recommendation.asked import known_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.catalog import Catalog
    from catalog.facts import Facts, Measurement
    from catalog.ledger import Ledger
    from service.answers import Answers

WAITING = "was sent to this service and waits for its next calibration: predictions do not know it yet"
UNKNOWN = "unknown"
"""Speculation of a row whose source does not say."""
ID_TABLES = {"source": "sources", "model": "models", "quant": "quants", "engine": "engines", "hardware": "hardware"}
FILTERS = ("id", "source", "model", "quant", "engine", "hardware", "speculation", "evidence")


@get("/measurements", sync_to_thread=False)
def measurements(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of measurements in the order of their ids."""
    answers: Answers = request.app.state.current.answers
    limit = request.app.state.settings.max_query_bytes
    question = from_query(MeasurementsQuestion, request.scope["query_string"], limit)
    facts, waiting, revision = _with_waiting(answers.catalog, request.app.state.ledger)
    after = _decode(question.cursor)
    wanted = _wanted(facts, question)
    rows = [m for m in facts.measurements if m.id > after and all(getattr(m, k) in v for k, v in wanted.items())]
    rows.sort(key=lambda m: m.id)
    page = rows[: question.limit]
    more = len(rows) > len(page)
    body = b'{"measurements":[%b],"next_cursor":%b,"catalog_version":%b}' % (
        b",".join(outward(facts, m, waiting=m.id in waiting).model_dump_json().encode() for m in page),
        msgspec.json.encode(_encode(page[-1].id) if more else None),
        msgspec.json.encode(answers.catalog.version),
    )
    return answered(request, answers, body, f'"{answers.catalog.version}-{revision}"' if revision else None)


def _with_waiting(catalog: Catalog, ledger: Ledger | None) -> tuple[Facts, frozenset[str], int]:
    """The catalog's facts and what was sent since: rows that wait for the next calibration, and the ledger's revision."""
    facts, revision = catalog.facts, ledger.revision if ledger else 0
    if ledger is None or not revision:
        return facts, frozenset(), 0
    waiting = tuple(row for row in usable(facts, ledger.rows()) if row.id not in catalog.measurement_ids)
    return with_rows(facts, waiting) if waiting else facts, frozenset(row.id for row in waiting), revision


def _wanted(facts: Facts, question: MeasurementsQuestion) -> dict[str, frozenset[str | None]]:
    """Values that each filter lets through. Raises BadQuestionError for one that nobody has: it would match nothing."""
    known: dict[str, Iterable[str]] = {name: getattr(facts, table) for name, table in ID_TABLES.items()}
    known["speculation"] = {UNKNOWN, *(m.speculation for m in facts.measurements if m.speculation)}
    known["evidence"] = get_args(Evidence)
    found: dict[str, frozenset[str | None]] = {}
    for name in FILTERS:
        values = getattr(question, name)
        for value in values if name in known else ():
            known_name(name, value, known[name])
        if values:
            found[name] = frozenset(None if (name, value) == ("speculation", UNKNOWN) else value for value in values)
    return found


def outward(facts: Facts, row: Measurement, *, waiting: bool = False) -> MeasurementOut:
    """A measurement as the wire shows it: decode_ms = osl ÷ decode where both are stated, and what its flags mean."""
    decode_ms = None
    if row.osl and row.decode_tok_s:
        decode_ms = round(row.osl / row.decode_tok_s * 1e3, 3)
    values = row.model_dump(exclude={"model", "quant", "engine", "hardware", "units", "speculation"})
    names = set(MeasurementOut.model_fields)
    config = Config(
        model=row.model,
        quant=row.quant,
        engine=row.engine,
        hardware=row.hardware,
        units=row.units,
        speculation=row.speculation or UNKNOWN,
    )
    return MeasurementOut(
        config=config,
        decode_ms=decode_ms,
        remarks=(*(facts.flags[name].meaning for name in row.flags), *((WAITING,) if waiting else ())),
        **{k: v for k, v in values.items() if k in names},
    )


def _encode(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> str:
    if cursor is None:
        return ""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise FieldErrors([("cursor", "not a cursor of this service: take next_cursor of the page before")]) from error
