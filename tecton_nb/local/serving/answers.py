"""Vectors put into the shape of an answer, with exactly the metadata that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...wire.responses import FeatureItem, FeaturesReply
from ...wire.slo import SLOInfo, slo_info_to_json
from ...wire.types import JsonObject, JsonValue, legacy_type
from ..clock import Latency
from ..definitions.plan import Output, ServicePlan
from ..definitions.views import Field
from .asked import Asked
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


def single_reply(plan: ServicePlan, asked: Asked, row: Row) -> FeaturesReply:
    """Return the get-features answer."""
    return FeaturesReply(
        rows=(_values(plan, asked, row),),
        features=_feature_items(plan, asked.metadata, [row], by_row=True),
        slo_infos=(slo_info(row),) if asked.wants("includeSloInfo") else (),
        is_partial=row.vector.is_partial,
    )


def batch_reply(plan: ServicePlan, asked: Asked, rows: Sequence[Row], seconds: float) -> FeaturesReply:
    """Return the get-features-batch answer that took `seconds` in all."""
    wants_slo = asked.wants("includeSloInfo")
    infos = tuple(slo_info(row) for row in rows) if wants_slo else ()
    # The batch message has no place for the deprecated type.
    metadata = asked.metadata - {"includeTypes"}
    return FeaturesReply(
        rows=tuple(_values(plan, asked, row) for row in rows),
        features=_feature_items(plan, metadata, rows, by_row=True),
        slo_infos=infos,
        batch_slo_info=_whole(infos, rows, seconds) if wants_slo else None,
    )


def query_reply(
    plan: ServicePlan, asked: Asked, rows: Sequence[Row], seconds: float, *, is_partial: bool = False
) -> FeaturesReply:
    """Return the query-features answer that took `seconds` in all."""
    infos = tuple(slo_info(row) for row in rows)
    whole = _whole(infos, rows, seconds, size=sum(row.vector.size for row in rows))
    return FeaturesReply(
        rows=tuple(_values(plan, asked, row) for row in rows),
        features=_feature_items(plan, asked.metadata, rows, by_row=False),
        join_keys=tuple([*row.join_keys] for row in rows),
        join_key_items=_key_items(plan.output_keys, asked.metadata),
        slo_infos=(whole,) if asked.wants("includeSloInfo") else (),
        is_partial=is_partial or any(row.vector.is_partial for row in rows),
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


def slo_json(row: Row) -> JsonObject:
    """Return what `slo_info` says, as JSON."""
    size = row.vector.size
    if size > SLO_SIZE_LIMIT_BYTES:
        return slo_info_to_json(slo_info(row))
    return {
        "sloEligible": True,
        "sloServerTimeSeconds": _seconds(row.latency.slo),
        "dynamodbResponseSizeBytes": size,
        "serverTimeSeconds": _seconds(row.latency.total),
        "storeMaxLatency": _seconds(row.latency.store),
        "storeResponseSizeBytes": size,
    }


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
    # No clock here counts finer than nanoseconds; round() takes ten times as long.
    return int(duration * 1e9 + 0.5) / 1e9


def _reasons(size: int) -> list[str] | None:
    return [SIZE_REASON] if size > SLO_SIZE_LIMIT_BYTES else None


def coerced_counts(outputs: Sequence[Output], values: Sequence[JsonValue]) -> list[JsonValue]:
    """Return the values with 0 for every count over nothing."""
    pairs = zip(outputs, values, strict=True)
    return ["0" if output.is_count and value is None else value for output, value in pairs]


def feature_item(
    output: Output, metadata: frozenset[str], statuses: tuple[str, ...], effective_time: str | None
) -> FeatureItem:
    """Return what the metadata options let the answer say about a feature."""
    return FeatureItem(
        name=output.name if "includeNames" in metadata else None,
        data_type=output.data_type if "includeDataTypes" in metadata else None,
        statuses=statuses if "includeServingStatus" in metadata else (),
        effective_time=effective_time if "includeEffectiveTimes" in metadata else None,
        description=(output.description or None) if "includeFeatureDescriptions" in metadata else None,
        tags=output.tags if "includeFeatureTags" in metadata else None,
        flat_type=legacy_type(output.data_type) if "includeTypes" in metadata else None,
    )


def _values(plan: ServicePlan, asked: Asked, row: Row) -> list[JsonValue]:
    values = row.vector.values
    return coerced_counts(plan.outputs, values) if asked.coerces_counts else values


def _feature_items(
    plan: ServicePlan, metadata: frozenset[str], rows: Sequence[Row], *, by_row: bool
) -> tuple[FeatureItem, ...]:
    if metadata.isdisjoint(ITEM_OPTIONS):
        return ()
    times = _effective_times(rows)
    columns = list(zip(*(row.vector.statuses for row in rows), strict=True)) or [()] * len(plan.outputs)
    return tuple(
        feature_item(output, metadata, statuses if by_row else _one_status(statuses), times.get(output.view))
        for output, statuses in zip(plan.outputs, columns, strict=True)
    )


ITEM_OPTIONS = frozenset(
    {
        "includeNames",
        "includeDataTypes",
        "includeTypes",
        "includeEffectiveTimes",
        "includeServingStatus",
        "includeFeatureDescriptions",
        "includeFeatureTags",
    }
)


def _one_status(statuses: tuple[str, ...]) -> tuple[str, ...]:
    """Return the one status that query-features has for all of its rows: found in any of them is found."""
    return (statuses[0] if len(set(statuses)) == 1 else "PRESENT",) if statuses else ()


def _effective_times(rows: Sequence[Row]) -> dict[str, str]:
    """Return by view the newest effective time of the rows, which share one on the wire."""
    newest: dict[str, tuple[int, str]] = {}
    for row in rows:
        for part in row.vector.parts:
            if part.effective_time is not None:
                mine = (part.since, part.effective_time)
                newest[part.view] = max(mine, newest.get(part.view, mine))
    return {view: text for view, (_, text) in newest.items()}


def _key_items(keys: Sequence[Field], metadata: frozenset[str]) -> tuple[FeatureItem, ...]:
    if metadata.isdisjoint({"includeNames", "includeDataTypes", "includeTypes"}):
        return ()
    return tuple(
        FeatureItem(
            name=key.name if "includeNames" in metadata else None,
            data_type=key.data_type if "includeDataTypes" in metadata else None,
            flat_type=legacy_type(key.data_type) if "includeTypes" in metadata else None,
        )
        for key in keys
    )
