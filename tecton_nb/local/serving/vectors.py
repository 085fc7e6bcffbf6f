"""One row of a feature service: stored views read, realtime views computed, all of it timed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from ...wire.types import JsonObject, JsonValue
from ..clock import Latency
from ..definitions.plan import ServicePlan
from ..storage.store import Store
from ..storage.wire_columns import packed_key
from .asked import Asked
from .parts import UNKNOWN_STATUS, Part, failed_part
from .realtime import Computing
from .refusals import too_large
from .retrieval import Retrieval


@dataclass(slots=True)
class Vector:
    """The features of one row.

    Parameters
    ----------
    parts
        One per served view, in the order of the plan's outputs.
    stored
        What was read, by view; also the views that only realtime views read.
    seconds, computing_seconds
        How long the store took by stored view, and the function by realtime view.
    size
        Bytes read from the store.
    measured
        How long it took; the total is from `started` to the end.
    is_partial
        Whether some of it did not fit.
    """

    parts: list[Part]
    stored: Mapping[str, Part]
    seconds: Mapping[str, float]
    computing_seconds: Mapping[str, float]
    size: int
    measured: Latency
    is_partial: bool = False

    @property
    def values(self) -> list[JsonValue]:
        """One JSON value per output."""
        return [value for part in self.parts for value in part.values]

    @property
    def statuses(self) -> list[str]:
        """One raw status per output."""
        return [status for part in self.parts for status in part.statuses]

    @property
    def is_found(self) -> bool:
        """Whether the store holds anything for the keys."""
        return any(part.is_found for part in self.stored.values())


class Reader:
    """Reads rows of one feature service.

    Parameters
    ----------
    plan
        The service.
    retrieval
        Reads one view.
    size_limit_bytes
        More than this for one row is refused or cut.
    """

    def __init__(self, plan: ServicePlan, retrieval: Retrieval, size_limit_bytes: int) -> None:
        self._plan = plan
        self._retrieval = retrieval
        self._computing = Computing(plan) if plan.realtime else None
        self._size_limit_bytes = size_limit_bytes
        self._served = [read.view.name for read in plan.reads if read.is_served]

    def vector(self, keys: JsonObject, context: Mapping[str, Any], asked: Asked, now: int, started: float) -> Vector:
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
            ``perf_counter()`` when the request arrived; the latency budget counts from here.

        Raises
        ------
        BadRequestError
            If more is to be read than the limit, and what fits is not wanted.
        """
        stored: dict[str, Part] = {}
        seconds: dict[str, float] = {}
        size = 0
        before = perf_counter()
        for read in self._plan.reads:
            key = packed_key([keys[name] for name in read.keys])
            part = stored[read.view.name] = self._retrieval.part(self._plan, read, key, asked, now)
            size += part.size
            after = perf_counter()
            seconds[read.view.name] = after - before
            before = after
        is_partial = size > self._size_limit_bytes
        if is_partial:
            size = self._fit(stored, size, asked)
        parts: list[Part] = []
        computing: dict[str, float] = {}
        if self._computing is not None:
            deadline = None if asked.budget_seconds is None else started + asked.budget_seconds
            parts = self._computing.parts(stored, context, computing, deadline)
        parts += [stored[name] for name in self._served]
        ended = perf_counter()
        measured = Latency(
            ended - started, max(seconds.values(), default=0.0), ended - before if self._plan.realtime else 0.0
        )
        return Vector(parts, stored, seconds, computing, size, measured, is_partial)

    def _fit(self, parts: dict[str, Part], size: int, asked: Asked) -> int:
        """Replace the parts that do not fit; return the size of those that do."""
        if not asked.allows_partial:
            raise too_large(size, self._size_limit_bytes)
        kept = 0
        for name, part in parts.items():
            if kept + part.size > self._size_limit_bytes:
                parts[name] = failed_part(name, len(part.values), UNKNOWN_STATUS)
            else:
                kept += part.size
        return kept


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
