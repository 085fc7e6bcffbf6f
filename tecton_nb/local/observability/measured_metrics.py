"""Metrics that the embedded server measures on its own traffic."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import accumulate

from ..definitions.plan import ServicePlan
from ..definitions.views import FeatureService
from .scene import REGION, Labels, Point, Scene, Source
from .telemetry import CACHE_BOUNDS_MILLISECONDS, LatencySummary, quantiles

QUANTILES = (0.5, 0.9, 0.95, 0.99)
_GROUP = {"server_group": "default"}
_OPERATIONS = ("read", "write")
# The names of gRPC's codes by the HTTP status they are sent under; these are always on the page.
_GRPC_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _total_rate(scene: Scene) -> Iterator[Point]:
    yield "", REGION, scene.telemetry.request_rate(None, scene.now)


def _rates(scene: Scene) -> Iterator[Point]:
    for service in scene.services:
        yield "", {**REGION, **_named(service)}, scene.telemetry.request_rate(service.id, scene.now)


def _total_latency(scene: Scene) -> Iterator[Point]:
    return _summary({}, scene.telemetry.latencies[None], scene.now)


def _latencies(scene: Scene) -> Iterator[Point]:
    for service in scene.services:
        yield from _summary(_named(service), scene.telemetry.latencies[service.id], scene.now)


def _errors(scene: Scene) -> Iterator[Point]:
    percents = scene.telemetry.status_percents(scene.now)
    for status in sorted({*_GRPC_CODES, *(status for status in percents if status >= 400)}):
        yield "", {"status": str(status)}, percents.get(status, 0.0)


def _grpc_errors(scene: Scene) -> Iterator[Point]:
    percents: defaultdict[str, float] = defaultdict(float)
    for status, percent in scene.telemetry.status_percents(scene.now).items():
        if status >= 400:
            percents[_GRPC_CODES.get(status, "UNKNOWN")] += percent
    for code in dict.fromkeys([*_GRPC_CODES.values(), *percents]):
        yield "", {"status": code}, percents[code]


def _utilization(scene: Scene) -> Iterator[Point]:
    # The server is one instance, so it is the busiest, the least busy and the average one.
    yield "", REGION, scene.telemetry.utilization_percent(scene.now)


def _cache_rates(scene: Scene) -> Iterator[Point]:
    for name, plans in _by_name(scene).items():
        for operation in _OPERATIONS:
            rate = sum(scene.telemetry.cache.rate(plan.service.id, operation, scene.now) for plan in plans)
            yield "", {**REGION, "operation": operation, "feature_service_name": name}, rate


def _cache_hits(scene: Scene) -> Iterator[Point]:
    cache, now = scene.telemetry.cache, scene.now
    for name, plans in _by_name(scene).items():
        for view in dict.fromkeys(read.view.name for plan in plans for read in plan.reads):
            reads = sum(cache.reads(plan.service.id, view, now) for plan in plans)
            hits = sum(cache.hits(plan.service.id, view, now) for plan in plans)
            # Without reads there is no share.
            yield "", {"feature_service_name": name, "feature_view": view}, 100 * hits / reads if reads else math.nan


def _cache_durations(scene: Scene) -> Iterator[Point]:
    for name, plans in _by_name(scene).items():
        labels = {**REGION, "feature_service_name": name}
        histograms = [scene.telemetry.cache.durations[plan.service.id] for plan in plans]
        counts = list(accumulate(map(sum, zip(*(one.counts for one in histograms), strict=True))))
        for bound, count in zip((*map(str, CACHE_BOUNDS_MILLISECONDS), "+Inf"), counts, strict=True):
            yield "_bucket", {**labels, "le": bound}, count
        yield "_sum", labels, sum(one.sum for one in histograms)
        yield "_count", labels, counts[-1]


def _store_latencies(scene: Scene) -> Iterator[Point]:
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for service in scene.services:
        for view, seconds in scene.telemetry.read_seconds(service.id, scene.now).items():
            found[service.workspace, view] += seconds
    for place in scene.places:
        (slow,) = quantiles(found[place.workspace, place.view], (0.99,))
        yield "", {**REGION, "feature_view_id": place.id}, slow


def _summary(labels: Labels, latencies: LatencySummary, now: int) -> Iterator[Point]:
    for share, seconds in zip(QUANTILES, latencies.quantiles(QUANTILES, now), strict=True):
        yield "", {**labels, "quantile": str(share)}, seconds
    yield "_sum", labels, latencies.sum
    yield "_count", labels, latencies.count


def _by_name(scene: Scene) -> Mapping[str, list[ServicePlan]]:
    """Return the plans by the name of their service: the cache's labels do not tell workspaces apart."""
    found: defaultdict[str, list[ServicePlan]] = defaultdict(list)
    for plan in scene.plans:
        found[plan.service.name].append(plan)
    return found


def _named(service: FeatureService) -> dict[str, str]:
    return {"feature_service_id": service.id, "feature_service_name": service.name}


def _by_group(source: Source) -> Source:
    """Return the source with the label of the one server group there is."""

    def grouped(scene: Scene) -> Iterator[Point]:
        for suffix, labels, value in source(scene):
            yield suffix, {**labels, **_GROUP}, value

    return grouped


MEASURED: Mapping[str, Source] = {
    "feature_service_requests_total_rate": _total_rate,
    "feature_service_requests_total_rate_per_server_group": _by_group(_total_rate),
    "feature_service_requests_rate": _rates,
    "feature_service_requests_rate_per_server_group": _by_group(_rates),
    "feature_service_total_latency": _total_latency,
    "feature_service_latency": _latencies,
    "feature_server_errors_rate": _errors,
    "feature_server_errors_rate_grpc": _grpc_errors,
    "feature_server_errors_rate_grpc_per_server_group": _by_group(_grpc_errors),
    "feature_server_utilization": _utilization,
    "feature_server_average_utilization": _utilization,
    "feature_server_minimum_utilization": _utilization,
    "feature_server_average_utilization_per_server_group": _by_group(_utilization),
    "feature_server_max_utilization_per_server_group": _by_group(_utilization),
    "feature_server_minimum_utilization_per_server_group": _by_group(_utilization),
    "feature_server_cache_request_rate": _cache_rates,
    "feature_server_cache_hit_rate": _cache_hits,
    "feature_server_cache_read_duration_bucket": _cache_durations,
    "online_store_p99_latency_seconds": _store_latencies,
}
