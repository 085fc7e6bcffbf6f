"""What a store file holds, whether it fits the definitions, and loading what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import orjson
import pandas as pd

from ...exceptions import SettingsError, listed, quoted
from ...wire.types import DataType, data_type_to_json, parse_data_type
from ..definitions.views import AggregatedView, Aggregation, BatchView, Definitions, Feature, Field, StoredView
from .database import Database
from .store import KeptView, Store, needed_columns

_ADVICE = "Reload it (reload=True, or --reload; what was appended since is lost), or name another store."


class DataSource(Protocol):
    """Where the first data of a view comes from."""

    def describe(self) -> str:
        """Return words that differ whenever the data differs."""
        ...

    def load(self) -> pd.DataFrame:
        """Return the data."""
        ...


class FrameSource:
    """Data that is in hand as a DataFrame.

    Parameters
    ----------
    view
        The view it is for.
    frame
        Its rows or events.
    """

    def __init__(self, view: StoredView, frame: pd.DataFrame) -> None:
        self._view = view
        self._frame = frame

    def describe(self) -> str:
        """Return the number of rows and a digest of the columns that the view needs."""
        names = [name for name in needed_columns(self._view) if name in self._frame.columns]
        return f"a DataFrame of {len(self._frame)} rows, digest {frame_digest(self._frame[names]).hex()[:16]}"

    def load(self) -> pd.DataFrame:
        """Return the frame."""
        return self._frame


def frame_digest(frame: pd.DataFrame) -> bytes:
    """Return 32 bytes that differ whenever a name, a value or an order in the frame differs; the index is left out."""
    digest = hashlib.sha256()
    for name, column in frame.items():
        digest.update(f"{name}\0{len(column)}\0".encode())
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
            digest.update(np.ascontiguousarray(column.to_numpy()).tobytes())
        else:
            digest.update("\0".join(map(repr, column.tolist())).encode("utf-8", "surrogatepass"))
    return digest.digest()


def fill(
    store: Store, definitions: Definitions, data: Mapping[str, DataSource], database: Database, *, reload: bool
) -> None:
    """Load the views that the store does not hold yet.

    Parameters
    ----------
    store, database
        The store, and where its data lies.
    definitions
        What is to be served; checked.
    data
        Where the first data of the stored views comes from; a view may have none.
    reload
        Drop what does not fit and load it anew, instead of refusing.

    Raises
    ------
    SettingsError
        If the store holds a view that is not defined, is defined otherwise or has other first data,
        or if data cannot be loaded.
    """
    is_kept = database.path is not None
    wanted = {view.name: _kept(view, data.get(view.name), is_kept) for view in definitions.stored_views}
    for name in data:
        store.view(name)
    misfits = _misfits(store.kept_views(), wanted, database)
    if misfits and not reload:
        raise SettingsError(f"{next(iter(misfits.values()))} {_ADVICE}")
    store.drop(misfits)
    held = store.kept_views()
    for name, kept in wanted.items():
        if name not in held:
            store.load(name, kept, data[name].load() if name in data else None)
    remember_workspaces(database, definitions.workspaces)


def kept_definitions(store_database: Database) -> tuple[StoredView, ...]:
    """Return the stored views that a database holds, with what is needed to append to them."""
    rows = store_database.rows("SELECT name, definition FROM views ORDER BY name")
    return tuple(_view_of(name, orjson.loads(definition)) for name, definition in rows)


def remember_workspaces(database: Database, names: Iterable[str]) -> None:
    """Keep the names of the workspaces that were served last."""
    with database.writing() as connection:
        connection.execute("DELETE FROM workspaces")
        connection.executemany("INSERT INTO workspaces VALUES (?)", [(name,) for name in names])


def _kept(view: StoredView, source: DataSource | None, is_kept: bool) -> KeptView:
    definition = orjson.dumps(_definition(view)).decode()
    return KeptView(definition, source.describe() if source is not None and is_kept else "")


def _definition(view: StoredView) -> dict[str, Any]:
    """Return what decides how the data lies in the store, or how more of it is read."""
    keys = {key.name: data_type_to_json(key.data_type) for key in view.join_keys}
    common = {"join keys": keys, "timestamp": view.timestamp}
    if isinstance(view, AggregatedView):
        triples = [[a.column, a.function, a.window] for a in view.aggregations]
        return {"kind": "aggregated", **common, "interval": view.interval, "aggregations": triples}
    types = {f.name: data_type_to_json(f.data_type) for f in sorted(view.features, key=lambda f: f.name)}
    return {"kind": "batch", **common, "features": types}


def _view_of(name: str, definition: Mapping[str, Any]) -> StoredView:
    keys = tuple(Field(key, _type_of(raw)) for key, raw in definition["join keys"].items())
    timestamp = definition["timestamp"]
    if definition["kind"] == "aggregated":
        aggregations = tuple(Aggregation(*triple) for triple in definition["aggregations"])
        return AggregatedView(name, keys, aggregations, definition["interval"], timestamp)
    features = tuple(Feature(feature, _type_of(raw)) for feature, raw in definition["features"].items())
    return BatchView(name, keys, features, timestamp)


def _type_of(raw: Any) -> DataType:
    return parse_data_type(raw, where="the store")


def _misfits(held: Mapping[str, KeptView], wanted: Mapping[str, KeptView], database: Database) -> dict[str, str]:
    """Return a sentence by view for each that the store holds otherwise than it is wanted."""
    compared = {name: (kept, wanted.get(name)) for name, kept in held.items()}
    said = {name: _difference(name, kept, other, wanted) for name, (kept, other) in compared.items()}
    return {name: f"{_capital(database.name)} does not fit: {text}." for name, text in said.items() if text}


def _difference(name: str, kept: KeptView, other: KeptView | None, wanted: Mapping[str, KeptView]) -> str:
    if other is None:
        return f"it holds the view {quoted(name)}, which is not defined; defined are {listed(wanted)}"
    if kept.definition != other.definition:
        old, new = orjson.loads(kept.definition), orjson.loads(other.definition)
        key = next(key for key in {**old, **new} if _text(old.get(key)) != _text(new.get(key)))
        return (
            f"its view {quoted(name)} was made with {key} {quoted(_text(old.get(key)))}, "
            f"which is {quoted(_text(new.get(key)))} now"
        )
    if kept.source != other.source:
        old_source, new_source = kept.source or "none", other.source or "none"
        return f"the data of its view {quoted(name)} is {old_source}, and would be {new_source} now"
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
