"""Feature views and feature services as plain frozen data; nothing here reads or serves.

Three kinds of view: a `BatchView` hands out its newest row per key, an `AggregatedView` computes
windows over events, a `RealtimeView` calls a Python function. A `FeatureService` is a list of views.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ...wire.requests import DEFAULT_WORKSPACE
from ...wire.types import FLOAT64, INT64, DataType
from .durations import nanoseconds

FUNCTIONS = ("count", "last", "max", "mean", "min", "sum")

RealtimeFunction: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Field:
    """A join key or a request context key: a name and a data type."""

    name: str
    data_type: DataType


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a view, under its short name."""

    name: str
    data_type: DataType
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One window over one column of events.

    Parameters
    ----------
    column
        Column of the events, numeric; missing values are left out.
    function
        One of `FUNCTIONS`.
    window
        Length of the window, such as ``7d``; a multiple of the view's interval.
    """

    column: str
    function: str
    window: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def feature(self, interval: str) -> Feature:
        """Return the feature, named as Tecton names it: ``arr_delay_mean_7d_1h``."""
        data_type = INT64 if self.function == "count" else FLOAT64
        name = f"{self.column}_{self.function}_{self.window}_{interval}"
        return Feature(name, data_type, self.description, self.tags)


@dataclass(frozen=True, slots=True)
class BatchView:
    """The newest row per key whose event time is not after now and not older than `ttl`.

    Parameters
    ----------
    name
        Name of the view.
    join_keys
        Columns that name an entity, in order.
    features
        Columns that are served.
    timestamp
        Column of the event time.
    ttl
        How long a row is served, such as ``30d``; `None` for ever.
    namespace
        What stands before the dot of a feature name; `None` for the view's name, empty for no dot.
    cache_ttl
        How long the serving cache may answer for an entity, such as ``30s``, at most ``24h``; `None`
        for a view that is not cached.
    """

    name: str
    join_keys: tuple[Field, ...]
    features: tuple[Feature, ...]
    timestamp: str = "timestamp"
    ttl: str | None = None
    namespace: str | None = None
    cache_ttl: str | None = None

    @property
    def ttl_nanoseconds(self) -> int | None:
        """How long a row is served, in nanoseconds."""
        return None if self.ttl is None else nanoseconds(self.ttl, where=f"ttl of view {self.name!r}")

    @property
    def cache_ttl_nanoseconds(self) -> int | None:
        """How long the serving cache may answer for an entity, in nanoseconds."""
        return _cache_ttl(self)


@dataclass(frozen=True, slots=True)
class AggregatedView:
    """Windows over events, ending at the newest full interval before now.

    Parameters
    ----------
    name
        Name of the view.
    join_keys
        Columns that name an entity, in order.
    aggregations
        What is computed.
    interval
        Step in which the windows move, such as ``1h``; effective times are its multiples.
    timestamp
        Column of the event time.
    namespace, cache_ttl
        As in `BatchView`.
    """

    name: str
    join_keys: tuple[Field, ...]
    aggregations: tuple[Aggregation, ...]
    interval: str
    timestamp: str = "timestamp"
    namespace: str | None = None
    cache_ttl: str | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features in the order of the aggregations."""
        return tuple(aggregation.feature(self.interval) for aggregation in self.aggregations)

    @property
    def interval_nanoseconds(self) -> int:
        """Length of one interval in nanoseconds."""
        return nanoseconds(self.interval, where=f"interval of view {self.name!r}")

    @property
    def cache_ttl_nanoseconds(self) -> int | None:
        """As in `BatchView`."""
        return _cache_ttl(self)

    def window_nanoseconds(self, aggregation: Aggregation) -> int:
        """Return the length of an aggregation's window in nanoseconds."""
        return nanoseconds(aggregation.window, where=f"window of view {self.name!r}")


@dataclass(frozen=True, slots=True)
class RealtimeView:
    """Features that a Python function computes while the request waits.

    Parameters
    ----------
    name
        Name of the view.
    features
        Output schema; its order is the order of the features.
    function
        Called with the request context (``{name: value}``) and the features of `sources`
        (``{full name: value}``, `None` where missing); returns ``{feature name: value}``.
    request_context
        What a request must bring.
    sources
        Names of the stored views whose features the function reads; a service may leave them out
        of its answer.
    namespace
        As in `BatchView`.
    """

    name: str
    features: tuple[Feature, ...]
    function: RealtimeFunction
    request_context: tuple[Field, ...] = ()
    sources: tuple[str, ...] = ()
    namespace: str | None = None


StoredView: TypeAlias = BatchView | AggregatedView
View: TypeAlias = BatchView | AggregatedView | RealtimeView


@dataclass(frozen=True, slots=True)
class FeatureService:
    """A named list of views in a workspace.

    Parameters
    ----------
    name
        Name of the service.
    views
        Names of the views it answers with.
    workspace
        Where it lives.
    wildcard_key
        Join key that requests leave out and ``query-features`` answers with; `None` makes a
        DEFAULT service, a name a WILDCARD one.
    description, tags
        For people; the feature server's API has no place for them.
    service_id
        Its id; `None` makes one of workspace and name.
    """

    name: str
    views: tuple[str, ...]
    workspace: str = DEFAULT_WORKSPACE
    wildcard_key: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    service_id: str | None = None

    @property
    def id(self) -> str:
        """What it may be asked for by, the same in every run; thirty-two hexadecimal digits unless one was given."""
        return self.service_id or hashlib.sha256(f"{self.workspace}/{self.name}".encode()).hexdigest()[:32]

    @property
    def type(self) -> str:
        """``DEFAULT`` or ``WILDCARD``."""
        return "DEFAULT" if self.wildcard_key is None else "WILDCARD"


@dataclass(frozen=True, slots=True)
class Definitions:
    """Everything a feature server serves; check it with `validation.check`."""

    views: tuple[View, ...]
    services: tuple[FeatureService, ...]

    @property
    def stored_views(self) -> tuple[StoredView, ...]:
        """The views that have data."""
        return tuple(view for view in self.views if not isinstance(view, RealtimeView))

    @property
    def workspaces(self) -> tuple[str, ...]:
        """Names of the workspaces that hold a service, in order of appearance."""
        return tuple(dict.fromkeys(service.workspace for service in self.services))

    def __add__(self, other: Definitions) -> Definitions:
        return Definitions(self.views + other.views, self.services + other.services)


def full_name(view: View, feature: Feature) -> str:
    """Return the name a client sees: ``view.feature``, or just the feature where the view has no namespace."""
    namespace = view.name if view.namespace is None else view.namespace
    return f"{namespace}.{feature.name}" if namespace else feature.name


def ordered_features(view: View) -> tuple[Feature, ...]:
    """Return the features in the order they are served.

    A realtime view keeps its output schema; the others sort by plain text, so ``1d`` < ``30d`` < ``7d``.
    """
    if isinstance(view, RealtimeView):
        return view.features
    return tuple(sorted(view.features, key=lambda feature: feature.name))


def _cache_ttl(view: StoredView) -> int | None:
    return None if view.cache_ttl is None else nanoseconds(view.cache_ttl, where=f"cache_ttl of view {view.name!r}")
