"""Runs a plan: every row one call, all of them through one lane, answers put where they belong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from .. import columns
from ..exceptions import DecodeError, InputError, TectonError
from ..frames.assemble import FeatureColumns, Schema
from ..transport.answers import read_answer, without_key
from ..transport.calls import Call
from ..transport.connection import Connection
from ..transport.exchange import Lane
from ..transport.messages import HttpAnswer
from ..wire.requests import RequestRow
from ..wire.responses import FeaturesReply
from .plan import Plan
from .result import CallRecord, FeatureBatch


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What a run is for: the service, its features, and how a row becomes a call."""

    service: str
    schema: Schema
    call_for: Callable[[RequestRow], Call[FeaturesReply]]
    connection: Connection
    deadline_seconds: float


class BatchRun:
    """One run; `outcome` holds the `FeatureBatch` once every row has its answer or its error.

    Rows end in any order, on the threads of the lane. Nothing is retried.
    """

    def __init__(self, plan: Plan, settings: BatchSettings, lane: Lane) -> None:
        self.outcome: Future[FeatureBatch] = Future()
        self._plan = plan
        self._settings = settings
        self._table = FeatureColumns(settings.schema, len(plan.rows))
        self._errors: dict[int, TectonError] = {}
        self._records: list[CallRecord] = []
        self._left = len(plan.rows)
        self._lock = threading.Lock()
        self._calls: list[Future[HttpAnswer]] = []
        self._lane = lane

    def start(self) -> None:
        """Hand every row to the lane."""
        for i, row in enumerate(self._plan.rows):
            self._start(i, row)
        if not self._plan.rows:
            self._end()

    def cancel(self) -> None:
        """End every call that has no answer yet."""
        # Newest first: what still waits must not be sent in place of what was just ended.
        for call in reversed(self._calls):
            call.cancel()

    def _start(self, i: int, row: RequestRow | InputError) -> None:
        if isinstance(row, InputError):
            self._row_ended(partial(self._fail, i, row))
            return
        call = self._settings.call_for(row)
        request = self._settings.connection.request_for(call)
        answer = self._lane.submit(request, deadline_seconds=self._settings.deadline_seconds)
        self._calls.append(answer)
        answer.add_done_callback(lambda done: self._row_ended(partial(self._take, i, call, done)))

    def _row_ended(self, put: Callable[[], None]) -> None:
        with self._lock:
            try:
                put()
            except BaseException as error:  # noqa: BLE001  # a callback has no caller: the outcome is the only way out
                if not self.outcome.done():
                    self.outcome.set_exception(error)
            self._left -= 1
            if not self._left:
                self._end()

    def _take(self, i: int, call: Call[FeaturesReply], done: Future[HttpAnswer]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, TectonError):
            self._records.append(CallRecord(1, None))
            self._fail(i, error)
            return
        answer = done.result()
        reply = None
        try:
            reply = read_answer(call, answer, self._settings.connection.key)
            self._table.put(reply, [i])
        except DecodeError as unreadable:
            self._fail(i, without_key(unreadable, self._settings.connection.key))
        except TectonError as refused:
            self._fail(i, refused)
        slo_info = reply.slo_infos[0] if reply is not None and reply.slo_infos else None
        self._records.append(CallRecord(1, answer.status, answer.timing, len(answer.body), slo_info))

    def _fail(self, i: int, error: TectonError) -> None:
        self._errors[i] = error
        self._table.mark(i, columns.FAILED)

    def _end(self) -> None:
        if not self.outcome.done():
            plan = self._plan
            self.outcome.set_result(
                FeatureBatch(self._settings.service, plan.index, self._table, self._errors, self._records)
            )
