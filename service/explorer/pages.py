"""``/`` and ``/config`` as whole pages, and as the parts that the script puts in place when a limit moves."""

from __future__ import annotations

import gzip
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, get
from modelpicker.wire.questions import RecommendQuestion

from service.api.problems import FieldErrors
from service.api.reading import from_query
from service.explorer.assets import address, compressed
from service.explorer.chart import AXES, marks
from service.explorer.links import DEFAULTS, config_link, fields_of, flat, how, question_link
from service.explorer.panel import panel
from service.recommendation.asked import BadQuestionError
from service.recommendation.recommend import answer, consider

if TYPE_CHECKING:
    from catalog.catalog import Catalog

Asked = Request[Any, Any, Any]
PLOT_STYLE_SHA256 = "SgjNc3K/dJOn/wGF4KRGlSlGurHOsncfKxd6/DWDch4="
"""Hash of the one style sheet that the chart library writes into a drawing."""
POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' 'sha256-{PLOT_STYLE_SHA256}'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content Security Policy: nothing inline, nothing from elsewhere."""
CONTROLS = (
    "hardware", "units", "memory_gb", "context", "concurrency", "min_tg", "task", "min_quality", "evidence", "speculation",
    "sort", "per_model",
)  # fmt: skip
"""Fields of the question that the page has a control for; the others of an address travel along."""
USUAL = {
    **{
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in DEFAULTS.model_dump(include=set(CONTROLS)).items()
        if value is not None
    },
    "x": "quality",
    "y": "decode",
}
"""What the controls say before anybody touched them: such values stay out of addresses."""
OWN = ("x", "y", "config")
"""Parameters that are the explorer's, not the question's: the axes, and the config that a page is about."""
CHANGES = {
    "units",
    "context",
    "concurrency",
    "memory_gb",
    "min_tg",
    "min_pp",
    "max_ttft_ms",
    "max_latency_ms",
    "min_quality",
    "evidence",
}
"""Changes that move the question; the others name another config."""


def _number(value: float | None, digits: int = 3) -> str:
    """A figure as people read it: three significant digits, thousands apart."""
    if value is None:
        return "–"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 or rounded == int(rounded) else f"{rounded:,g}"


def _seconds(ms: float) -> str:
    return f"{_number(ms / 1e3)} s" if ms >= 1000 else f"{_number(ms)} ms"


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"number": _number, "seconds": _seconds, "how": how, "gb": lambda x: f"{x / 1e9:,.1f}"}
TEMPLATES.globals |= {"address": address, "axes": AXES, "config_link": config_link, "usual": urlencode(USUAL)}


@get("/", sync_to_thread=True, include_in_schema=False)
def index(request: Asked) -> Response[bytes]:
    """The trade-off, the limits, and the ranked list."""
    return _page(request, "page.html", _results)


@get("/config", sync_to_thread=True, include_in_schema=False)
def config(request: Asked) -> Response[bytes]:
    """One config under the question."""
    return _page(request, "config_page.html", _config)


@get("/explorer/results", sync_to_thread=True, include_in_schema=False)
def results_part(request: Asked) -> Response[bytes]:
    """What changes on the first page when a limit moves."""
    return _page(request, "results.html", _results)


@get("/explorer/config", sync_to_thread=True, include_in_schema=False)
def config_part(request: Asked) -> Response[bytes]:
    """What the panel shows."""
    return _page(request, "config.html", _config)


HANDLERS = [index, config, results_part, config_part]


def _page(request: Asked, template: str, contents: Any) -> Response[bytes]:
    """Render one template, or, for a question that cannot be answered, the same page with a message and status 400."""
    catalog: Catalog = request.app.state.current.answers.catalog
    question, status, problem = DEFAULTS, HTTPStatus.OK, None
    own: dict[str, str] = {}
    found: dict[str, Any] = {}
    try:
        question, own = _asked(request)
        found = contents(catalog, question, own)
    except FieldErrors as error:
        problem, status = error.errors, error.status
    except BadQuestionError as error:
        problem, status = [(error.field, error.reason)], HTTPStatus.BAD_REQUEST
    text = TEMPLATES.get_template(template if not problem or template == "page.html" else _problem(template)).render(
        question=question,
        others=[(name, value) for name, value in flat(fields_of(question)).items() if name not in CONTROLS],
        own=own,
        problem=problem,
        found=found or None,
        machines=[
            (h.id, h.name) for h in catalog.facts.hardware.values() if h.bandwidth_gb_s and catalog.safe_budget_bytes(h)
        ],
        version=catalog.version,
    )
    plain = text.encode()
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    return compressed(request, plain, lambda: gzip.compress(plain, 6, mtime=0), MediaType.HTML, headers, status.value)


def _problem(template: str) -> str:
    return "problem_page.html" if template.endswith("_page.html") else "problem.html"


def _asked(request: Asked) -> tuple[RecommendQuestion, dict[str, str]]:
    """The question, an empty control being one that asks nothing, and what is the explorer's own. Raises FieldErrors."""
    query = request.scope["query_string"]
    limit = request.app.state.settings.max_query_bytes
    if len(query) > limit:
        return from_query(RecommendQuestion, query, limit), {}
    pairs = [(name, value) for name, value in parse_qsl(query.decode("latin-1"), max_num_fields=500) if value.strip()]
    own = {name: value for name, value in pairs if name in OWN}
    asked = {name for name, _ in pairs}
    usual = [(name, str(getattr(DEFAULTS, name))) for name in ("limit", "rejected_limit") if name not in asked]
    rest = urlencode([(name, value) for name, value in pairs if name not in OWN] + usual)
    for name in ("x", "y"):
        if name in own and own[name] not in AXES:
            raise FieldErrors([(name, f"no such axis: {', '.join(AXES)} are known")])
    return from_query(RecommendQuestion, rest.encode(), limit), own


def _results(catalog: Catalog, question: RecommendQuestion, own: dict[str, str]) -> dict[str, Any]:
    """What results.html shows."""
    considered = consider(catalog, question)
    told = answer(catalog, question, considered)
    drawn = {
        "x": own.get("x", "quality"),
        "y": own.get("y", "decode"),
        "axes": AXES,
        "marks": marks(question, considered, told),
    }
    changes = [_change(question, r.nearest) for r in told.rejected]
    return {"answer": told, "chart": drawn, "rejected": list(zip(told.rejected, changes, strict=True))}


def _config(catalog: Catalog, question: RecommendQuestion, own: dict[str, str]) -> dict[str, Any]:
    """What config.html shows."""
    if "config" not in own:
        raise FieldErrors([("config", "write model/quant/engine/speculation")])
    shown = panel(catalog, question, own["config"])
    hardware = shown.figures["config"].hardware
    return {
        "panel": shown,
        "change": _change(question, shown.nearest),
        "hardware": catalog.facts.hardware[hardware].name,
        "back": question_link(question),
        "more": shown.measurements - len(shown.figures["sources"]),
    }


def _change(question: RecommendQuestion, nearest: Any) -> dict[str, Any] | None:
    """The nearest change in words, with the address that asks it."""
    if nearest is None:
        return None
    moved = nearest.change in CHANGES
    to = _number(nearest.to, 6) if isinstance(nearest.to, (int, float)) else str(nearest.to)
    asked = fields_of(question) | {nearest.change: nearest.to}
    if nearest.change == "context" and question.isl and nearest.to < question.isl:
        asked["isl"] = nearest.to
    changed = (
        RecommendQuestion.model_validate({**DEFAULTS.model_dump(exclude={"models"}), **asked}) if moved else question
    )
    return {
        "words": f"{nearest.change} {to}",
        "href": config_link(changed, nearest.config),
        "decode_tok_s": nearest.decode_tok_s,
    }
