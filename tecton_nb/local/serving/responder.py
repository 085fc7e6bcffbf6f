"""From the bytes of a request to the bytes of its answer, without a socket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from ...exceptions import DecodeError, TectonHttpException
from ...wire.exposition import CONTENT_TYPE, render_text
from ...wire.requests import read_metadata_request, read_state_request
from ...wire.responses import write_service_metadata
from ..clock import Clock, DelaySource, LatencySource, http_date
from ..definitions.plan import ServicePlan
from ..definitions.views import Definitions
from ..keys import Access, Account
from ..observability.metrics_page import MetricsPage, MetricsSettings
from ..observability.telemetry import Call, Telemetry
from ..storage.store import Store
from .dialect import Dialect
from .endpoints import FeatureEndpoints
from .refusals import refusal, refusal_body, timed_out, unauthorized
from .rules import Rules
from .services import Services

_METRICS = "observability/metrics"
_ENDPOINTS = ("get-features", "get-features-batch", "query-features", "metadata", "get-feature-service-state")
# The last part of every path that is served, by the path under either mount.
_ROUTES = {
    f"{mount}/v1/{route}": route.removeprefix("feature-service/")
    for mount in ("/api", "")
    for route in (_METRICS, *(f"feature-service/{endpoint}" for endpoint in _ENDPOINTS))
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and content type of an HTTP answer, and how many seconds it is to be held back."""

    status: int
    body: bytes
    content_type: str = "application/json"
    held_seconds: float = 0.0


_Handler: TypeAlias = Callable[[bytes, Account, Call], bytes]


class Responder:
    """Answers the requests that a feature server takes.

    Parameters
    ----------
    definitions
        What to serve; checked.
    store
        Its data.
    access
        Who may read.
    clock, latency
        Where time and reported latencies come from.
    delays
        By how much views are late; `None` for not at all.
    metrics
        What the metrics endpoint shows; `None` for the defaults.
    rules
        What a request may ask for; `None` for the defaults.
    """

    def __init__(
        self,
        definitions: Definitions,
        store: Store,
        access: Access,
        *,
        clock: Clock,
        latency: LatencySource,
        delays: DelaySource | None = None,
        metrics: MetricsSettings | None = None,
        rules: Rules | None = None,
    ) -> None:
        self._rules = rules or Rules()
        # The usual answer does not pay for the others.
        self._dialect = None if self._rules.dialect == Dialect() else self._rules.dialect
        self._services = Services(definitions)
        self._access = access
        self._clock = clock
        self._telemetry = Telemetry()
        self._metrics_page = MetricsPage(metrics or MetricsSettings(), self._telemetry)
        self._endpoints = FeatureEndpoints(
            self._services,
            store,
            clock=clock,
            latency=latency,
            delays=delays,
            telemetry=self._telemetry,
            rules=self._rules,
        )
        self._features: Mapping[str, _Handler] = {
            "get-features": self._endpoints.get_features,
            "get-features-batch": self._endpoints.get_features_batch,
            "query-features": self._endpoints.query_features,
        }
        self._others: Mapping[str, _Handler] = {
            "metadata": self._metadata,
            "get-feature-service-state": self._state,
        }

    def plan(self, service: str, workspace: str) -> ServicePlan | None:
        """Return the plan of a service by its name, `None` if it is unknown."""
        return self._services.plan(service, workspace)

    @property
    def date(self) -> str:
        """What the server takes for now, for the ``Date`` header of its answers."""
        return http_date(self._clock)

    @property
    def answers_at_once(self) -> bool:
        """Whether no answer is ever held back."""
        return self._endpoints.is_immediate

    @contextmanager
    def delayed(self, delays: DelaySource) -> Iterator[None]:
        """Have views late in this block."""
        before = self._endpoints.delays
        self._endpoints.delays = delays
        try:
            yield
        finally:
            self._endpoints.delays = before

    def record(self, path: str, service_id: str | None, status: int) -> None:
        """Count an answer to a request that was given elsewhere."""
        if _ROUTES.get(path) in self._features:
            self._telemetry.record(Call(service_id), status, self._clock.now())

    def respond(self, method: str, path: str, authorization: Sequence[str], body: bytes) -> Answer:
        """Return the answer to a request; never raises.

        Parameters
        ----------
        method, path
            As the request line has them, the path without its query.
        authorization
            Values of all Authorization headers.
        body
            The body, read as JSON whatever its content type.
        """
        admitted = self.admit(method, path, authorization)
        return admitted if isinstance(admitted, Answer) else self.answer(path, admitted, body)

    def admit(self, method: str, path: str, authorization: Sequence[str]) -> Account | Answer:
        """Return the account that asks, or the refusal of a request whose body need not be read.

        The key is looked at first: without one, nothing else is told.
        """
        account = self._access.account(authorization)
        if account is None:
            return self._refused(path, unauthorized())
        route = _ROUTES.get(path)
        if route is None and method != "TRACE":
            return self._refused(path, refusal(404, "Not Found"))
        if method != ("GET" if route == _METRICS else "POST"):
            return self._refused(path, refusal(405, "Method Not Allowed"))
        return account

    def answer(self, path: str, account: Account, body: bytes) -> Answer:
        """Return the answer to an admitted request; never raises."""
        route = _ROUTES[path]
        if route == _METRICS:
            return self._metrics(account)
        if route in self._others:
            return self._guarded(route, self._others[route], body, account, Call())
        call = Call()
        started = perf_counter()
        answer = self._guarded(route, self._features[route], body, account, call)
        elapsed = perf_counter() - started
        call.seconds = call.seconds or elapsed
        if call.seconds > self._rules.timeout_seconds:
            call.seconds = self._rules.timeout_seconds
            answer = _error_answer(timed_out())
        self._telemetry.record(call, answer.status, self._clock.now())
        if call.seconds <= elapsed:
            return answer
        # A simulated latency is longer than the work: a client should not be answered before it is over.
        return Answer(answer.status, answer.body, held_seconds=call.seconds - elapsed)

    def _refused(self, path: str, error: TectonHttpException) -> Answer:
        self.record(path, None, error.status_code)
        return _error_answer(error)

    def _guarded(self, route: str, handler: _Handler, body: bytes, account: Account, call: Call) -> Answer:
        try:
            if self._dialect is None:
                return Answer(200, handler(body, account, call))
            self._dialect.check_request(route, body)
            return Answer(200, self._dialect.answer(route, handler(body, account, call)))
        except TectonHttpException as error:
            return _error_answer(error)
        except DecodeError as error:
            return _error_answer(refusal(400, str(error)))
        except Exception:  # noqa: BLE001  # logged, and answered as 500
            _log.exception("A request failed inside the embedded feature server.")
            return _error_answer(refusal(500, "Internal error"))

    def _metrics(self, account: Account) -> Answer:
        families = self._metrics_page.families(self._services.readable(account), self._clock.now())
        return Answer(200, render_text(families).encode(), CONTENT_TYPE)

    def _metadata(self, body: bytes, account: Account, _: Call) -> bytes:
        service = self._services.located(read_metadata_request(body), account)
        return write_service_metadata(service.plan.metadata())

    def _state(self, body: bytes, account: Account, _: Call) -> bytes:
        service = self._services.located(read_state_request(body), account)
        self._endpoints.check_materialized(service.plan)
        return b"{}"


def _error_answer(error: TectonHttpException) -> Answer:
    return Answer(error.status_code, refusal_body(error.status_code, error.message))
