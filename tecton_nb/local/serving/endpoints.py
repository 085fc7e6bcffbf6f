"""The endpoints that return features: one row, a batch of rows, all rows of a wildcard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter

from ...wire.responses import write_get_features_batch, write_query_features
from ...wire.types import JsonObject
from ..clock import Clock, DelaySource, Latency, LatencySource, MeasuredLatency
from ..definitions.plan import ServicePlan
from ..keys import Account
from ..observability.telemetry import Call, Telemetry
from ..storage.store import Store
from ..storage.wire_columns import packed_key
from .answers import Row, batch_reply, query_reply
from .asked import Asked
from .budget import ready_in_time
from .refusals import batch_too_large, not_materialized, refusal, too_large
from .request_memory import RequestMemory
from .retrieval import Retrieval
from .rules import Rules
from .services import Service, Services
from .vectors import Reader, Vector, wildcard_keys


class FeatureEndpoints:
    """Answers get-features, get-features-batch and query-features.

    Parameters
    ----------
    services, store
        What to answer with.
    clock, latency, delays
        Where time, reported latencies and delays of views come from; `None` for no delays.
    telemetry
        Told of every read.
    rules
        What a request may ask for.
    """

    def __init__(
        self,
        services: Services,
        store: Store,
        *,
        clock: Clock,
        latency: LatencySource,
        delays: DelaySource | None,
        telemetry: Telemetry,
        rules: Rules,
    ) -> None:
        self._services = services
        self._store = store
        self._clock = clock
        self._latency = latency
        self._is_measured = isinstance(latency, MeasuredLatency)
        self.delays = delays
        self._telemetry = telemetry
        self._rules = rules
        self._requests = RequestMemory()
        retrieval = Retrieval(store, telemetry.cache)
        self._readers = {plan.service_id: Reader(plan, retrieval, rules.size_limit_bytes) for plan in services.plans}
        self._materialized: set[str] = set()

    @property
    def is_immediate(self) -> bool:
        """Whether a request is reported to take just as long as it took."""
        return self._is_measured and self.delays is None

    def get_features(self, body: bytes, account: Account, call: Call) -> bytes:
        """Return the answer for one row."""
        started = perf_counter()
        asked, keys, context = self._requests.one_row(body)
        service = self._service(asked, account, call, wants_wildcard=False)
        row = self._row(service, asked, service.inputs.join_keys(keys), context, started)
        call.seconds = row.latency.total
        return service.writer(asked.metadata).write(row, coerces_counts=asked.coerces_counts)

    def get_features_batch(self, body: bytes, account: Account, call: Call) -> bytes:
        """Return the answer for a batch of rows; one bad row fails them all, for there is no place to say which."""
        started = perf_counter()
        asked, given = self._requests.rows(body)
        service = self._service(asked, account, call, wants_wildcard=False)
        call.rows = len(given)
        if not given:
            raise refusal(400, "requestData must not be empty.")
        if len(given) > self._rules.batch_limit:
            raise batch_too_large(len(given), self._rules.batch_limit)
        rows = [
            self._row(
                service, asked, service.inputs.join_keys(row.join_key_map), row.request_context_map, perf_counter()
            )
            for row in given
        ]
        call.seconds = self._seconds(rows, asked, started)
        return write_get_features_batch(batch_reply(service.plan, asked, rows, call.seconds))

    def query_features(self, body: bytes, account: Account, call: Call) -> bytes:
        """Return the answer for every value of the wildcard key."""
        started = perf_counter()
        asked, keys, context = self._requests.one_row(body)
        service = self._service(asked, account, call, wants_wildcard=True)
        rows = self._wildcard_rows(service, asked, service.inputs.join_keys(keys), context)
        fitting = self._fitting(rows, asked)
        call.seconds = self._seconds(fitting, asked, started)
        is_partial = len(fitting) < len(rows)
        return write_query_features(query_reply(service.plan, asked, fitting, call.seconds, is_partial=is_partial))

    def check_materialized(self, plan: ServicePlan) -> None:
        """Check that any view of the service has data.

        Raises
        ------
        NotFoundError
            If none has. A service that reads no stored view needs no data.
        """
        if plan.service_id in self._materialized:
            return
        if plan.reads and not any(True for read in plan.reads for _ in self._store.keys(read.view.name)):
            raise not_materialized(plan.service.name, plan.service.workspace)
        self._materialized.add(plan.service_id)

    def _service(self, asked: Asked, account: Account, call: Call, *, wants_wildcard: bool) -> Service:
        service = self._services.queried(asked.locator, account)
        plan = service.plan
        call.service_id = plan.service_id
        if plan.is_wildcard is not wants_wildcard:
            endpoint = "query-features" if plan.is_wildcard else "get-features"
            raise refusal(400, f"FeatureService `{plan.service.name}` is {plan.service.type}; use {endpoint}.")
        self.check_materialized(plan)
        return service

    def _wildcard_rows(self, service: Service, asked: Asked, keys: JsonObject, context: JsonObject) -> list[Row]:
        name = str(service.plan.service.wildcard_key)
        found = (
            (value, self._row(service, asked, {**keys, name: value}, context, perf_counter()))
            for value in wildcard_keys(service.plan, self._store, keys)
        )
        return [Row(row.vector, row.latency, (value,)) for value, row in found if row.vector.is_found]

    def _fitting(self, rows: list[Row], asked: Asked) -> list[Row]:
        """Return the rows whose data fits into one answer."""
        size = 0
        for i, row in enumerate(rows):
            size += row.vector.size
            if size > self._rules.size_limit_bytes:
                if not asked.allows_partial:
                    raise too_large(size, self._rules.size_limit_bytes)
                return rows[:i]
        return rows

    def _row(self, service: Service, asked: Asked, keys: JsonObject, given: JsonObject, started: float) -> Row:
        plan = service.plan
        context = service.inputs.request_context(given, ignores_extra_fields=asked.ignores_extra_fields)
        now = self._clock.now()
        vector = self._readers[plan.service_id].vector(keys, context, asked, now, started)
        latency = vector.measured if self._is_measured else self._reported(plan, keys, vector.measured)
        budget = asked.budget_seconds
        if self.delays is not None or (budget is not None and latency.total > budget):
            vector, latency = self._delayed(plan, vector, latency, budget)
        self._record_reads(plan, vector, latency, now)
        return Row(vector, latency)

    def _reported(self, plan: ServicePlan, keys: JsonObject, measured: Latency) -> Latency:
        return self._latency.of_row(f"{plan.service_id}{packed_key(list(keys.values())).decode()}", measured)

    def _delayed(
        self, plan: ServicePlan, vector: Vector, latency: Latency, budget: float | None
    ) -> tuple[Vector, Latency]:
        names = [*(read.view.name for read in plan.reads), *(view.name for view in plan.realtime)]
        service = plan.service.name
        delays = {name: 0.0 if self.delays is None else self.delays.of_view(service, name) for name in names}
        seconds = self._view_seconds(plan, vector, latency)
        late = replace(vector, seconds={name: taken + delays[name] for name, taken in vector.seconds.items()})
        return ready_in_time(plan, late, latency, seconds, delays, budget)

    def _view_seconds(self, plan: ServicePlan, vector: Vector, latency: Latency) -> Mapping[str, float]:
        if latency is vector.measured:
            return {**vector.seconds, **vector.computing_seconds}
        # Of a simulated latency only the slowest read is known.
        stored = dict.fromkeys((read.view.name for read in plan.reads), latency.store)
        return {**stored, **dict.fromkeys((view.name for view in plan.realtime), latency.realtime)}

    def _record_reads(self, plan: ServicePlan, vector: Vector, latency: Latency, now: int) -> None:
        seconds = vector.seconds if self._is_measured else dict.fromkeys(vector.seconds, latency.store)
        self._telemetry.record_reads(plan.service_id, seconds, now)

    def _seconds(self, rows: list[Row], asked: Asked, started: float) -> float:
        """Return what the whole of several rows is reported to take: at least as long as its slowest row."""
        latencies = [row.latency for row in rows]
        slowest = max((latency.total for latency in latencies), default=0.0)
        whole = max(self._latency.of_batch(latencies, perf_counter() - started), slowest)
        return whole if asked.budget_seconds is None else min(whole, asked.budget_seconds)
