"""``/models``, ``/hardware``, ``/quants``, ``/engines`` and ``/sources``: the facts, with their sources."""

from __future__ import annotations

import difflib
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import Parameter

from catalog.citations import cite
from service.api.encoding import answered
from service.api.problems import FieldErrors
from service.api.reading import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from catalog.facts import Record
    from service.answers import Answers

Asked = Request[Any, Any, Any]
Id = Annotated[str, Parameter(description="id, as in the listing")]
KINDS = ("models", "hardware", "quants", "engines", "sources")


def no_parameters(request: Asked) -> None:
    """A listing has no parameters: one that is given is a misunderstanding, not to be ignored."""
    names = list(dict.fromkeys(request.query_params))
    if names:
        raise FieldErrors([(name, unknown(name, ())) for name in names], HTTPStatus.BAD_REQUEST)


def listing(kind: str) -> list[HTTPRouteHandler]:
    """The two handlers of one kind of fact: all of them, and one by id."""

    @get(f"/{kind}", sync_to_thread=False, name=kind)
    def everything(request: Asked) -> Response[bytes]:
        no_parameters(request)
        answers: Answers = request.app.state.current.answers
        records = _records(answers, kind).values()
        items = b",".join(_encode(record, answers) for record in records)
        version = msgspec.json.encode(answers.catalog.version)
        body = b'{"' + kind.encode() + b'":[' + items + b'],"catalog_version":' + version + b"}"
        return answered(request, answers, body)

    @get(f"/{kind}/{{record_id:str}}", sync_to_thread=False, name=f"{kind}-one")
    def one(request: Asked, record_id: Id) -> Response[bytes]:
        no_parameters(request)
        answers: Answers = request.app.state.current.answers
        records = _records(answers, kind)
        if record_id not in records:
            nearest = difflib.get_close_matches(record_id, records, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(nearest)}?" if nearest else f"; GET /{kind} lists all"
            raise NotFoundException(f"nothing called {record_id!r} among {kind}{hint}")
        return answered(request, answers, _encode(records[record_id], answers))

    return [everything, one]


def _records(answers: Answers, kind: str) -> Mapping[str, Record]:
    records: Mapping[str, Record] = getattr(answers.catalog.facts, kind)
    return records


def _encode(record: Record, answers: Answers) -> bytes:
    """The record, and beside the sources that it states where each can be looked up."""
    stated: tuple[str, ...] = getattr(record, "sources", ())
    values = record.model_dump(mode="json")
    if stated:
        values["citations"] = [cite(source, answers.catalog.facts).model_dump(mode="json") for source in stated]
    return msgspec.json.encode(values)


HANDLERS = [handler for kind in KINDS for handler in listing(kind)]
