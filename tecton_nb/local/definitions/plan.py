"""A feature service resolved: what to read, what to compute, and in which order to answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...wire.responses import NameAndType, ServiceMetadata
from ...wire.types import DataType
from .validation import sources_of
from .views import (
    AggregatedView,
    Definitions,
    FeatureService,
    Field,
    RealtimeView,
    StoredView,
    View,
    full_name,
    ordered_features,
)


@dataclass(frozen=True, slots=True)
class Output:
    """One feature of the vector."""

    name: str
    data_type: DataType
    view: str
    description: str
    tags: Mapping[str, str]
    is_count: bool


@dataclass(frozen=True, slots=True)
class Read:
    """One stored view to look up.

    Parameters
    ----------
    view
        The view.
    keys
        Names of its join keys in its order.
    features
        Full name and type of its features in served order.
    is_served
        Whether the features are part of the answer, or only read by realtime views.
    cache_ttl
        How long the serving cache keeps an entity, in nanoseconds; `None` for a view that is not cached.
    """

    view: StoredView
    keys: tuple[str, ...]
    features: tuple[Field, ...]
    is_served: bool
    cache_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What serving one feature service takes.

    Parameters
    ----------
    service_id
        Id of the service.
    realtime
        Realtime views in order of their names; they come first in the vector.
    reads
        Served views in order of their names, then those only read by realtime views.
    outputs
        The vector.
    input_keys, output_keys
        Join keys that a request brings, and that query-features answers with.
    context
        Request context that a request brings.
    """

    service: FeatureService
    service_id: str
    realtime: tuple[RealtimeView, ...]
    reads: tuple[Read, ...]
    outputs: tuple[Output, ...]
    input_keys: tuple[Field, ...]
    output_keys: tuple[Field, ...]
    context: tuple[Field, ...]

    @property
    def served(self) -> tuple[View, ...]:
        """The views of the vector, in its order."""
        return (*self.realtime, *(read.view for read in self.reads if read.is_served))

    @property
    def is_wildcard(self) -> bool:
        """Whether query-features answers for it."""
        return self.service.wildcard_key is not None

    def metadata(self) -> ServiceMetadata:
        """Return what the metadata endpoint says about the service."""
        return ServiceMetadata(
            input_join_keys=_named(self.input_keys),
            input_request_context_keys=_named(self.context),
            feature_values=tuple(NameAndType(output.name, output.data_type) for output in self.outputs),
            output_join_keys=_named(self.output_keys),
            feature_service_type=self.service.type,
        )


def plan_service(service: FeatureService, definitions: Definitions) -> ServicePlan:
    """Return the plan of a service of checked definitions."""
    views = {view.name: view for view in definitions.views}
    own = sorted((views[name] for name in service.views), key=lambda view: view.name)
    realtime = tuple(view for view in own if isinstance(view, RealtimeView))
    served = [view for view in own if not isinstance(view, RealtimeView)]
    hidden = [view for view in sources_of(service, views) if view not in served]
    keys = _distinct(key for view in sources_of(service, views) for key in view.join_keys)
    return ServicePlan(
        service=service,
        service_id=service.id,
        realtime=realtime,
        reads=tuple(_read(view, is_served=view in served) for view in [*served, *hidden]),
        outputs=tuple(output for view in [*realtime, *served] for output in _outputs(view)),
        input_keys=tuple(key for key in keys if key.name != service.wildcard_key),
        output_keys=tuple(key for key in keys if key.name == service.wildcard_key),
        context=_distinct(field for view in realtime for field in view.request_context),
    )


def _read(view: StoredView, *, is_served: bool) -> Read:
    features = tuple(Field(full_name(view, feature), feature.data_type) for feature in ordered_features(view))
    return Read(view, tuple(key.name for key in view.join_keys), features, is_served, view.cache_ttl_nanoseconds)


def _outputs(view: View) -> list[Output]:
    counts = set()
    if isinstance(view, AggregatedView):
        counts = {a.feature(view.interval).name for a in view.aggregations if a.function == "count"}
    return [
        Output(full_name(view, f), f.data_type, view.name, f.description, f.tags, f.name in counts)
        for f in ordered_features(view)
    ]


def _distinct(fields: Iterable[Field]) -> tuple[Field, ...]:
    return tuple({field.name: field for field in fields}.values())


def _named(fields: tuple[Field, ...]) -> tuple[NameAndType, ...]:
    return tuple(NameAndType(field.name, field.data_type) for field in fields)
