"""Metrics of what the embedded server does not have: streams, ingestion, an autoscaler, a cache cluster.

Their courses are simulated, and the page says so in HELP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .scene import REGION, Place, Point, Scene, Source
from .simulation import SECOND
from .telemetry import WINDOW_SECONDS

_DAY = 86_400 * SECOND
_MINUTE = 60 * SECOND
_INGESTED_PER_SECOND = (20.0, 90.0)
_MEAN_INGEST_SECONDS = 0.0125
_MOST_REPLICAS = 8
_CACHE_BYTES = 2**30


def _per_stream(value: Callable[[Scene, Place], float]) -> Source:
    """Return a source with one point per stream."""

    def points(scene: Scene) -> Iterator[Point]:
        for place in scene.streams:
            yield "", place.labels, value(scene, place)

    return points


def _constant(value: float) -> Source:
    return lambda _: [("", REGION, value)]


def _level(scene: Scene, place: Place, what: str, low: float, high: float) -> float:
    return scene.simulation.level(f"{place.id}/{what}", low, high, scene.now)


def _youngest(scene: Scene, place: Place) -> float:
    return _level(scene, place, "youngest", 0.2, 1.0)


def _mean_age(scene: Scene, place: Place) -> float:
    return _youngest(scene, place) + _level(scene, place, "mean age", 0.5, 3.0)


def _oldest(scene: Scene, place: Place) -> float:
    return _mean_age(scene, place) + _level(scene, place, "oldest", 1.0, 20.0)


def _served_age(scene: Scene, place: Place) -> float:
    return _mean_age(scene, place) + _level(scene, place, "served", 0.5, 5.0)


def _input_rate(scene: Scene, place: Place) -> float:
    # Some streams are busier than others.
    busy = scene.simulation.constant(place.id, 0.2, 3.0)
    return busy * _level(scene, place, "input", 10.0, 40.0)


def _processing_rate(scene: Scene, place: Place) -> float:
    return _input_rate(scene, place) * _level(scene, place, "headroom", 1.2, 2.0)


def _stream_writes(scene: Scene, place: Place) -> float:
    return _input_rate(scene, place) * _level(scene, place, "written", 0.4, 0.9)


def _ingested_rows(scene: Scene, place: Place) -> float:
    return _level(scene, place, "ingested", 5.0, 30.0)


def _ingest_events(scene: Scene, start: int) -> float:
    return scene.simulation.events("ingest", *_INGESTED_PER_SECOND, start, scene.now)


def _ingest_rate_value(scene: Scene) -> float:
    return _ingest_events(scene, scene.now - WINDOW_SECONDS * SECOND) / WINDOW_SECONDS


def _ingest_rate(scene: Scene) -> Iterator[Point]:
    yield "", REGION, _ingest_rate_value(scene)


def _ingest_latency(scene: Scene) -> Iterator[Point]:
    median = scene.simulation.level("ingest latency", 0.007, 0.013, scene.now)
    for share, factor in (("0.5", 1.0), ("0.9", 1.9), ("0.95", 2.4), ("0.99", 4.5)):
        yield "", {**REGION, "quantile": share}, median * factor
    # Counted since midnight, as if the ingest servers were restarted every night.
    events = int(_ingest_events(scene, scene.now - scene.now % _DAY))
    yield "_sum", REGION, events * _MEAN_INGEST_SECONDS
    yield "_count", REGION, events


def _ingest_errors(scene: Scene) -> Iterator[Point]:
    for code, worst in (("4xx", 0.01), ("5xx", 0.001)):
        share = scene.simulation.level(f"ingest {code}", 0.0, worst, scene.now)
        yield "", {**REGION, "error_code": code}, _ingest_rate_value(scene) * share


def _scaling_requests(scene: Scene) -> Iterator[Point]:
    asked = round(scene.simulation.level("scaling requests", 0.0, 12.0, scene.now))
    for code, count in (("OK", asked), ("PERMISSION_DENIED", 0)):
        yield "", {**REGION, "code": code}, count


def _replicas(scene: Scene, now: int) -> int:
    return round(scene.simulation.level("replicas", 2.0, _MOST_REPLICAS, now))


def _desired_replicas(scene: Scene) -> Iterator[Point]:
    yield "", REGION, _replicas(scene, scene.now)


def _current_replicas(scene: Scene) -> Iterator[Point]:
    # What is asked for has started a minute later.
    yield "", REGION, _replicas(scene, scene.now - _MINUTE)


def _cache_memory(scene: Scene) -> Iterator[Point]:
    used = int(_CACHE_BYTES * scene.simulation.level("cache memory", 0.2, 0.6, scene.now))
    for shard in ("primary", "replica"):
        yield "", {**REGION, "shard_type": shard}, used


def _cache_engine(scene: Scene) -> Iterator[Point]:
    yield "", REGION, scene.simulation.level("cache engine", 3.0, 25.0, scene.now)


SIMULATED: Mapping[str, Source] = {
    "spark_stream_max_processed_event_age": _per_stream(_oldest),
    "spark_stream_min_processed_event_age": _per_stream(_youngest),
    "spark_stream_average_processed_event_age": _per_stream(_mean_age),
    "spark_stream_input_rate": _per_stream(_input_rate),
    "spark_stream_processing_rate": _per_stream(_processing_rate),
    "spark_stream_served_feature_age": _per_stream(_served_age),
    "spark_stream_online_store_write_rate": _per_stream(_stream_writes),
    "stream_ingestapi_request_rate": _ingest_rate,
    "stream_ingestapi_request_processing_latency": _ingest_latency,
    "stream_ingestapi_request_processing_error_rate": _ingest_errors,
    "stream_ingestapi_online_store_write_rate": _per_stream(_ingested_rows),
    "stream_ingestapi_offline_store_write_rate": _per_stream(_ingested_rows),
    "feature_server_scaling_requests": _scaling_requests,
    "feature_server_autoscaler_desired_replica_count": _desired_replicas,
    "feature_server_autoscaler_current_replica_count": _current_replicas,
    "feature_server_autoscaler_max_replica_count": _constant(_MOST_REPLICAS),
    "feature_server_cache_memory_used_total": _cache_memory,
    "feature_server_cache_memory_provisioned_total": _constant(_CACHE_BYTES),
    "feature_server_cache_primary_nodes_count": _constant(1),
    "feature_server_cache_replica_nodes_count": _constant(1),
    "feature_server_cache_engine_utilization_average_percent": _cache_engine,
}
