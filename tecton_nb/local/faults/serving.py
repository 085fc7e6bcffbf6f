"""Requests answered with the faults that hit them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import blake2b

from ...exceptions import DecodeError, SettingsError, did_you_mean, listed, quoted
from ...wire.requests import DEFAULT_WORKSPACE, read_metadata_request, read_state_request
from ..definitions.plan import ServicePlan
from ..definitions.views import FeatureService
from ..http.connection import Connection
from ..serving.responder import Answer, Responder
from .alter import altered
from .features import Altered, AlteredFeature, StaleValues
from .fields import Arrival, Fault, views_of
from .kinds import AddedLatency, End, Ending, RawAnswer, Step
from .past import as_of
from .rules import Faults, Hit

_STATE = "get-feature-service-state"
_AS_IT_IS = Ending()
_NO_SOURCE = random.Random(0)  # noqa: S311  # nothing is drawn from it


class FaultyAnswers:
    """Answers like the responder, except for what the faults do to it.

    Parameters
    ----------
    responder
        Whose answers are spoiled.
    faults
        By what.
    services
        All that the responder serves.

    Raises
    ------
    SettingsError
        If a fault names a service, view or feature that nobody serves.
    """

    def __init__(self, responder: Responder, faults: Faults, services: Iterable[FeatureService]) -> None:
        self._responder = responder
        self._faults = faults
        planned = [(service, responder.plan(service.name, service.workspace)) for service in services]
        self._by_id = {service.id: plan for service, plan in planned if plan is not None}
        faults.check_with(self._check)

    @property
    def has_faults(self) -> bool:
        """Whether any request may be hit."""
        return self._faults.has_any

    async def answer(self, connection: Connection, path: str, body: bytes, respond: Callable[[], Answer]) -> bool:
        """Answer an admitted request; returns whether the connection is still open.

        Parameters
        ----------
        respond
            Returns the answer that the request would get.

        Raises
        ------
        ConnectionResetError
            If the client went away before all was sent.
        """
        arrival = self._arrival(path, body)
        hits = self._faults.draw(arrival)
        await connection.pause(_delay(hits))
        ending, source = _ending(hits)
        raw = ending.replaced(arrival)
        if raw is None:
            answer = self._answered(arrival, hits, respond)
            await connection.pause(answer.held_seconds)
            raw = RawAnswer(answer.status, answer.body, {"Content-Type": answer.content_type})
        else:
            self._responder.record(path, arrival.plan.service_id if arrival.plan else None, raw.status)
        steps = ending.steps(raw, source)
        for step in steps:
            await _take(connection, step)
        return not isinstance(steps[-1], End)

    def _arrival(self, path: str, body: bytes) -> Arrival:
        operation = path.rpartition("/")[2]
        digest = blake2b(operation.encode(), digest_size=16)
        digest.update(body)
        return Arrival(operation, self._plan(operation, body), digest.digest())

    def _plan(self, operation: str, body: bytes) -> ServicePlan | None:
        try:
            locator = read_state_request(body) if operation == _STATE else read_metadata_request(body)
        except DecodeError:
            return None
        if locator.by == "id":
            return self._by_id.get(locator.value)
        return self._responder.plan(locator.value, locator.workspace_name or DEFAULT_WORKSPACE)

    def _answered(self, arrival: Arrival, hits: list[Hit], respond: Callable[[], Answer]) -> Answer:
        with as_of(_ages(arrival, hits)), self._delayed(hits):
            answer = respond()
        changes = [hit.fault for hit in hits if isinstance(hit.fault, Altered)]
        if not changes or answer.status != 200 or arrival.plan is None:
            return answer
        return replace(answer, body=altered(answer.body, arrival.operation, arrival.plan, changes))

    def _delayed(self, hits: list[Hit]) -> AbstractContextManager[None]:
        late = [hit for hit in hits if isinstance(hit.fault, AddedLatency) and hit.fault.is_in_view]
        return self._responder.delayed(_ViewDelays(late)) if late else nullcontext()

    def _check(self, fault: Fault, called: str) -> None:
        plans = [*self._by_id.values()]
        _check_fits(called, "service", fault.service, {plan.service.name for plan in plans})
        _check_fits(called, "view", fault.view, {view for plan in plans for view in views_of(plan)})
        if isinstance(fault, AlteredFeature):
            names = {output.name for plan in plans for output in plan.outputs}
            _check_fits(called, "feature", fault.feature, names)


class _ViewDelays:
    """The added latencies of views, drawn anew for every row."""

    def __init__(self, late: list[Hit]) -> None:
        self._late = late

    def of_view(self, service: str, view: str) -> float:  # noqa: ARG002
        """Return seconds for one row."""
        return sum(_drawn(hit) for hit in self._late if fnmatchcase(view, hit.fault.view))


def _drawn(hit: Hit) -> float:
    return hit.fault.drawn(hit.source) if isinstance(hit.fault, AddedLatency) else 0.0


def _delay(hits: list[Hit]) -> float:
    on_the_way = (hit for hit in hits if isinstance(hit.fault, AddedLatency) and not hit.fault.is_in_view)
    return sum(map(_drawn, on_the_way))


def _ending(hits: list[Hit]) -> tuple[Ending, random.Random]:
    """Return the fault that decides how the answer goes out, and its source; without one it goes as it is."""
    endings = ((hit.fault, hit.source) for hit in hits if isinstance(hit.fault, Ending))
    return next(endings, (_AS_IT_IS, _NO_SOURCE))


async def _take(connection: Connection, step: Step) -> None:
    if isinstance(step, bytes):
        connection.send(step)
    elif isinstance(step, End):
        connection.reset() if step is End.RESET else connection.force_close()
    else:
        await connection.pause(step)


def _ages(arrival: Arrival, hits: list[Hit]) -> dict[str, int]:
    faults = [hit.fault for hit in hits if isinstance(hit.fault, StaleValues)]
    return {
        view: max(fault.age_nanoseconds for fault in faults if fnmatchcase(view, fault.view))
        for view in arrival.views
        if any(fnmatchcase(view, fault.view) for fault in faults)
    }


def _check_fits(called: str, what: str, pattern: str, names: set[str]) -> None:
    if pattern != "*" and not any(fnmatchcase(name, pattern) for name in names):
        raise SettingsError(
            f"{called}: no {what} fits {quoted(pattern)}; there are {listed(sorted(names))}."
            f"{did_you_mean(pattern, names)}"
        )
