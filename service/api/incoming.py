"""``POST /measurements``: rows in, a report for each, kept on the disk before they are acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from litestar import MediaType, Request, Response, post
from pydantic import ValidationError

from catalog.errors import LedgerError
from catalog.facts import Measurement
from catalog.importers.runs import flagged
from catalog.quotes import FIGURES
from service.api.problems import FieldErrors, problem
from service.api.reading import json_object, whole_body
from service.keys import WRITE
from service.recommendation.asked import BadQuestionError, check_speculation, known_name

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from catalog.ledger import Ledger

MOST_ROWS = 1000
KEY = re.compile(r"[\x21-\x7e]{8,128}")
RETRY_SECONDS = 30
GIVEN = frozenset(
    {
        "model", "quant", "engine", "engine_version", "hardware", "units", "speculation", "content", "concurrency", "isl",
        "osl", "context_depth", "decode_kv_tokens", "kv_dtype", "prefill_tok_s", "decode_tok_s", "decode_total_tok_s",
        "ttft_ms", "tool", "date", "url", "note", "checkpoint", "kernels",
    }
)  # fmt: skip
"""Fields of a row that its sender states; the others are the service's."""


@post("/measurements", status_code=201)
async def post_measurements(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Keep up to 1,000 rows; a bad row is reported in its place and the others are kept."""
    state = request.app.state
    if state.ledger is None:
        return problem(
            request, HTTPStatus.FORBIDDEN, "this service takes no measurements: MODELPICKER_LEDGER is not set"
        )
    key = state.api_keys.find(request.headers.get("authorization", ""))
    if key is None:
        headers = {"WWW-Authenticate": "Bearer"}
        return problem(request, HTTPStatus.UNAUTHORIZED, "send a known key as Authorization: Bearer …", headers=headers)
    if WRITE not in key.scopes:
        return problem(request, HTTPStatus.FORBIDDEN, f"this key lacks the scope {WRITE}")
    named = request.headers.get("idempotency-key", "")
    if not KEY.fullmatch(named):
        raise FieldErrors(
            [("idempotency-key", "send a header of 8 to 128 visible characters, a new one for each batch")]
        )
    body = await whole_body(request)
    rows = json_object(body).get("measurements")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_ROWS:
        raise FieldErrors([("measurements", f"send a list of 1 to {MOST_ROWS} rows")])
    batch = Batch(f"{key.name} {named}", key.name, hashlib.sha256(body).hexdigest(), rows)
    try:
        answer = await asyncio.to_thread(_keep, state.current.answers.catalog, state.ledger, batch)
    except LedgerError as error:
        status = HTTPStatus.INSUFFICIENT_STORAGE if error.full else HTTPStatus.SERVICE_UNAVAILABLE
        return problem(request, status, f"{error}; nothing was kept", headers={"Retry-After": str(RETRY_SECONDS)})
    if answer.pop("digest") != batch.digest:
        return problem(request, HTTPStatus.CONFLICT, "this idempotency key was used for another body: take a new one")
    return Response(msgspec.json.encode(answer), status_code=HTTPStatus.CREATED, media_type=MediaType.JSON)


class Batch(NamedTuple):
    """What one request sends: under which key, by whom, its body's hash and its rows."""

    key: str
    sender: str
    digest: str
    rows: list[Any]


def _keep(catalog: Catalog, ledger: Ledger, batch: Batch) -> dict[str, Any]:
    """Judge every row and keep the good ones; the report of this batch, or of the one that has its key already."""
    kept = ledger.rows()
    told = [_judge(catalog, row, batch.sender, kept) for row in batch.rows]
    good = [row for _, row in told if row is not None]
    report: dict[str, Any] = {
        "accepted": len(good),
        "rejected": sum(said["status"] == "rejected" for said, _ in told),
        "rows": [{"index": i, **said} for i, (said, _) in enumerate(told)],
        "digest": batch.digest,
    }
    return dict(ledger.append(batch.key, good, report))


def _judge(
    catalog: Catalog, given: object, sender: str, kept: dict[str, Measurement]
) -> tuple[dict[str, Any], Measurement | None]:
    """What is said of a row, and the row if it is to be kept: new, well-formed, of known ids, flagged by physics."""
    try:
        row = _row(catalog, given, sender)
    except FieldErrors as error:
        errors = error.errors
    except BadQuestionError as error:
        errors = [(error.field, error.reason)]
    else:
        said = {"id": row.id, "flags": list(row.flags)}
        if row.id in kept:
            return {"status": "duplicate", **said}, None
        kept[row.id] = row
        return {"status": "accepted", **said}, row
    return {"status": "rejected", "errors": [{"name": name, "reason": reason} for name, reason in errors]}, None


def _row(catalog: Catalog, given: object, sender: str) -> Measurement:
    """A row as it is kept. Raises FieldErrors or BadQuestionError naming what is wrong."""
    if not isinstance(given, dict):
        raise FieldErrors([("row", "is no object")])
    if strange := sorted(set(given) - GIVEN):
        raise FieldErrors([(name, f"unknown; known are {', '.join(sorted(GIVEN))}") for name in strange[:5]])
    facts = catalog.facts
    for name, known in (
        ("model", facts.models),
        ("quant", facts.quants),
        ("engine", facts.engines),
        ("hardware", facts.hardware),
    ):
        if name not in given:
            raise FieldErrors([(name, "missing")])
        known_name(name, str(given[name]), known)
    if given.get("speculation") not in (None, "none"):
        check_speculation(catalog, str(given["speculation"]))
    if not any(given.get(name) for name in FIGURES):
        raise FieldErrors([("measurements", f"state one of {', '.join(FIGURES)}")])
    content = json.dumps([sender, {name: given[name] for name in sorted(given)}], sort_keys=True, default=str).encode()
    identity = f"sent-{hashlib.sha256(content).hexdigest()[:16]}"
    whole = {
        **{name: value for name, value in given.items() if value is not None},
        "id": identity,
        "source": f"sent-{sender}",
        "spec_basis": "stated" if given.get("speculation") else "unknown",
        "evidence": "own",
        "url": given.get("url") or "models_data/measurements/sent",
    }
    try:
        return flagged(facts, Measurement.model_validate(whole))
    except ValidationError as error:
        raise FieldErrors([(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()[:5]]) from error
