"""Mistakes in definitions, each told in one sentence with what is possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NoReturn

from ..exceptions import SettingsError, did_you_mean, listed, quoted
from ..wire.types import INT64, STRING, DataType
from .definitions import (
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


def check(definitions: Definitions) -> Definitions:
    """Return the definitions if they can be served.

    Raises
    ------
    SettingsError
        If a name is missing, unknown or used twice, a length of time, function or data type is
        not possible, or a service mixes what cannot go together.
    """
    _once("view", (view.name for view in definitions.views))
    _once("feature service", (f"{service.workspace}/{service.name}" for service in definitions.services))
    views = {view.name: view for view in definitions.views}
    for view in definitions.views:
        _check_view(view, views)
    for service in definitions.services:
        _check_service(service, views)
    return definitions


def sources_of(service: FeatureService, views: Mapping[str, View]) -> tuple[StoredView, ...]:
    """Return the stored views a service reads: its own, then those its realtime views take from elsewhere."""
    own = [views[name] for name in service.views]
    names = [view.name for view in own if not isinstance(view, RealtimeView)]
    names += [source for view in own if isinstance(view, RealtimeView) for source in view.sources]
    stored = (views[name] for name in dict.fromkeys(names))
    return tuple(view for view in stored if not isinstance(view, RealtimeView))


def _check_view(view: View, views: Mapping[str, View]) -> None:
    where = f"view {quoted(view.name)}"
    if not view.features:
        _refuse(f"The {where} has no features")
    _once(f"feature of the {where}", (feature.name for feature in view.features))
    match view:
        case BatchView():
            _check_keys(view.join_keys, where)
            _ = view.ttl_nanoseconds
        case AggregatedView():
            _check_keys(view.join_keys, where)
            for aggregation in view.aggregations:
                _check_aggregation(view, aggregation)
        case _:
            _check_realtime(view, views)


def _check_keys(keys: tuple[Field, ...], where: str) -> None:
    if not keys:
        _refuse(f"The {where} has no join keys")
    _once(f"join key of the {where}", (key.name for key in keys))
    for key in keys:
        if key.data_type not in _KEY_TYPES:
            _refuse(f"The join key {quoted(key.name)} of the {where} is {key.data_type}; use {listed(_KEY_TYPES)}")


def _check_aggregation(view: AggregatedView, aggregation: Aggregation) -> None:
    if aggregation.function not in FUNCTIONS:
        hint = did_you_mean(aggregation.function, FUNCTIONS)
        _refuse(
            f"The view {quoted(view.name)} knows no function {quoted(aggregation.function)}; "
            f"use one of {listed(FUNCTIONS)}.{hint}"
        )
    if view.window_nanoseconds(aggregation) % view.interval_nanoseconds:
        _refuse(
            f"The window {quoted(aggregation.window)} of view {quoted(view.name)} "
            f"is no multiple of its interval {quoted(view.interval)}"
        )


def _check_realtime(view: RealtimeView, views: Mapping[str, View]) -> None:
    where = f"view {quoted(view.name)}"
    _once(f"request context key of the {where}", (field.name for field in view.request_context))
    stored = [name for name, other in views.items() if not isinstance(other, RealtimeView)]
    for source in view.sources:
        if source not in stored:
            _refuse(
                f"The {where} reads from {quoted(source)}, which is no batch or aggregated view; "
                f"those are {listed(stored)}.{did_you_mean(source, stored)}"
            )
    if not callable(view.function):
        _refuse(f"The function of the {where} cannot be called: {quoted(view.function)}")


def _check_service(service: FeatureService, views: Mapping[str, View]) -> None:
    where = f"feature service {quoted(service.name)}"
    if not service.views:
        _refuse(f"The {where} has no views")
    _once(f"view of the {where}", service.views)
    for name in service.views:
        if name not in views:
            _refuse(f"The {where} names the view {quoted(name)}, which is not defined.{did_you_mean(name, views)}")
    own = [views[name] for name in service.views]
    _once(f"feature of the {where}", (full_name(view, feature) for view in own for feature in view.features))
    keys = [key for view in sources_of(service, views) for key in view.join_keys]
    _one_type("join key", where, keys)
    _one_type("request context key", where, [f for v in own if isinstance(v, RealtimeView) for f in v.request_context])
    names = list(dict.fromkeys(key.name for key in keys))
    if service.wildcard_key is not None and service.wildcard_key not in names:
        _refuse(
            f"The wildcard key {quoted(service.wildcard_key)} of the {where} is no join key of its views; "
            f"those are {listed(names)}.{did_you_mean(service.wildcard_key, names)}"
        )


def _one_type(what: str, where: str, fields: Iterable[Field]) -> None:
    seen: dict[str, DataType] = {}
    for field in fields:
        other = seen.setdefault(field.name, field.data_type)
        if other != field.data_type:
            _refuse(
                f"The {what} {quoted(field.name)} of the {where} "
                f"is {other} in one view and {field.data_type} in another"
            )


def _once(what: str, names: Iterable[str]) -> None:
    counts = Counter(names)
    for name, count in counts.items():
        if not name:
            _refuse(f"A {what} has no name")
        if count > 1:
            _refuse(f"The {what} {quoted(name)} is defined {count} times; names must be unique")


def _refuse(sentence: str) -> NoReturn:
    raise SettingsError(sentence if sentence.endswith(("?", ".")) else f"{sentence}.")
