"""The latency budget: what is not ready in time leaves as nulls with the status TIME_OUT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..clock import Latency
from ..definitions.plan import ServicePlan
from .parts import TIME_OUT, Part, failed_part
from .vectors import Vector


def ready_in_time(
    plan: ServicePlan,
    vector: Vector,
    latency: Latency,
    seconds: Mapping[str, float],
    delays: Mapping[str, float],
    budget: float | None,
) -> tuple[Vector, Latency]:
    """Return the vector as it leaves, and the latency to report for it.

    Views are retrieved side by side; a realtime view waits for those it reads.

    Parameters
    ----------
    vector, latency
        As if nothing were late.
    seconds, delays
        By view: what its retrieval took, and by how much it is late on top.
    budget
        Seconds after which the answer leaves; `None` waits for everything.
    """
    overhead = max(latency.total - latency.store - latency.realtime, 0.0)
    ready = {read.view.name: overhead + seconds[read.view.name] + delays[read.view.name] for read in plan.reads}
    store = max(ready.values(), default=overhead) - overhead
    for view in plan.realtime:
        begun = max((ready[source] for source in view.sources), default=overhead)
        ready[view.name] = begun + seconds[view.name] + delays[view.name]
    total = max(latency.total, *ready.values())
    realtime = max(total - overhead - store, 0.0) if plan.realtime else 0.0
    if budget is None or total <= budget:
        return vector, Latency(total, store, realtime)
    cut = Latency(budget, min(store, budget), min(realtime, max(budget - store, 0.0)))
    return replace(vector, parts=[_in_time(part, ready[part.view], budget) for part in vector.parts]), cut


def _in_time(part: Part, ready: float, budget: float) -> Part:
    return part if ready <= budget else failed_part(part.view, len(part.values), TIME_OUT)
