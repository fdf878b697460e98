"""``modelpicker mcp``: the service as tools for agents, over stdio or streamable HTTP, on the official ``mcp`` package.

Five tools: ``recommend``, ``predict``, ``compare``, ``why_not`` and ``list_known``. Their answers are the wire's, shortened to what a
model needs to decide and to cite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field, ValidationError

from modelpicker.client import AsyncClient
from modelpicker.errors import ModelpickerError
from modelpicker.wire.questions import Task

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from modelpicker.wire.answers import Figures, Reason, SourceFigure

INSTRUCTIONS = (
    "Which LLM, at which quantisation, on which engine, to run on a machine such as a DGX Spark. Every figure has an 80 % interval and "
    "says whether it was measured (basis: measured), follows from measured neighbours (calibrated) or from physics alone (roofline); "
    "quote the interval and the source with it. Names must be ids: call list_known when unsure."
)
Tokens = Annotated[
    int | None, Field(description="tokens in the KV cache when decoding starts (default: the 2,048 of the prompt)")
]
Hardware = Annotated[str, Field(description="hardware id, from list_known('hardware')")]
Units = Annotated[int, Field(description="how many of the hardware work together", ge=1, le=64)]
Streams = Annotated[int, Field(description="requests at once", ge=1)]
Speed = Annotated[float, Field(description="decode tokens per second that one stream must reach")]
MODEL, QUANT, ENGINE = (
    Field(description=f"{kind} id, from list_known('{kind}s')") for kind in ("model", "quant", "engine")
)


def create_server(client: AsyncClient) -> MCPServer:
    """The tools, asking through ``client``."""
    server = MCPServer("modelpicker", instructions=INSTRUCTIONS)

    @server.tool()
    async def recommend(
        hardware: Hardware = "dgx-spark",
        units: Units = 1,
        min_tg: Speed = 10.0,
        task: Annotated[Task, Field(description="what the model is for: sets the quality index")] = "general",
        context: Tokens = None,
        concurrency: Streams = 1,
        min_quality: Annotated[float | None, Field(description="least quality index, 0 to 100")] = None,
        memory_gb: Annotated[
            float | None, Field(description="memory per unit that may be taken; default: what is safe")
        ] = None,
        limit: Annotated[int, Field(description="how many to return", ge=1, le=20)] = 5,
    ) -> dict[str, Any]:
        """Rank model × quant × engine choices that meet all limits, best first, one per model, and say why others do not."""
        optional = {"context": context, "min_quality": min_quality, "memory_gb": memory_gb}
        given: dict[str, Any] = {name: value for name, value in optional.items() if value is not None}
        answer = await _said(
            client.recommend(
                hardware=hardware, units=units, min_tg=min_tg, task=task, concurrency=concurrency, limit=limit,
                rejected_limit=3, **given,
            )
        )  # fmt: skip
        return {
            "recommendations": [{"rank": x.rank, **_figures(x)} for x in answer.recommendations],
            "rejected": [{"config": x.config.model_dump(), "reasons": _reasons(x.reasons)} for x in answer.rejected],
            "counts": answer.counts.model_dump(),
            "advice": answer.advice,
        }

    @server.tool()
    async def predict(
        model: Annotated[str, MODEL],
        quant: Annotated[str, QUANT],
        engine: Annotated[str, ENGINE],
        hardware: Hardware = "dgx-spark",
        units: Units = 1,
        speculation: Annotated[str, Field(description="none, or a method with its length: mtp-3")] = "none",
        context: Tokens = None,
        concurrency: Streams = 1,
    ) -> dict[str, Any]:
        """Speed, latency and memory of one exact choice, whether or not it fits."""
        given: dict[str, Any] = {} if context is None else {"context": context}
        answer = await _said(
            client.predict(
                model=model, quant=quant, engine=engine, hardware=hardware, units=units, speculation=speculation,
                concurrency=concurrency, **given,
            )
        )  # fmt: skip
        return {**_figures(answer), "feasible": answer.feasible, "reasons": _reasons(answer.reasons)}

    @server.tool()
    async def compare(
        configs: Annotated[
            list[str],
            Field(description="two or more, each model/quant/engine[/speculation][@hardware[:units]]", min_length=2),
        ],
    ) -> dict[str, Any]:
        """Choices side by side, and which differences their intervals can tell apart."""
        answer = await _said(client.compare(*configs))
        return {"summary": answer.summary, "differences": [d.model_dump() for d in answer.differences]}

    @server.tool()
    async def why_not(
        model: Annotated[str, MODEL],
        quant: Annotated[str | None, QUANT] = None,
        hardware: Hardware = "dgx-spark",
        units: Units = 1,
        min_tg: Speed = 30.0,
    ) -> dict[str, Any]:
        """Why a model is turned down there, with the arithmetic, what was measured, and the smallest change that would help."""
        given: dict[str, Any] = {} if quant is None else {"quant": [quant]}
        answer = await _said(
            client.recommend(
                model=[model], hardware=hardware, units=units, min_tg=min_tg, limit=1, rejected_limit=5, **given
            )
        )
        return {
            "rejected": [
                {
                    "config": x.config.model_dump(),
                    "reasons": _reasons(x.reasons),
                    "measured": [_source(s) for s in x.sources[:3]],
                    "nearest": x.nearest and x.nearest.model_dump(by_alias=True),
                }
                for x in answer.rejected
            ],
            "feasible_instead": [_figures(x) for x in answer.recommendations],
            "advice": answer.advice,
        }

    @server.tool()
    async def list_known(
        kind: Annotated[Literal["models", "hardware", "quants", "engines"], Field(description="what to list")],
        containing: Annotated[str, Field(description="only ids that hold this text")] = "",
    ) -> dict[str, Any]:
        """The ids that the other tools take."""
        records = await _said(client.list(kind))
        return {kind: [r["id"] for r in records if containing.casefold() in r["id"]]}

    return server


async def serve(transport: Literal["stdio", "http"], host: str, port: int) -> None:
    """Serve the tools until told to stop."""
    async with AsyncClient() as client:
        server = create_server(client)
        if transport == "stdio":
            await server.run_stdio_async()
        else:
            await server.run_streamable_http_async(host=host, port=port)


async def _said(answer: Awaitable[Any]) -> Any:
    """An answer, or what is wrong as a sentence that the agent can act on."""
    try:
        return await answer
    except ValidationError as error:
        raise ToolError("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())) from error
    except ModelpickerError as error:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in getattr(error, "errors", ()))
        raise ToolError(reasons or str(error)) from error


def _figures(x: Figures) -> dict[str, Any]:
    return {
        "config": x.config.model_dump(),
        "verdict": x.verdict,
        "basis": x.basis,
        "decode_tok_s": x.decode_tok_s.model_dump(),
        "prefill_tok_s": x.prefill_tok_s.model_dump(),
        "ttft_ms": x.ttft_ms.model_dump(),
        "memory_gb": round(x.memory.total_bytes / 1e9, 1),
        "quality_index": x.quality.index,
        "why": x.why,
        "launch": x.launch,
        "sources": [_source(s) for s in x.sources[:3]],
    }


def _reasons(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    return [reason.model_dump() for reason in reasons]


def _source(source: SourceFigure) -> dict[str, Any]:
    return {"decode_tok_s": source.decode_tok_s, "evidence": source.evidence, "date": source.date, "url": source.url}
