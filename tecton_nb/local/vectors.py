"""One row of a feature service: stored views read, realtime views computed, all of it timed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from ..exceptions import InputError
from ..wire.types import JsonObject, JsonValue
from ..wire.values import decode_value
from .clock import Latency
from .columns import packed_key, wire_value
from .definitions import RealtimeView, full_name
from .plan import Read, ServicePlan
from .store import Store, StoredRow

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Vector:
    """The features of one row, in the order of the plan's outputs.

    Parameters
    ----------
    values, statuses
        One of each per output.
    rows
        What the store held, by view.
    measured
        How long it took; the total is from `started` to the end.
    """

    values: list[JsonValue]
    statuses: list[str]
    rows: Mapping[str, StoredRow]
    measured: Latency

    @property
    def size(self) -> int:
        """Bytes read from the store."""
        return sum(row.size for row in self.rows.values())

    @property
    def is_found(self) -> bool:
        """Whether the store held anything for the keys."""
        return any(row.is_present for row in self.rows.values())


@dataclass(slots=True)
class _Reading:
    plan: ServicePlan
    rows: dict[str, StoredRow]
    slowest: float = 0.0


def read_vector(
    plan: ServicePlan, store: Store, keys: JsonObject, context: Mapping[str, Any], now: int, started: float
) -> Vector:
    """Return the features for one row.

    Parameters
    ----------
    keys
        Wire values of all join keys of the plan.
    context
        Plain values of the request context.
    now
        Nanoseconds since the epoch.
    started
        ``perf_counter()`` when the request arrived.
    """
    reading = _Reading(plan, {})
    for read in plan.reads:
        before = perf_counter()
        key = packed_key([keys[name] for name in read.keys])
        reading.rows[read.view.name] = store.read(read.view.name, key, now)
        reading.slowest = max(reading.slowest, perf_counter() - before)
    read_at = perf_counter()
    values, statuses = _realtime(reading, context)
    realtime_seconds = perf_counter() - read_at if plan.realtime else 0.0
    for read in plan.reads:
        if read.is_served:
            values.extend(reading.rows[read.view.name].values)
            statuses.extend(reading.rows[read.view.name].statuses)
    return Vector(values, statuses, reading.rows, Latency(perf_counter() - started, reading.slowest, realtime_seconds))


def wildcard_keys(plan: ServicePlan, store: Store, keys: JsonObject) -> Iterator[JsonValue]:
    """Yield each value of the wildcard key that the store knows for the other keys, sorted as text."""
    wildcard = plan.service.wildcard_key
    found: dict[bytes, JsonValue] = {}
    for read in plan.reads:
        if wildcard in read.keys:
            place = read.keys.index(wildcard)
            for known in store.keys(read.view.name, [keys[name] for name in read.keys[:place]]):
                if all(known[i] == keys[name] for i, name in enumerate(read.keys) if i != place):
                    found[packed_key([known[place]])] = known[place]
    yield from (found[text] for text in sorted(found))


def _realtime(reading: _Reading, context: Mapping[str, Any]) -> tuple[list[JsonValue], list[str]]:
    values: list[JsonValue] = []
    statuses: list[str] = []
    if reading.plan.realtime:
        features = {read.view.name: _plain(read, reading.rows[read.view.name]) for read in reading.plan.reads}
        for view in reading.plan.realtime:
            computed = _computed(view, context, features)
            values.extend([None] * len(view.features) if computed is None else computed)
            statuses.extend(["UNKNOWN_STATUS" if computed is None else "PRESENT"] * len(view.features))
    return values, statuses


def _plain(read: Read, row: StoredRow) -> dict[str, Any]:
    pairs = zip(read.features, row.values, strict=True)
    return {field.name: decode_value(value, field.data_type, where=field.name) for field, value in pairs}


def _computed(
    view: RealtimeView, context: Mapping[str, Any], features: Mapping[str, Mapping[str, Any]]
) -> list[JsonValue] | None:
    """Return the values of a realtime view, `None` if its function fails."""
    given = {field.name: context[field.name] for field in view.request_context}
    read = {name: value for source in view.sources for name, value in features[source].items()}
    try:
        found = view.function(given, read)
        return [wire_value(found.get(f.name), f.data_type, where=full_name(view, f)) for f in view.features]
    except InputError as error:
        _log.warning("The realtime view '%s' returned what it does not declare: %s", view.name, error)
    except Exception:  # noqa: BLE001
        # Whatever a user's function raises is a status of its features, not the end of the request.
        _log.warning("The realtime view '%s' failed.", view.name, exc_info=True)
    return None
