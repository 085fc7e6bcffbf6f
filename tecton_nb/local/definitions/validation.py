"""Mistakes in definitions, each told in one sentence with what is possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...exceptions import SettingsError, did_you_mean, full_stop, listed, quoted
from ...wire.types import INT64, STRING, DataType
from .durations import SECOND
from .views import (
    FUNCTIONS,
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    FeatureService,
    Field,
    RealtimeView,
    StoredView,
    View,
    full_name,
)

_KEY_TYPES = (STRING, INT64)
_LONGEST_CACHE_TTL = 24 * 3_600 * SECOND


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: where it is, as keys from the outside in, and what it is, as a sentence."""

    place: tuple[str, ...]
    sentence: str


def check(definitions: Definitions) -> Definitions:
    """Return the definitions if they can be served.

    Raises
    ------
    SettingsError
        If a name is missing, unknown or used twice, a length of time, function or data type is
        not possible, or a service mixes what cannot go together.
    """
    for mistake in mistakes(definitions):
        raise SettingsError(mistake.sentence)
    return definitions


def mistakes(definitions: Definitions) -> Iterator[Mistake]:
    """Yield the mistakes; those after the first may follow from it.

    Raises
    ------
    SettingsError
        If a length of time cannot be read.
    """
    services = definitions.services
    yield from _once(("views",), "view", (view.name for view in definitions.views))
    yield from _once(("services",), "feature service", (f"{s.workspace}/{s.name}" for s in services))
    yield from _once(("services",), "id of a feature service", (service.id for service in services))
    views = {view.name: view for view in definitions.views}
    for view in definitions.views:
        yield from _in_view(view, views)
    for service in services:
        yield from _in_service(service, views)


def sources_of(service: FeatureService, views: Mapping[str, View]) -> tuple[StoredView, ...]:
    """Return the stored views a service reads: its own, then those its realtime views take from elsewhere."""
    own = [views[name] for name in service.views]
    names = [view.name for view in own if not isinstance(view, RealtimeView)]
    names += [source for view in own if isinstance(view, RealtimeView) for source in view.sources]
    stored = (views[name] for name in dict.fromkeys(names))
    return tuple(view for view in stored if not isinstance(view, RealtimeView))


def _in_view(view: View, views: Mapping[str, View]) -> Iterator[Mistake]:
    where, place = f"view {quoted(view.name)}", ("views", view.name)
    features = (*place, "aggregations" if isinstance(view, AggregatedView) else "features")
    if not view.features:
        yield _mistake(features, f"The {where} has no features")
    yield from _once(features, f"feature of the {where}", (feature.name for feature in view.features))
    match view:
        case BatchView():
            yield from _in_stored(view, where)
            _ = view.ttl_nanoseconds
        case AggregatedView():
            yield from _in_stored(view, where)
            for aggregation in view.aggregations:
                yield from _in_aggregation(view, aggregation)
        case _:
            yield from _in_realtime(view, views)


def _in_stored(view: StoredView, where: str) -> Iterator[Mistake]:
    place = ("views", view.name, "join_keys")
    if not view.join_keys:
        yield _mistake(place, f"The {where} has no join keys")
    yield from _once(place, f"join key of the {where}", (key.name for key in view.join_keys))
    for key in view.join_keys:
        if key.data_type not in _KEY_TYPES:
            said = f"The join key {quoted(key.name)} of the {where} is {key.data_type}; use {listed(_KEY_TYPES)}"
            yield _mistake((*place, key.name), said)
    if (view.cache_ttl_nanoseconds or 0) > _LONGEST_CACHE_TTL:
        said = f"The cache_ttl {quoted(view.cache_ttl)} of {where} is longer than '24h'"
        yield _mistake(("views", view.name, "cache_ttl"), said)


def _in_aggregation(view: AggregatedView, aggregation: Aggregation) -> Iterator[Mistake]:
    place = ("views", view.name, "aggregations")
    if aggregation.function not in FUNCTIONS:
        hint = did_you_mean(aggregation.function, FUNCTIONS)
        yield _mistake(
            place,
            f"The view {quoted(view.name)} knows no function {quoted(aggregation.function)}; "
            f"use one of {listed(FUNCTIONS)}.{hint}",
        )
    if view.window_nanoseconds(aggregation) % view.interval_nanoseconds:
        yield _mistake(
            place,
            f"The window {quoted(aggregation.window)} of view {quoted(view.name)} "
            f"is no multiple of its interval {quoted(view.interval)}",
        )


def _in_realtime(view: RealtimeView, views: Mapping[str, View]) -> Iterator[Mistake]:
    where, place = f"view {quoted(view.name)}", ("views", view.name)
    names = (field.name for field in view.request_context)
    yield from _once((*place, "request_context"), f"request context key of the {where}", names)
    stored = [name for name, other in views.items() if not isinstance(other, RealtimeView)]
    for source in view.sources:
        if source not in stored:
            yield _mistake(
                (*place, "sources"),
                f"The {where} reads from {quoted(source)}, which is no batch or aggregated view; "
                f"those are {listed(stored)}.{did_you_mean(source, stored)}",
            )
    if not callable(view.function):
        yield _mistake((*place, "function"), f"The function of the {where} cannot be called: {quoted(view.function)}")


def _in_service(service: FeatureService, views: Mapping[str, View]) -> Iterator[Mistake]:
    where, place = f"feature service {quoted(service.name)}", ("services", service.name)
    if not service.views:
        yield _mistake((*place, "views"), f"The {where} has no views")
    yield from _once((*place, "views"), f"view of the {where}", service.views)
    for name in service.views:
        if name not in views:
            said = f"The {where} names the view {quoted(name)}, which is not defined.{did_you_mean(name, views)}"
            yield _mistake((*place, "views"), said)
    yield from _between_views(service, views)


def _between_views(service: FeatureService, views: Mapping[str, View]) -> Iterator[Mistake]:
    where, place = f"feature service {quoted(service.name)}", ("services", service.name)
    own = [views[name] for name in service.views]
    outputs = (full_name(view, feature) for view in own for feature in view.features)
    yield from _once((*place, "views"), f"feature of the {where}", outputs)
    keys = [key for view in sources_of(service, views) for key in view.join_keys]
    context = [field for view in own if isinstance(view, RealtimeView) for field in view.request_context]
    yield from _one_type(place, "join key", where, keys)
    yield from _one_type(place, "request context key", where, context)
    names = list(dict.fromkeys(key.name for key in keys))
    if service.wildcard_key is not None and service.wildcard_key not in names:
        yield _mistake(
            (*place, "wildcard_key"),
            f"The wildcard key {quoted(service.wildcard_key)} of the {where} is no join key of its views; "
            f"those are {listed(names)}.{did_you_mean(service.wildcard_key, names)}",
        )


def _one_type(place: tuple[str, ...], what: str, where: str, fields: Iterable[Field]) -> Iterator[Mistake]:
    seen: dict[str, DataType] = {}
    for field in fields:
        other = seen.setdefault(field.name, field.data_type)
        if other != field.data_type:
            yield _mistake(
                (*place, "views"),
                f"The {what} {quoted(field.name)} of the {where} "
                f"is {other} in one view and {field.data_type} in another",
            )


def _once(place: tuple[str, ...], what: str, names: Iterable[str]) -> Iterator[Mistake]:
    counts = Counter(names)
    for name, count in counts.items():
        if not name:
            yield _mistake(place, f"A {what} has no name")
        if count > 1:
            yield _mistake(place, f"The {what} {quoted(name)} is defined {count} times; names must be unique")


def _mistake(place: tuple[str, ...], sentence: str) -> Mistake:
    return Mistake(place, full_stop(sentence))
