"""``features.toml``: views, feature services and API keys as a file, every mistake with its place.

Data files and key files are named relative to the folder of the file and must lie inside it, unless
their path is absolute, and so meant to lead elsewhere. No API key stands in the file, only where
to find one or its hash, and no sentence shows a value of ``api_keys``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ...exceptions import SettingsError, did_you_mean, listed, quoted
from ...wire.requests import DEFAULT_WORKSPACE
from ..keys import Account
from .data_files import SUFFIXES, FileSource
from .durations import nanoseconds
from .functions import load_function
from .toml_keys import read_accounts, without_plain_keys
from .toml_table import Table, read_toml, refusal
from .type_text import type_from_text
from .validation import mistakes
from .views import (
    FUNCTIONS,
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    Feature,
    FeatureService,
    Field,
    RealtimeView,
    StoredView,
    View,
)

_COMMON = ("kind", "features", "namespace")
_STORED = ("kind", "namespace", "data", "join_keys", "timestamp", "cache_ttl")
_SERVICE = ("views", "workspaces", "id", "wildcard_key", "description", "tags")


@dataclass(frozen=True, slots=True)
class FeaturesFile:
    """What a ``features.toml`` says.

    Parameters
    ----------
    definitions
        Views and services, checked.
    data
        Where the data of the stored views lies, by view name.
    accounts
        Who may read, beside the server's own key.
    now
        Where the server's clock stands still, in nanoseconds since the epoch; `None` for the machine's clock.
    """

    definitions: Definitions
    data: Mapping[str, FileSource]
    accounts: tuple[Account, ...]
    now: int | None


def read_features_file(path: str | Path) -> FeaturesFile:
    """Return what a ``features.toml`` says; reads no data yet.

    Raises
    ------
    SettingsError
        If the file cannot be read or has a mistake: one sentence with file, key and what is possible.
    """
    path = Path(path)
    top = Table(without_plain_keys(read_toml(path)), path)
    top.only("now", "views", "services", "api_keys")
    definitions = _definitions(top)
    sources = {view.name: _source(view, top) for view in definitions.stored_views}
    accounts = read_accounts(top, definitions.workspaces)
    return FeaturesFile(definitions, sources, accounts, _instant(top) if "now" in top else None)


def _definitions(top: Table) -> Definitions:
    for key in ("views", "services"):
        top.require(key, f"a table for every {key.removesuffix('s')}, such as [{key}.my_{key.removesuffix('s')}]")
    views = tuple(_view(name, table) for name, table in top.tables("views").items())
    services = (service for name, table in top.tables("services").items() for service in _services(name, table))
    definitions = Definitions(views, tuple(services))
    for mistake in mistakes(definitions):
        place = top
        for key in mistake.place[:-1]:
            place = place.table(key)
        raise refusal(top.path, place.at(mistake.place[-1]), mistake.sentence)
    return definitions


def _instant(top: Table) -> int:
    given: Any = top.values["now"]
    try:
        instant = pd.Timestamp(given)
        if not pd.isna(instant):
            aware = instant.tz_localize("UTC") if instant.tzinfo is None else instant.tz_convert("UTC")
            return int(aware.as_unit("ns").value)
    except (TypeError, ValueError):
        pass
    top.refuse("now", f"{quoted(given)} is no instant; write one such as 2024-05-01T12:00:00Z")


def _view(name: str, table: Table) -> View:
    kind = table.choice("kind", _VIEWS)
    return _VIEWS[kind](name, table)


def _batch(name: str, table: Table) -> View:
    table.only(*_STORED, "features", "ttl")
    return BatchView(
        name,
        _fields(table, "join_keys"),
        _features(table),
        timestamp=table.text("timestamp", "timestamp"),
        ttl=_length(table, "ttl"),
        namespace=_optional(table, "namespace"),
        cache_ttl=_length(table, "cache_ttl"),
    )


def _aggregated(name: str, table: Table) -> View:
    table.only(*_STORED, "interval", "aggregations")
    table.require("interval", "the step in which the windows move, such as '1h'")
    return AggregatedView(
        name,
        _fields(table, "join_keys"),
        tuple(a for entry in table.array("aggregations") for a in _aggregations(entry, table)),
        interval=str(_length(table, "interval")),
        timestamp=table.text("timestamp", "timestamp"),
        namespace=_optional(table, "namespace"),
        cache_ttl=_length(table, "cache_ttl"),
    )


def _realtime(name: str, table: Table) -> View:
    table.only(*_COMMON, "function", "request_context", "sources")
    table.require("function", "write 'module:function', such as 'realtime:ratio'")
    folder = table.path.parent
    return RealtimeView(
        name,
        _features(table),
        table.converted("function", lambda text: load_function(text, folder)),
        request_context=_fields(table, "request_context"),
        sources=tuple(table.texts("sources")),
        namespace=_optional(table, "namespace"),
    )


_VIEWS = {"batch": _batch, "aggregated": _aggregated, "realtime": _realtime}


def _aggregations(entry: Table, view: Table) -> list[Aggregation]:
    entry.only("column", "functions", "windows", "description", "tags")
    for key, example in (("column", "'amount'"), ("functions", '["mean"]'), ("windows", '["7d"]')):
        entry.require(key, f"write for example {key} = {example}")
    interval = str(_length(view, "interval"))
    functions = [_function(entry, i, text) for i, text in enumerate(entry.texts("functions"))]
    windows = [_window(entry, i, text, interval) for i, text in enumerate(entry.texts("windows"))]
    shared = (entry.text("description"), entry.text_map("tags"))
    pairs = [(function, window) for function in functions for window in windows]
    return [Aggregation(entry.text("column"), *pair, *shared) for pair in pairs]


def _function(entry: Table, i: int, text: str) -> str:
    if text not in FUNCTIONS:
        said = f"{quoted(text)} is no function; possible are {listed(FUNCTIONS)}.{did_you_mean(text, FUNCTIONS)}"
        raise refusal(entry.path, f"{entry.at('functions')}[{i}]", said)
    return text


def _window(entry: Table, i: int, text: str, interval: str) -> str:
    place = f"{entry.at('windows')}[{i}]"
    try:
        width = nanoseconds(text, where="window")
    except SettingsError as error:
        raise refusal(entry.path, place, str(error)) from None
    if width % nanoseconds(interval, where="interval"):
        raise refusal(entry.path, place, f"{quoted(text)} is no multiple of the interval {quoted(interval)}")
    return text


def _features(table: Table) -> tuple[Feature, ...]:
    features = table.table("features")
    return tuple(_feature(name, features) for name in features.values)


def _feature(name: str, features: Table) -> Feature:
    if not isinstance(features.values[name], dict):
        return Feature(name, features.converted(name, type_from_text))
    table = features.table(name)
    table.only("type", "description", "tags")
    table.require("type", "write a data type, such as 'int64'")
    return Feature(name, table.converted("type", type_from_text), table.text("description"), table.text_map("tags"))


def _fields(table: Table, key: str) -> tuple[Field, ...]:
    fields = table.table(key)
    return tuple(Field(name, fields.converted(name, type_from_text)) for name in fields.values)


def _length(table: Table, key: str) -> str | None:
    if key not in table:
        return None
    table.converted(key, lambda text: nanoseconds(text, where=key))
    return table.text(key)


def _optional(table: Table, key: str) -> str | None:
    return table.text(key) if key in table else None


def _services(name: str, table: Table) -> list[FeatureService]:
    table.only(*_SERVICE)
    workspaces = table.texts("workspaces") if "workspaces" in table else [DEFAULT_WORKSPACE]
    if not workspaces or not all(workspaces):
        table.refuse("workspaces", "A service lives in at least one workspace, and each has a name")
    if "id" in table and len(workspaces) > 1:
        table.refuse("id", "A service in several workspaces has an id in each; leave the key out")
    service = FeatureService(
        name,
        tuple(table.texts("views")),
        wildcard_key=_optional(table, "wildcard_key"),
        description=table.text("description"),
        tags=table.text_map("tags"),
        service_id=_optional(table, "id"),
    )
    return [replace(service, workspace=workspace) for workspace in workspaces]


def _source(view: StoredView, top: Table) -> FileSource:
    table = top.table("views").table(view.name)
    table.require("data", f"the file with the data, which ends in one of {listed(SUFFIXES)}")
    text = table.text("data")
    if not text.lower().endswith(SUFFIXES):
        table.refuse("data", f"{quoted(text)} must end in one of {listed(SUFFIXES)}")
    path = table.inside("data")
    if not path.is_file():
        near = sorted(str(found.name) for found in path.parent.glob("*") if found.is_file())
        hint = did_you_mean(path.name, near)
        table.refuse("data", f"There is no file {quoted(text)}; beside it there are {listed(near)}.{hint}")
    return FileSource(view, path, text)
