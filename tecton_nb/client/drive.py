"""How a flow gets its answers: by waiting, or by awaiting. Everything above is the same for both."""

from __future__ import annotations

import math
import sys
from collections.abc import Generator
from functools import partial
from typing import Any, Generic, TypeVar, cast

import httpx

from ..batch.drive import wait_async, wait_for
from ..batch.job import BatchJob
from ..batch.ledger import Ledger
from ..batch.result import FeatureBatch
from ..batch.run import BatchRun
from ..exceptions import InputError, TectonError
from ..transport.answers import read_answer
from ..transport.calls import Call
from ..transport.connection import Connection
from ..transport.engine import Engine
from ..transport.exchange import Lane, LoopLane, ThreadLane, send, send_async
from ..transport.httpx_face import AsyncEngineTransport, EngineTransport, no_cookies
from .core import Batch
from .flows import Flow

T = TypeVar("T")
# A polite number of single calls at once: what is asked beyond it waits here, not in the feature server. A batch
# allows as many as its own concurrency.
MAX_IN_FLIGHT = 8


class Driver:
    """Runs flows and waits, through our engine or the user's own `httpx.Client`."""

    def __init__(self, connection: Connection, deadline_seconds: float, client: httpx.Client | None) -> None:
        self._connection = connection
        self._engine = Engine(max_in_flight=MAX_IN_FLIGHT)
        self.is_borrowed = client is not None
        # Our engine keeps the deadline itself.
        self._deadline_seconds = deadline_seconds if self.is_borrowed else math.inf
        own = EngineTransport(self._engine, deadline_seconds=deadline_seconds)
        self._http = client if client is not None else httpx.Client(transport=own, cookies=no_cookies())

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._http.is_closed

    def refuse_borrowed(self) -> None:
        """Raise an error if requests go through a client of the user."""
        if self.is_borrowed:
            raise InputError(
                "An httpx.Client of your own cannot go to the workers of Dask. Make the TectonClient without client=."
            )

    def run(self, flow: Flow[T]) -> T:
        """Return the result of a flow."""
        step: _Step[T] = _Step(flow)
        while not step.is_over:
            try:
                found = self._batch(step.need) if isinstance(step.need, Batch) else self._send(step.need)
            except TectonError as error:
                step.failed(error)
            except BaseException:
                # An interrupt: the flow puts in order what it has begun.
                step.close()
                raise
            else:
                step.answered(found)
        return cast(T, step.result)

    def close(self) -> None:
        """Close what is ours; a client the user brought stays open."""
        if not self.is_borrowed:
            self._http.close()
        self._engine.close()

    def _send(self, call: Call[Any]) -> Any:
        answer = send(self._http, self._connection.request_for(call), self._deadline_seconds)
        return read_answer(call, answer, self._connection.key)

    def start(self, flow: Flow[T]) -> BatchJob:
        """Begin the batch of a flow in the background; the flow must need nothing before it."""
        batch = next(flow)
        if not isinstance(batch, Batch):
            raise TypeError("The flow needs an answer before its batch.")
        lane = self._lane(batch)
        try:
            run = _begin(batch, lane)
        except BaseException:
            _close(batch, lane, wait=False)
            raise
        return BatchJob(run, partial(_close, batch, lane, wait=False))

    def _batch(self, batch: Batch) -> FeatureBatch:
        lane = self._lane(batch)
        try:
            return wait_for(_begin(batch, lane), progress=batch.progress, is_last=batch.is_remembered)
        finally:
            # After an interrupt running requests are not waited for.
            _close(batch, lane, wait=sys.exc_info()[0] is None)

    def _lane(self, batch: Batch) -> Lane:
        if self.is_borrowed:
            return ThreadLane(self._http, batch.most_in_flight)
        self._engine.reserve(batch.most_in_flight)
        return self._engine


class AsyncDriver:
    """Runs flows and awaits, through our engine or the user's own `httpx.AsyncClient`."""

    def __init__(self, connection: Connection, deadline_seconds: float, client: httpx.AsyncClient | None) -> None:
        self._connection = connection
        self._engine = Engine(max_in_flight=MAX_IN_FLIGHT)
        self.is_borrowed = client is not None
        # Our engine keeps the deadline itself.
        self._deadline_seconds = deadline_seconds if self.is_borrowed else math.inf
        own = AsyncEngineTransport(self._engine, deadline_seconds=deadline_seconds)
        self._http = client if client is not None else httpx.AsyncClient(transport=own, cookies=no_cookies())

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._http.is_closed

    async def run(self, flow: Flow[T]) -> T:
        """Return the result of a flow."""
        step: _Step[T] = _Step(flow)
        while not step.is_over:
            try:
                found = await (self._batch(step.need) if isinstance(step.need, Batch) else self._send(step.need))
            except TectonError as error:
                step.failed(error)
            except BaseException:
                # An interrupt: the flow puts in order what it has begun.
                step.close()
                raise
            else:
                step.answered(found)
        return cast(T, step.result)

    async def close(self) -> None:
        """Close what is ours; a client the user brought stays open."""
        if not self.is_borrowed:
            await self._http.aclose()
        self._engine.close()

    async def _send(self, call: Call[Any]) -> Any:
        answer = await send_async(self._http, self._connection.request_for(call), self._deadline_seconds)
        return read_answer(call, answer, self._connection.key)

    async def _batch(self, batch: Batch) -> FeatureBatch:
        if self.is_borrowed:
            return await wait_async(
                _begin(batch, LoopLane(self._http)), progress=batch.progress, is_last=batch.is_remembered
            )
        self._engine.reserve(batch.most_in_flight)
        try:
            return await wait_async(_begin(batch, self._engine), progress=batch.progress, is_last=batch.is_remembered)
        finally:
            _close(batch, self._engine, wait=False)


def _begin(batch: Batch, lane: Lane) -> BatchRun:
    ledger = Ledger.open(batch.resume, batch.scope) if batch.resume is not None else None
    try:
        return BatchRun(batch.plan, batch.settings, lane, batch.governor, ledger=ledger)
    except BaseException:
        # An interrupt while the file is read; left open it would be locked for the next run.
        if ledger is not None:
            ledger.close()
        raise


def _close(batch: Batch, lane: Lane, *, wait: bool) -> None:
    if isinstance(lane, ThreadLane):
        lane.close(wait=wait)
    elif isinstance(lane, Engine):
        lane.release(batch.most_in_flight)


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

    def close(self) -> None:
        self._flow.close()

    def _advance(self, resume: Any) -> None:
        try:
            self.need: Call[Any] | Batch = resume()
        except StopIteration as stop:
            self.is_over, self.result = True, stop.value
