"""How a flow gets its answers: by waiting, or by awaiting. Everything above is the same for both."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Generator
from typing import Any, Generic, TypeVar, cast

import httpx

from ..batch.result import FeatureBatch
from ..batch.run import BatchRun
from ..exceptions import TectonError
from ..transport.answers import read_answer
from ..transport.calls import Call
from ..transport.connection import Connection
from ..transport.engine import Engine
from ..transport.exchange import LoopLane, ThreadLane, send, send_async
from ..transport.httpx_face import AsyncEngineTransport, EngineTransport, no_cookies
from .flows import Batch, Flow

T = TypeVar("T")
# A polite number of requests at once; what is asked beyond it waits here, not in the feature server.
MAX_IN_FLIGHT = 8


class Driver:
    """Runs flows and waits, through our engine or the user's own `httpx.Client`."""

    def __init__(self, connection: Connection, deadline_seconds: float, client: httpx.Client | None) -> None:
        self._connection = connection
        self._engine = Engine(max_in_flight=MAX_IN_FLIGHT)
        self._is_borrowed = client is not None
        # Our engine keeps the deadline itself.
        self._deadline_seconds = deadline_seconds if self._is_borrowed else math.inf
        own = EngineTransport(self._engine, deadline_seconds=deadline_seconds)
        self._http = client if client is not None else httpx.Client(transport=own, cookies=no_cookies())

    def run(self, flow: Flow[T]) -> T:
        """Return the result of a flow."""
        step: _Step[T] = _Step(flow)
        while not step.is_over:
            try:
                found = self._batch(step.need) if isinstance(step.need, Batch) else self._send(step.need)
            except TectonError as error:
                step.failed(error)
            else:
                step.answered(found)
        return cast(T, step.result)

    def close(self) -> None:
        """Close what is ours; a client the user brought stays open."""
        if not self._is_borrowed:
            self._http.close()
        self._engine.close()

    def _send(self, call: Call[Any]) -> Any:
        answer = send(self._http, self._connection.request_for(call), self._deadline_seconds)
        return read_answer(call, answer, self._connection.key)

    def _batch(self, batch: Batch) -> FeatureBatch:
        lane = ThreadLane(self._http) if self._is_borrowed else None
        run = BatchRun(batch.plan, batch.settings, lane or self._engine)
        try:
            run.start()
            return run.outcome.result()
        finally:
            # Nothing is left to cancel but after an interrupt, which is not to wait for running requests.
            run.cancel()
            if lane is not None:
                lane.close(wait=run.outcome.done())


class AsyncDriver:
    """Runs flows and awaits, through our engine or the user's own `httpx.AsyncClient`."""

    def __init__(self, connection: Connection, deadline_seconds: float, client: httpx.AsyncClient | None) -> None:
        self._connection = connection
        self._engine = Engine(max_in_flight=MAX_IN_FLIGHT)
        self._is_borrowed = client is not None
        # Our engine keeps the deadline itself.
        self._deadline_seconds = deadline_seconds if self._is_borrowed else math.inf
        own = AsyncEngineTransport(self._engine, deadline_seconds=deadline_seconds)
        self._http = client if client is not None else httpx.AsyncClient(transport=own, cookies=no_cookies())

    async def run(self, flow: Flow[T]) -> T:
        """Return the result of a flow."""
        step: _Step[T] = _Step(flow)
        while not step.is_over:
            try:
                found = await (self._batch(step.need) if isinstance(step.need, Batch) else self._send(step.need))
            except TectonError as error:
                step.failed(error)
            else:
                step.answered(found)
        return cast(T, step.result)

    async def close(self) -> None:
        """Close what is ours; a client the user brought stays open."""
        if not self._is_borrowed:
            await self._http.aclose()
        self._engine.close()

    async def _send(self, call: Call[Any]) -> Any:
        answer = await send_async(self._http, self._connection.request_for(call), self._deadline_seconds)
        return read_answer(call, answer, self._connection.key)

    async def _batch(self, batch: Batch) -> FeatureBatch:
        run = BatchRun(batch.plan, batch.settings, LoopLane(self._http) if self._is_borrowed else self._engine)
        try:
            run.start()
            return await asyncio.wrap_future(run.outcome)
        finally:
            run.cancel()


class _Step(Generic[T]):
    """Where a flow stands: what it needs next, or its result."""

    def __init__(self, flow: Generator[Call[Any] | Batch, Any, T]) -> None:
        self._flow = flow
        self.is_over = False
        self.result: T | None = None
        self.answered(None)

    def answered(self, found: object) -> None:
        self._advance(lambda: self._flow.send(found))

    def failed(self, error: TectonError) -> None:
        self._advance(lambda: self._flow.throw(error))

    def _advance(self, resume: Any) -> None:
        try:
            self.need: Call[Any] | Batch = resume()
        except StopIteration as stop:
            self.is_over, self.result = True, stop.value
