"""Realtime views: a user's Python functions called with request context and stored features."""

from __future__ import annotations

import logging
import threading
from asyncio import CancelledError
from collections.abc import Mapping
from concurrent.futures import Future
from time import perf_counter
from typing import Any

from ...exceptions import InputError
from ...wire.types import ScalarType
from ...wire.values import decode_value
from ..definitions.plan import Read, ServicePlan
from ..definitions.views import Field, RealtimeView, full_name
from .parts import TIME_OUT, UNKNOWN_STATUS, Part, computed_part, failed_part
from .quick_values import wire_writer

_log = logging.getLogger(__name__)


class Computing:
    """Computes the realtime views of one feature service.

    Parameters
    ----------
    plan
        The service.
    """

    def __init__(self, plan: ServicePlan) -> None:
        self._views = [_Function(view) for view in plan.realtime]
        needed = {source for view in plan.realtime for source in view.sources}
        self._sources = [_Source(read) for read in plan.reads if read.view.name in needed]

    def parts(
        self,
        stored: Mapping[str, Part],
        context: Mapping[str, Any],
        seconds: dict[str, float],
        deadline: float | None,
    ) -> list[Part]:
        """Return the parts of the realtime views in the order of the plan.

        Parameters
        ----------
        stored
            Parts of the stored views by name.
        context
            Plain values of the request context.
        seconds
            Gets how long each view took.
        deadline
            On ``perf_counter()``: what has not returned by then is given up; `None` waits.
        """
        values = {source.view: source.values(stored[source.view]) for source in self._sources}
        if deadline is not None:
            return self._parts_by(deadline, values, context, seconds)
        parts = []
        for function in self._views:
            before = perf_counter()
            parts.append(function.part(values, context))
            seconds[function.view.name] = perf_counter() - before
        return parts

    def _parts_by(
        self, deadline: float, values: Mapping[str, Any], context: Mapping[str, Any], seconds: dict[str, float]
    ) -> list[Part]:
        """Call every function in a thread of its own: Python cannot stop one, only stop waiting for it."""
        began = perf_counter()
        results = [(function, _begun(function, values, context)) for function in self._views]
        parts = []
        for function, result in results:
            try:
                part, ended = result.result(max(deadline - perf_counter(), 0.0))
            except TimeoutError:
                part, ended = function.failed(TIME_OUT), perf_counter()
            parts.append(part)
            seconds[function.view.name] = ended - began
        return parts


class _Source:
    """Turns the wire values of a stored view into what functions take."""

    def __init__(self, read: Read) -> None:
        self.view = read.view.name
        fields = list(enumerate(read.features))
        self._scalars = [(i, field) for i, field in fields if isinstance(field.data_type, ScalarType)]
        self._others = [(i, field) for i, field in fields if not isinstance(field.data_type, ScalarType)]

    def values(self, part: Part) -> Mapping[str, Any] | None:
        """Return the values by full name, `None` for a view that could not be retrieved."""
        if part.failure is not None:
            return None
        if part.plain is None:
            part.plain = _decoded(part, self._scalars)
        # A function may change a list it is given; the next one must get another.
        return {**part.plain, **_decoded(part, self._others)} if self._others else part.plain


class _Function:
    """Calls the function of one view."""

    def __init__(self, view: RealtimeView) -> None:
        self.view = view
        self._context = [field.name for field in view.request_context]
        self._writers = [(f.name, wire_writer(f.data_type, where=full_name(view, f))) for f in view.features]

    def part(self, values: Mapping[str, Any], context: Mapping[str, Any]) -> Part:
        """Return what it computes; whatever the function raises is a status of its features."""
        given: dict[str, Any] = {}
        for source in self.view.sources:
            if values[source] is None:
                # From a feature that could not be read nothing can be computed; null would say it was missing.
                return self.failed(UNKNOWN_STATUS)
            given.update(values[source])
        try:
            found = self.view.function({name: context[name] for name in self._context}, given)
            return computed_part(self.view.name, [write(found.get(name)) for name, write in self._writers])
        except InputError as error:
            _log.warning("The realtime view '%s' returned what it does not declare: %s", self.view.name, error)
        # What would end the process, or pass for a client that went away, is a failure of the function like any other.
        except (Exception, SystemExit, CancelledError):  # noqa: BLE001
            _log.warning("The realtime view '%s' failed.", self.view.name, exc_info=True)
        return self.failed(UNKNOWN_STATUS)

    def failed(self, status: str) -> Part:
        """Return nulls with a status."""
        return failed_part(self.view.name, len(self._writers), status)


def _begun(function: _Function, values: Mapping[str, Any], context: Mapping[str, Any]) -> Future[tuple[Part, float]]:
    result: Future[tuple[Part, float]] = Future()

    def run() -> None:
        part = function.part(values, context)
        result.set_result((part, perf_counter()))

    threading.Thread(target=run, name=f"realtime view {function.view.name}", daemon=True).start()
    return result


def _decoded(part: Part, fields: list[tuple[int, Field]]) -> dict[str, Any]:
    return {field.name: decode_value(part.values[i], field.data_type, where=field.name) for i, field in fields}
