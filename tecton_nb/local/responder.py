"""From the bytes of a request to the bytes of its answer, without a socket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TypeAlias

from ..exceptions import DecodeError, TectonHttpException
from ..wire.exposition import CONTENT_TYPE, render_text
from ..wire.requests import (
    DEFAULT_WORKSPACE,
    FeaturesRequest,
    Locator,
    RequestRow,
    read_batch_request,
    read_features_request,
    read_metadata_request,
    read_state_request,
)
from ..wire.responses import (
    write_get_features,
    write_get_features_batch,
    write_query_features,
    write_service_metadata,
)
from ..wire.types import JsonObject
from .access import Access, Account
from .answers import Row, batch_reply, query_reply, single_reply
from .clock import Clock, Latency, LatencySource
from .columns import packed_key
from .definitions import Definitions
from .inputs import check_options, join_keys, request_context
from .metrics_page import metric_families
from .plan import ServicePlan, plan_service
from .refusals import (
    batch_too_large,
    cannot_query,
    not_authorized,
    refusal,
    refusal_body,
    unauthorized,
    unknown_locator,
)
from .store import Store
from .telemetry import Call, Telemetry
from .vectors import read_vector, wildcard_keys

MAX_BATCH_ROWS = 10
_MOUNTS = ("/api/v1/", "/v1/")
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
    """

    def __init__(
        self, definitions: Definitions, store: Store, access: Access, *, clock: Clock, latency: LatencySource
    ) -> None:
        self._services = definitions.services
        self._workspaces = definitions.workspaces
        self._plans = {service.id: plan_service(service, definitions) for service in definitions.services}
        self._by_name = {(s.workspace, s.name): self._plans[s.id] for s in definitions.services}
        self._store = store
        self._access = access
        self._clock = clock
        self._latency = latency
        self._telemetry = Telemetry()
        self._features: Mapping[str, _Handler] = {
            "get-features": self._get_features,
            "get-features-batch": self._get_features_batch,
            "query-features": self._query_features,
        }
        self._others: Mapping[str, _Handler] = {
            "metadata": self._metadata,
            "get-feature-service-state": self._state,
        }

    def plan(self, service: str, workspace: str) -> ServicePlan | None:
        """Return the plan of a service by its name, `None` if it is unknown."""
        return self._by_name.get((workspace, service))

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
        route = _route(path)
        if route is None and method != "TRACE":
            return self._refused(path, refusal(404, "Not Found"))
        if method != ("GET" if route == "observability/metrics" else "POST"):
            return self._refused(path, refusal(405, "Method Not Allowed"))
        return account

    def answer(self, path: str, account: Account, body: bytes) -> Answer:
        """Return the answer to an admitted request; never raises."""
        route = _route(path)
        if route == "observability/metrics":
            return self._metrics(account)
        name = str(route).removeprefix("feature-service/")
        if name in self._others:
            return self._guarded(self._others[name], body, account, Call())
        call = Call()
        started = perf_counter()
        answer = self._guarded(self._features[name], body, account, call)
        elapsed = perf_counter() - started
        call.seconds = call.seconds or elapsed
        self._telemetry.record(call, answer.status, self._clock.now())
        # A simulated latency is longer than the work: a client should not be answered before it is over.
        return replace(answer, held_seconds=max(0.0, call.seconds - elapsed))

    def _refused(self, path: str, error: TectonHttpException) -> Answer:
        if str(_route(path)).removeprefix("feature-service/") in self._features:
            self._telemetry.record(Call(), error.status_code, self._clock.now())
        return _error_answer(error)

    def _guarded(self, handler: _Handler, body: bytes, account: Account, call: Call) -> Answer:
        try:
            return Answer(200, handler(body, account, call))
        except TectonHttpException as error:
            return _error_answer(error)
        except DecodeError as error:
            return _error_answer(refusal(400, str(error)))
        except Exception:  # noqa: BLE001  # logged, and answered as 500
            _log.exception("A request failed inside the embedded feature server.")
            return _error_answer(refusal(500, "Internal error"))

    def _metrics(self, account: Account) -> Answer:
        readable = (service for service in self._services if account.may_read(service.workspace))
        families = metric_families(readable, self._telemetry, self._clock.now())
        return Answer(200, render_text(families).encode(), CONTENT_TYPE)

    def _get_features(self, body: bytes, account: Account, call: Call) -> bytes:
        started = perf_counter()
        request = read_features_request(body)
        plan = self._served(request, account, call, wants_wildcard=False)
        row = self._row(plan, request, request.rows[0], started)
        call.seconds = row.latency.total
        return write_get_features(single_reply(plan, request, row))

    def _get_features_batch(self, body: bytes, account: Account, call: Call) -> bytes:
        started = perf_counter()
        request = read_batch_request(body)
        plan = self._served(request, account, call, wants_wildcard=False)
        call.rows = len(request.rows)
        if not request.rows:
            raise refusal(400, "requestData must not be empty.")
        if len(request.rows) > MAX_BATCH_ROWS:
            raise batch_too_large(len(request.rows), MAX_BATCH_ROWS)
        rows = [self._row(plan, request, row, perf_counter()) for row in request.rows]
        call.seconds = self._latency.of_batch([row.latency for row in rows], perf_counter() - started)
        return write_get_features_batch(batch_reply(plan, request, rows, call.seconds))

    def _query_features(self, body: bytes, account: Account, call: Call) -> bytes:
        started = perf_counter()
        request = read_features_request(body)
        plan = self._served(request, account, call, wants_wildcard=True)
        rows = self._wildcard_rows(plan, request)
        call.seconds = self._latency.of_batch([row.latency for row in rows], perf_counter() - started)
        return write_query_features(query_reply(plan, request, rows, call.seconds))

    def _metadata(self, body: bytes, account: Account, _: Call) -> bytes:
        return write_service_metadata(self._located(read_metadata_request(body), account).metadata())

    def _state(self, body: bytes, account: Account, _: Call) -> bytes:
        self._located(read_state_request(body), account)
        return b"{}"

    def _served(self, request: FeaturesRequest, account: Account, call: Call, *, wants_wildcard: bool) -> ServicePlan:
        locator = request.locator
        workspace = locator.workspace_name or DEFAULT_WORKSPACE
        if locator.by == "name" and (workspace, locator.value) not in self._by_name:
            self._check_readable(workspace, account)
            raise cannot_query(locator.value, workspace)
        plan = self._located(locator, account)
        call.service_id = plan.service.id
        if plan.is_wildcard is not wants_wildcard:
            endpoint = "query-features" if plan.is_wildcard else "get-features"
            raise refusal(400, f"FeatureService `{plan.service.name}` is {plan.service.type}; use {endpoint}.")
        check_options(request)
        return plan

    def _located(self, locator: Locator, account: Account) -> ServicePlan:
        workspace = locator.workspace_name or DEFAULT_WORKSPACE
        if locator.by == "id":
            plan = self._plans.get(locator.value)
        else:
            self._check_readable(workspace, account)
            plan = self._by_name.get((workspace, locator.value)) if locator.by == "name" else None
        if plan is None:
            raise unknown_locator(locator, workspace)
        self._check_readable(plan.service.workspace, account)
        return plan

    def _check_readable(self, workspace: str, account: Account) -> None:
        if workspace in self._workspaces and not account.may_read(workspace):
            raise not_authorized(workspace)

    def _row(self, plan: ServicePlan, request: FeaturesRequest, row: RequestRow, started: float) -> Row:
        keys = join_keys(row, plan)
        return self._read(plan, request, row, keys, started)

    def _wildcard_rows(self, plan: ServicePlan, request: FeaturesRequest) -> list[Row]:
        keys = join_keys(request.rows[0], plan)
        name = str(plan.service.wildcard_key)
        found = (
            (value, self._read(plan, request, request.rows[0], {**keys, name: value}, perf_counter()))
            for value in wildcard_keys(plan, self._store, keys)
        )
        return [Row(row.vector, row.latency, (value,)) for value, row in found if row.vector.is_found]

    def _read(
        self, plan: ServicePlan, request: FeaturesRequest, row: RequestRow, keys: JsonObject, started: float
    ) -> Row:
        ignore = request.option("ignoreExtraRequestContextFields", default=False)
        context = request_context(row, plan, ignore_extra_fields=ignore)
        vector = read_vector(plan, self._store, keys, context, self._clock.now(), started)
        return Row(vector, self._reported(plan, keys, vector.measured))

    def _reported(self, plan: ServicePlan, keys: JsonObject, measured: Latency) -> Latency:
        return self._latency.of_row(f"{plan.service.id}{packed_key(list(keys.values())).decode()}", measured)


def _route(path: str) -> str | None:
    """Return the part of a known path after its mount, `None` for any other path."""
    mount = next((mount for mount in _MOUNTS if path.startswith(mount)), None)
    route = path.removeprefix(mount) if mount else ""
    return route if route in _ROUTES else None


_ROUTES = frozenset(
    {
        "feature-service/get-features",
        "feature-service/get-features-batch",
        "feature-service/query-features",
        "feature-service/metadata",
        "feature-service/get-feature-service-state",
        "observability/metrics",
    }
)


def _error_answer(error: TectonHttpException) -> Answer:
    return Answer(error.status_code, refusal_body(error.status_code, error.message))
