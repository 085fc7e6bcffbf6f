"""What a scrape is told about: services and views that its key may read, counters, courses and the time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..definitions.plan import ServicePlan
from ..definitions.views import AggregatedView, FeatureService
from .simulation import Simulation
from .telemetry import Telemetry

REGION = {"aws_region": "local"}


@dataclass(frozen=True, slots=True)
class Place:
    """A stored view in a workspace; a stream if it is computed from events."""

    workspace: str
    view: str
    is_stream: bool

    @property
    def id(self) -> str:
        """Thirty-two hexadecimal digits, the same in every run."""
        return hashlib.sha256(f"{self.workspace}/view/{self.view}".encode()).hexdigest()[:32]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that name it."""
        return {"workspace": self.workspace, "feature_view_name": self.view, "feature_view_id": self.id}


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of one server.

    Parameters
    ----------
    plans
        Of the services that may be named.
    telemetry, simulation
        Where numbers come from.
    now
        Nanoseconds since the epoch.
    """

    plans: tuple[ServicePlan, ...]
    telemetry: Telemetry
    simulation: Simulation
    now: int

    @property
    def services(self) -> tuple[FeatureService, ...]:
        """The services that may be named."""
        return tuple(plan.service for plan in self.plans)

    @property
    def places(self) -> tuple[Place, ...]:
        """The stored views behind the services, each once, in order of appearance."""
        found = (
            Place(plan.service.workspace, read.view.name, isinstance(read.view, AggregatedView))
            for plan in self.plans
            for read in plan.reads
        )
        return tuple(dict.fromkeys(found))

    @property
    def streams(self) -> tuple[Place, ...]:
        """The places that are computed from events."""
        return tuple(place for place in self.places if place.is_stream)


Labels: TypeAlias = Mapping[str, str]
# What follows the metric's name, the labels, the value.
Point: TypeAlias = tuple[str, Labels, float]
Source: TypeAlias = Callable[[Scene], Iterable[Point]]
