"""Vectors put into the shape of an answer, with exactly the metadata that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..wire.requests import FeaturesRequest
from ..wire.responses import FeatureItem, FeaturesReply
from ..wire.slo import SLOInfo
from ..wire.types import JsonValue
from .clock import Latency
from .definitions import Field
from .plan import Output, ServicePlan
from .vectors import Vector

# Bigger requests are answered, but do not count for the latency objective.
SLO_SIZE_LIMIT_BYTES = 2 * 1024 * 1024
SIZE_REASON = "DYNAMODB_RESPONSE_SIZE_LIMIT_EXCEEDED"


@dataclass(frozen=True, slots=True)
class Row:
    """A vector with the latency to report for it and, for query-features, its join keys."""

    vector: Vector
    latency: Latency
    join_keys: tuple[JsonValue, ...] = ()


def single_reply(plan: ServicePlan, request: FeaturesRequest, row: Row) -> FeaturesReply:
    """Return the get-features answer."""
    return FeaturesReply(
        rows=(_values(plan, request, row),),
        features=_feature_items(plan, request, [row], by_row=True),
        slo_infos=(slo_info(row),) if request.asks_for("includeSloInfo") else (),
    )


def batch_reply(plan: ServicePlan, request: FeaturesRequest, rows: Sequence[Row], seconds: float) -> FeaturesReply:
    """Return the get-features-batch answer that took `seconds` in all."""
    wants_slo = request.asks_for("includeSloInfo")
    infos = tuple(slo_info(row) for row in rows) if wants_slo else ()
    return FeaturesReply(
        rows=tuple(_values(plan, request, row) for row in rows),
        features=_feature_items(plan, request, rows, by_row=True),
        slo_infos=infos,
        batch_slo_info=_whole(infos, rows, seconds) if wants_slo else None,
    )


def query_reply(plan: ServicePlan, request: FeaturesRequest, rows: Sequence[Row], seconds: float) -> FeaturesReply:
    """Return the query-features answer that took `seconds` in all."""
    infos = tuple(slo_info(row) for row in rows)
    whole = _whole(infos, rows, seconds, size=sum(row.vector.size for row in rows))
    return FeaturesReply(
        rows=tuple(_values(plan, request, row) for row in rows),
        features=_feature_items(plan, request, rows, by_row=False),
        join_keys=tuple([*row.join_keys] for row in rows),
        join_key_items=_key_items(plan.output_keys, request),
        slo_infos=(whole,) if request.asks_for("includeSloInfo") else (),
    )


def slo_info(row: Row) -> SLOInfo:
    """Return what one row says about its latency and size."""
    return SLOInfo(
        slo_eligible=row.vector.size <= SLO_SIZE_LIMIT_BYTES,
        slo_ineligibility_reasons=_reasons(row.vector.size),
        slo_server_time_seconds=_seconds(row.latency.slo),
        server_time_seconds=_seconds(row.latency.total),
        store_max_latency=_seconds(row.latency.store),
        store_response_size_bytes=row.vector.size,
    )


def _whole(infos: Sequence[SLOInfo], rows: Sequence[Row], seconds: float, *, size: int | None = None) -> SLOInfo:
    reasons = sorted({reason for info in infos for reason in info.slo_ineligibility_reasons or ()})
    reasons = reasons or (_reasons(size or 0) or [])
    return SLOInfo(
        slo_eligible=not reasons,
        slo_ineligibility_reasons=reasons or None,
        slo_server_time_seconds=_seconds(max((row.latency.slo for row in rows), default=0.0)),
        server_time_seconds=_seconds(seconds),
        store_max_latency=_seconds(max((row.latency.store for row in rows), default=0.0)),
        store_response_size_bytes=size,
    )


def _seconds(duration: float) -> float:
    # No clock here counts finer than nanoseconds.
    return round(duration, 9)


def _reasons(size: int) -> list[str] | None:
    return [SIZE_REASON] if size > SLO_SIZE_LIMIT_BYTES else None


def _values(plan: ServicePlan, request: FeaturesRequest, row: Row) -> list[JsonValue]:
    if not request.option("coerceNullCountsToZero", default=False):
        return row.vector.values
    pairs = zip(plan.outputs, row.vector.values, strict=True)
    return ["0" if output.is_count and value is None else value for output, value in pairs]


def _feature_items(
    plan: ServicePlan, request: FeaturesRequest, rows: Sequence[Row], *, by_row: bool
) -> tuple[FeatureItem, ...]:
    if not any(map(request.asks_for, _ITEM_OPTIONS)):
        return ()
    times = _effective_times(plan, rows) if request.asks_for("includeEffectiveTimes") else {}
    wants_status = request.asks_for("includeServingStatus")
    return tuple(
        FeatureItem(
            name=output.name if request.asks_for("includeNames") else None,
            data_type=output.data_type if request.asks_for("includeDataTypes") else None,
            statuses=_statuses(rows, i, by_row=by_row) if wants_status else (),
            effective_time=times.get(output.view),
            description=_description(output, request),
            tags=output.tags if request.asks_for("includeFeatureTags") else None,
        )
        for i, output in enumerate(plan.outputs)
    )


_ITEM_OPTIONS = (
    "includeNames",
    "includeDataTypes",
    "includeEffectiveTimes",
    "includeServingStatus",
    "includeFeatureDescriptions",
    "includeFeatureTags",
)


def _description(output: Output, request: FeaturesRequest) -> str | None:
    return (output.description or None) if request.asks_for("includeFeatureDescriptions") else None


def _statuses(rows: Sequence[Row], place: int, *, by_row: bool) -> tuple[str, ...]:
    found = tuple(row.vector.statuses[place] for row in rows)
    if by_row:
        return found
    # query-features has one status for all of its rows: found in any of them is found.
    return (found[0] if len(set(found)) == 1 else "PRESENT",) if found else ()


def _effective_times(plan: ServicePlan, rows: Sequence[Row]) -> dict[str, str]:
    """Return by view the newest effective time of the rows, which share one on the wire."""
    newest: dict[str, tuple[int, str]] = {}
    for row in rows:
        for read in plan.reads:
            stored = row.vector.rows[read.view.name]
            if stored.effective_time is not None:
                mine = (stored.since, stored.effective_time)
                newest[read.view.name] = max(mine, newest.get(read.view.name, mine))
    return {view: text for view, (_, text) in newest.items()}


def _key_items(keys: Sequence[Field], request: FeaturesRequest) -> tuple[FeatureItem, ...]:
    if not (request.asks_for("includeNames") or request.asks_for("includeDataTypes")):
        return ()
    return tuple(
        FeatureItem(
            name=key.name if request.asks_for("includeNames") else None,
            data_type=key.data_type if request.asks_for("includeDataTypes") else None,
        )
        for key in keys
    )
