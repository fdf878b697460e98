"""``Client`` and ``AsyncClient``: the same calls, one waits and one awaits."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpx

from modelpicker import endpoints
from modelpicker.transport import Options, attempts, request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Unpack

    from modelpicker.endpoints import Call
    from modelpicker.fields import CompareFields, HardwareFields, MeasurementFields, PredictFields, RecommendFields
    from modelpicker.wire.answers import (
        CompareAnswer,
        HardwareAnswer,
        MeasurementOut,
        Prediction,
        RecommendAnswer,
    )

A = TypeVar("A")


@dataclass(frozen=True)
class RawResponse(Generic[A]):
    """An answer with what HTTP says of it: status and headers (ETag, request id)."""

    answer: A
    status: int
    headers: httpx.Headers
    content: bytes


class Client:
    """Asks a modelpicker service and waits for the answer. Reuses its connections; close it, or use ``with``."""

    def __init__(self, options: Options | None = None, *, transport: httpx.BaseTransport | None = None) -> None:
        """``options`` default to MODELPICKER_URL and MODELPICKER_API_KEY; ``transport`` is httpx's, for tests."""
        self.options = options or Options()
        self._http = httpx.Client(**self.options.client, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def with_raw_response(self, call: Call[A]) -> RawResponse[A]:
        """Send a call of ``modelpicker.endpoints`` and return its answer with status and headers."""
        plan = attempts(self.options.retries)
        outcome: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                wait = plan.send(outcome)
            except StopIteration as done:
                response: httpx.Response = done.value
                answer = call.read.validate_json(response.content)
                return RawResponse(answer, response.status_code, response.headers, response.content)
            if wait is not None:
                time.sleep(wait)
                outcome = None
                continue
            try:
                outcome = self._http.request(**request(call))
            except httpx.TransportError as error:
                outcome = error

    def _send(self, call: Call[A]) -> A:
        return self.with_raw_response(call).answer

    def recommend(self, **fields: Unpack[RecommendFields]) -> RecommendAnswer:
        """Which configs meet these limits, ranked, and why the others do not."""
        return self._send(endpoints.recommend(dict(fields)))

    def recommend_hardware(self, **fields: Unpack[HardwareFields]) -> HardwareAnswer:
        """Which machines run this model within these limits."""
        return self._send(endpoints.recommend_hardware(dict(fields)))

    def compare(self, *config: str, **fields: Unpack[CompareFields]) -> CompareAnswer:
        """Configs (model/quant/engine[/speculation][@hardware[:units]]) side by side."""
        return self._send(endpoints.compare({"config": config, **fields}))

    def predict(self, **fields: Unpack[PredictFields]) -> Prediction:
        """What one config does."""
        return self._send(endpoints.predict(dict(fields)))

    def list(self, kind: str) -> list[dict[str, Any]]:
        """All records of a kind: models, hardware, quants, engines or sources."""
        found: list[dict[str, Any]] = self._send(endpoints.listing(kind))[kind]
        return found

    def get(self, kind: str, identity: str) -> dict[str, Any]:
        """One record by id."""
        return self._send(endpoints.record(kind, identity))

    def measurements(self, **filters: Unpack[MeasurementFields]) -> Iterator[MeasurementOut]:
        """Every published figure that the filters let through, a page at a time behind the scenes."""
        cursor: str | None = None
        while True:
            page = self._send(endpoints.measurements(dict(filters), cursor))
            yield from page.measurements
            cursor = page.next_cursor
            if cursor is None:
                return


class AsyncClient:
    """The same for asyncio: await the answers, ``async for`` the measurements."""

    def __init__(self, options: Options | None = None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """``options`` default to MODELPICKER_URL and MODELPICKER_API_KEY; ``transport`` is httpx's, for tests."""
        self.options = options or Options()
        self._http = httpx.AsyncClient(**self.options.client, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def with_raw_response(self, call: Call[A]) -> RawResponse[A]:
        """Send a call of ``modelpicker.endpoints`` and return its answer with status and headers."""
        plan = attempts(self.options.retries)
        outcome: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                wait = plan.send(outcome)
            except StopIteration as done:
                response: httpx.Response = done.value
                answer = call.read.validate_json(response.content)
                return RawResponse(answer, response.status_code, response.headers, response.content)
            if wait is not None:
                await asyncio.sleep(wait)
                outcome = None
                continue
            try:
                outcome = await self._http.request(**request(call))
            except httpx.TransportError as error:
                outcome = error

    async def _send(self, call: Call[A]) -> A:
        return (await self.with_raw_response(call)).answer

    async def recommend(self, **fields: Unpack[RecommendFields]) -> RecommendAnswer:
        """Which configs meet these limits, ranked, and why the others do not."""
        return await self._send(endpoints.recommend(dict(fields)))

    async def recommend_hardware(self, **fields: Unpack[HardwareFields]) -> HardwareAnswer:
        """Which machines run this model within these limits."""
        return await self._send(endpoints.recommend_hardware(dict(fields)))

    async def compare(self, *config: str, **fields: Unpack[CompareFields]) -> CompareAnswer:
        """Configs (model/quant/engine[/speculation][@hardware[:units]]) side by side."""
        return await self._send(endpoints.compare({"config": config, **fields}))

    async def predict(self, **fields: Unpack[PredictFields]) -> Prediction:
        """What one config does."""
        return await self._send(endpoints.predict(dict(fields)))

    async def list(self, kind: str) -> list[dict[str, Any]]:
        """All records of a kind: models, hardware, quants, engines or sources."""
        found: list[dict[str, Any]] = (await self._send(endpoints.listing(kind)))[kind]
        return found

    async def get(self, kind: str, identity: str) -> dict[str, Any]:
        """One record by id."""
        return await self._send(endpoints.record(kind, identity))

    async def measurements(self, **filters: Unpack[MeasurementFields]) -> AsyncIterator[MeasurementOut]:
        """Every published figure that the filters let through, a page at a time behind the scenes."""
        cursor: str | None = None
        while True:
            page = await self._send(endpoints.measurements(dict(filters), cursor))
            for row in page.measurements:
                yield row
            cursor = page.next_cursor
            if cursor is None:
                return
