"""The metrics page of the embedded server: its own traffic under Tecton's metric names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..wire.exposition import Family, Sample
from .definitions import FeatureService
from .telemetry import Telemetry

QUANTILES = (0.5, 0.9, 0.95, 0.99)
_REGION = {"aws_region": "local"}
_ERROR_STATUSES = (400, 401, 403, 404, 429, 500, 503, 504)
# What the documents print: name, kind, release stage and sentence.
_HELP = {
    "feature_service_requests_total_rate": "[GA] Feature requests per second over five minutes, a batch as its rows.",
    "feature_service_requests_rate": "[GA] Feature requests per second over five minutes, by feature service.",
    "feature_service_total_latency": "[GA] Feature serving latency in seconds.",
    "feature_service_latency": "[GA] Feature serving latency in seconds, by feature service.",
    "feature_server_errors_rate": "[GA] Percent of the answers of five minutes, by HTTP status.",
    "feature_server_utilization": "[GA] Percent of five minutes spent answering.",
}


def metric_families(services: Iterable[FeatureService], telemetry: Telemetry, now: int) -> tuple[Family, ...]:
    """Return the families of the page.

    Parameters
    ----------
    services
        All services; one without traffic has rate 0, so a scrape names every service.
    now
        Nanoseconds since the epoch; the samples carry it in milliseconds.
    """
    stamp = now // 1_000_000
    every = tuple(services)
    total = {**_REGION}
    return (
        _gauge("feature_service_requests_total_rate", [(total, telemetry.request_rate(None, now))], stamp),
        _gauge(
            "feature_service_requests_rate",
            [({**_REGION, **_labels(s)}, telemetry.request_rate(s.id, now)) for s in every],
            stamp,
        ),
        _summary("feature_service_total_latency", [({}, None)], telemetry, stamp),
        _summary("feature_service_latency", [(_labels(s), s.id) for s in every], telemetry, stamp),
        _gauge(
            "feature_server_errors_rate",
            [({"status": str(status)}, telemetry.status_percent(status, now)) for status in _ERROR_STATUSES],
            stamp,
        ),
        _gauge("feature_server_utilization", [(total, telemetry.utilization_percent(now))], stamp),
    )


def _labels(service: FeatureService) -> dict[str, str]:
    return {"feature_service_id": service.id, "feature_service_name": service.name}


def _gauge(name: str, points: Iterable[tuple[Mapping[str, str], float]], stamp: int) -> Family:
    samples = tuple(Sample(name, value, labels, stamp) for labels, value in points)
    return Family(name, "gauge", _HELP[name], samples)


def _summary(
    name: str, series: Iterable[tuple[Mapping[str, str], str | None]], telemetry: Telemetry, stamp: int
) -> Family:
    samples = (sample for labels, key in series for sample in _summary_samples(name, labels, key, telemetry, stamp))
    return Family(name, "summary", _HELP[name], tuple(samples))


def _summary_samples(
    name: str, labels: Mapping[str, str], service_id: str | None, telemetry: Telemetry, stamp: int
) -> Iterator[Sample]:
    latencies = telemetry.latencies[service_id]
    for share in QUANTILES:
        yield Sample(name, latencies.quantile(share), {**labels, "quantile": str(share)}, stamp)
    yield Sample(f"{name}_sum", latencies.sum, labels, stamp)
    yield Sample(f"{name}_count", latencies.count, labels, stamp)
