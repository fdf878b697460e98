"""Question → answer, through the SDK alone. One core for every chat; it stays up when the service is down, and says so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from modelpicker import BadRequestError, ConnectionFailedError, NotFoundError, ProblemError
from pydantic import ValidationError

from modelpicker_chatops.asking import Question, understand
from modelpicker_chatops.replies import LEGEND, MARK, Reply
from modelpicker_chatops.vocabulary import Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelpicker import AsyncClient
    from modelpicker.wire.answers import Config, Interval, RecommendAnswer

VOCABULARY_SECONDS = 600.0
"""How long what the service knows is remembered before it is asked again."""
LISTED, REJECTED = 5, 3
GB = 1e9
UNITS = (1, 2, 4, 8)
HELP = Reply(
    "I pick models for a machine. Ask me like this:",
    (
        "pick min_tg=30 ctx=64k coding",
        "pick for coding at 30 tok/s on 2 sparks",
        "what fits at 64k context with four users",
        "why not llama 70b fp8?",
        "compare gpt-oss-120b qwen3-coder-next",
        "what would 235B need?",
    ),
    notes=("Numbers are tokens per second of one stream with their 80 % interval.", LEGEND),
)


class Bot:
    """Answers one message at a time; holds nothing but the client and what it knows of names."""

    def __init__(self, client: AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known = Vocabulary()
        self._read_at: float | None = None

    async def answer(self, text: str) -> Reply:
        """The reply to a message. Never raises for what a person typed or for a service that is down."""
        try:
            known = await self._vocabulary()
            question = understand(text, known)
            reply = HELP if question.kind == "help" else await self._reply(question)
        except (BadRequestError, NotFoundError) as error:
            reasons = [f"{name}: {reason}" for name, reason in error.errors] or [str(error)]
            return Reply("I cannot ask that:", tuple(reasons))
        except ValidationError as error:
            return Reply(
                "I cannot ask that:", tuple(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            )
        except ConnectionFailedError:
            return Reply("The modelpicker service does not answer right now. I am still here: ask again in a minute.")
        except ProblemError as error:
            return Reply("The modelpicker service could not answer.", (str(error),))
        return _with_notes(reply, question)

    async def _vocabulary(self) -> Vocabulary:
        now = self._clock()
        if self._read_at is None or now - self._read_at > VOCABULARY_SECONDS:
            self._known = await read_vocabulary(self._client)
            self._read_at = now
        return self._known

    async def _reply(self, question: Question) -> Reply:
        if question.kind == "compare":
            return await self._compare(question)
        if question.kind == "need" and question.models:
            return await self._need(question)
        return await self._pick(question)

    async def _pick(self, question: Question) -> Reply:
        fields: dict[str, Any] = dict(question.fields)
        if question.models:
            fields["model"] = [model for mention in question.models for model in mention]
        fields |= {"limit": LISTED, "rejected_limit": REJECTED} | ({"min_tg": 30} if _why(question) else {})
        answer = await self._client.recommend(**fields)
        if question.kind == "why":
            return _why_not(answer)
        return _picked(answer)

    async def _compare(self, question: Question) -> Reply:
        configs = [await self._best(mention, question) for mention in question.models]
        found = [config for config in configs if config]
        if len(found) < 2:
            return Reply("Name two models to compare, for example: compare gpt-oss-120b qwen3-coder-next")
        answer = await self._client.compare(*found)
        rows = [
            f"{d.figure} ({d.unit}): " + " | ".join("–" if v is None else f"{v:,.4g}" for v in d.values)
            for d in answer.differences
        ]
        return Reply(answer.summary, (" | ".join(found), *rows))

    async def _best(self, models: tuple[str, ...], question: Question) -> str | None:
        """The best config of the first of these models that has one, as ``compare`` reads it."""
        fields: dict[str, Any] = {
            name: value for name, value in question.fields.items() if name in {"hardware", "units", "quant", "engine"}
        }
        for model in models:
            answer = await self._client.recommend(model=[model], min_tg=0, limit=1, rejected_limit=1, **fields)
            if answer.recommendations or answer.rejected:
                config = (answer.recommendations or answer.rejected)[0].config
                return f"{_name(config)}@{config.hardware}:{config.units}"
        return None

    async def _need(self, question: Question) -> Reply:
        fields: dict[str, Any] = {
            n: v
            for n, v in question.fields.items()
            if n in {"quant", "engine", "min_tg", "context", "concurrency", "task"}
        }
        model = question.models[0][0]
        answer = await self._client.recommend_hardware(model=model, limit=LISTED, **fields)
        rows = tuple(
            f"{x.rank}. {x.name} × {x.units}: {_interval(x.best.decode_tok_s)} tok/s with {x.best.config.quant} on {x.best.config.engine}"
            + ("" if x.price_usd is None else f", about ${x.price_usd:,.0f}")
            for x in answer.recommendations
        )
        enough = await self._enough(model, question, fields)
        if not rows:
            return Reply(f"No single listed machine runs {model} within these limits.", enough)
        return Reply(f"What runs {model}, cheapest first:", (*rows, *enough))

    async def _enough(self, model: str, question: Question, fields: dict[str, Any]) -> tuple[str, ...]:
        """How many of the machine that was asked about (or of the usual one) it takes."""
        machine: dict[str, Any] = {name: value for name, value in question.fields.items() if name == "hardware"}
        for units in UNITS:
            answer = await self._client.recommend(
                model=[model], units=units, limit=1, rejected_limit=0, **machine, **fields
            )
            if answer.recommendations:
                best = answer.recommendations[0]
                figure = f"{_interval(best.decode_tok_s)} tok/s with {_name(best.config)}"
                return (f"On {best.config.hardware}: {units} unit{'s' * (units > 1)}, {figure}.",)
        return ()


def _why(question: Question) -> bool:
    """Whether "why not" asked for no speed of its own: then the page's win, 30 tok/s, is what it is held to."""
    return question.kind == "why" and "min_tg" not in question.fields


def _picked(answer: RecommendAnswer) -> Reply:
    counts, refused = answer.counts, tuple(f"{_name(x.config)}: {x.reasons[0].message}" for x in answer.rejected)
    if not answer.recommendations:
        return Reply("Nothing meets these limits.", (answer.advice or "",), rejected=refused)
    rows = tuple(
        f"{x.rank}. {MARK[x.basis]} {_name(x.config)}: {_interval(x.decode_tok_s)} tok/s, {x.memory.total_bytes / GB:.0f} GB"
        + ("" if x.quality.index is None else f", quality {x.quality.index:.0f}")
        for x in answer.recommendations
    )
    title = f"{counts.feasible:,} of {counts.considered:,} configs meet the limits. The best:"
    return Reply(title, rows, answer.recommendations[0].launch, refused, (LEGEND,))


def _why_not(answer: RecommendAnswer) -> Reply:
    if not answer.rejected:
        return _picked(answer)
    first = answer.rejected[0]
    lines = [reason.message for reason in first.reasons]
    lines += [f"measured: {s.decode_tok_s:g} tok/s ({s.evidence}, {s.url})" for s in first.sources if s.decode_tok_s][
        :2
    ]
    if first.nearest:
        near = first.nearest
        lines.append(f"nearest change: {near.change} {near.from_} → {near.to}, then {near.decode_tok_s:g} tok/s")
    rest = tuple(f"{_name(x.config)}: {x.reasons[0].message}" for x in answer.rejected[1:])
    return Reply(f"Why not {_name(first.config)}:", tuple(lines), rejected=rest)


def _with_notes(reply: Reply, question: Question) -> Reply:
    """What was understood, and the words that were not, with the nearest known one."""
    if not question.unknown:
        return reply
    said = [f"{word!r}" + (f" (did you mean {near}?)" if near else "") for word, near in question.unknown]
    fields = ", ".join(f"{name}={value}" for name, value in question.fields.items()) or "nothing"
    models = ", ".join(mention[0] for mention in question.models)
    note = f"I did not understand {', '.join(said)}. I understood: {fields}" + (f", models {models}" if models else "")
    return Reply(reply.title, reply.lines, reply.launch, reply.rejected, (*reply.notes, note))


def _interval(figure: Interval) -> str:
    return f"{figure.value:.3g} ({figure.low:.3g}–{figure.high:.3g})"


def _name(config: Config) -> str:
    speculation = "" if config.speculation == "none" else f"/{config.speculation}"
    return f"{config.model}/{config.quant}/{config.engine}{speculation}"
