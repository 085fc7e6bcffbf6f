"""The online store: point look-ups by key and event time, over a `Database`.

Batch rows lie one per key and event time, aggregated views as blocks of tiles (see `tiles`). What
was read is kept in memory for as long as it stays the answer: until the next row begins, the row's
ttl ends, the next interval is full, or anyone commits to the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import orjson
import pandas as pd

from ...exceptions import SettingsError, did_you_mean, listed, quoted
from ...wire.timestamps import format_timestamp
from ...wire.types import JsonValue
from ..definitions.views import AggregatedView, BatchView, StoredView, ordered_features
from .database import Database
from .tiles import BLOCK_TILES, TileLayout, Tiles
from .wire_columns import event_times, key_codes, key_prefix, require_columns, unpacked_key, wire_column

_NEWEST_ROW = "SELECT time, body FROM batch_rows WHERE view=? AND key=? AND time<=? ORDER BY time DESC LIMIT 1"
_NEXT_ROW = "SELECT min(time) FROM batch_rows WHERE view=? AND key=? AND time>?"
_BLOCKS = "SELECT body FROM tile_blocks WHERE view=? AND key=? AND block BETWEEN ? AND ? ORDER BY block"
_ONE_BLOCK = "SELECT body FROM tile_blocks WHERE view=? AND key=? AND block=?"
_WRITE_ROW = "INSERT OR REPLACE INTO batch_rows VALUES (?, ?, ?, ?)"
_WRITE_BLOCK = "INSERT OR REPLACE INTO tile_blocks VALUES (?, ?, ?, ?)"
_END_OF_TIME = 2**63 - 1
_REMEMBERED = 200_000

_RowParts: TypeAlias = list[tuple[str, bytes, int, bytes]]
_TileParts: TypeAlias = list[tuple[bytes, int, Tiles]]


@dataclass(frozen=True, slots=True)
class KeptView:
    """What the database says about a view it holds: how it was defined and where its data came from."""

    definition: str
    source: str


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What the store holds of one view for one key at one time.

    Parameters
    ----------
    values
        JSON values in the order the view is served.
    statuses
        ``PRESENT`` or ``MISSING_DATA``, one per value.
    effective_time
        RFC 3339 text; `None` where no row was found.
    size
        Bytes read from the store.
    since, until
        The half-open span, in nanoseconds since the epoch, in which this stays the answer.
    """

    values: tuple[JsonValue, ...]
    statuses: tuple[str, ...]
    effective_time: str | None
    size: int
    since: int
    until: int

    @property
    def is_present(self) -> bool:
        """Whether any value was found."""
        return "PRESENT" in self.statuses


class Store:
    """Data of stored views; may be used from several threads.

    Parameters
    ----------
    views
        The views whose data it takes.
    database
        Where the data lies, or the path of its file; `None` keeps it in memory.

    Raises
    ------
    SettingsError
        If the file cannot be opened.
    """

    def __init__(self, views: Iterable[StoredView], database: Database | str | Path | None = None) -> None:
        self._views = {view.name: view for view in views}
        self._layouts = {v.name: TileLayout(v) for v in self._views.values() if isinstance(v, AggregatedView)}
        self._database = database if isinstance(database, Database) else Database(database)
        self._remembered: dict[tuple[str, bytes], tuple[int, StoredRow]] = {}

    def view(self, name: str) -> StoredView:
        """Return a view by its name.

        Raises
        ------
        SettingsError
            If no such view has data.
        """
        if name not in self._views:
            raise SettingsError(
                f"No view {quoted(name)} has data; those that have are {listed(self._views)}."
                f"{did_you_mean(name, self._views)}"
            )
        return self._views[name]

    def append(self, view_name: str, frame: pd.DataFrame, *, digest: bytes | None = None) -> bool:
        """Add rows or events, all of them or none.

        Parameters
        ----------
        view_name
            Name of a stored view.
        frame
            Its join keys, its timestamp column and its features (or the columns it aggregates). A
            row with the key and time of an older one replaces it; events add up.
        digest
            Stands for the frame: what was added under this digest before is not added again.

        Returns
        -------
        bool
            Whether anything was added.

        Raises
        ------
        SettingsError
            If the view is unknown, a column is missing, an event time cannot be read or the
            database cannot be written.
        InputError
            If a value does not fit its data type.
        """
        parts = self._parts(self.view(view_name), frame)
        with self._database.writing() as connection:
            if digest is not None:
                place = (view_name, digest)
                if connection.execute("INSERT OR IGNORE INTO ingests VALUES (?, ?)", place).rowcount == 0:
                    return False
            self._write(connection, view_name, *parts)
        return any(parts)

    def load(self, view_name: str, kept: KeptView, frame: pd.DataFrame | None) -> None:
        """Add the first data of a view, and remember what it is; does nothing if the view is there already."""
        parts: tuple[_RowParts, _TileParts] = ([], [])
        if frame is not None:
            parts = self._parts(self.view(view_name), frame)
        with self._database.writing() as connection:
            row = (view_name, kept.definition, kept.source)
            if connection.execute("INSERT OR IGNORE INTO views VALUES (?, ?, ?)", row).rowcount:
                self._write(connection, view_name, *parts)

    def kept_views(self) -> dict[str, KeptView]:
        """Return what the database holds, by view name."""
        rows = self._database.rows("SELECT name, definition, source FROM views ORDER BY name")
        return {name: KeptView(definition, source) for name, definition, source in rows}

    def drop(self, view_names: Iterable[str]) -> None:
        """Delete views with their data."""
        with self._database.writing() as connection:
            for name in view_names:
                connection.execute("DELETE FROM views WHERE name=?", (name,))
                for table in ("batch_rows", "tile_blocks", "ingests"):
                    connection.execute(f"DELETE FROM {table} WHERE view=?", (name,))  # noqa: S608  # fixed names

    def read(self, view_name: str, key: bytes, now: int) -> StoredRow:
        """Return what a view holds for a key.

        Parameters
        ----------
        view_name
            Name of a stored view.
        key
            As `columns.packed_key` makes it.
        now
            Nanoseconds since the epoch.
        """
        # The version comes first: what is committed while we read is found by the next look.
        version = self._database.version()
        known = self._remembered.get((view_name, key))
        if known is not None and known[0] == version and known[1].since <= now < known[1].until:
            return known[1]
        view = self._views[view_name]
        with self._database.reading() as connection:
            if isinstance(view, BatchView):
                row = self._newest(connection, view, key, now)
            else:
                row = self._windows(connection, view, key, now)
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[view_name, key] = (version, row)
        return row

    def keys(self, view_name: str, first: Iterable[JsonValue] = ()) -> Iterator[list[JsonValue]]:
        """Yield the join keys of a view whose first values are `first`, sorted by their text."""
        view = self.view(view_name)
        table = "batch_rows" if isinstance(view, BatchView) else "tile_blocks"
        prefix = key_prefix(list(first))
        # One index probe per key: DISTINCT would walk every row of every key.
        query = f"SELECT min(key) FROM {table} WHERE view=? AND key>?"  # noqa: S608  # two fixed names
        key = prefix
        while True:
            ((key,),) = self._database.rows(query, (view.name, key))
            if key is None or not key.startswith(prefix):
                return
            yield unpacked_key(key)

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _parts(self, view: StoredView, frame: pd.DataFrame) -> tuple[_RowParts, _TileParts]:
        """Return what is to be written; nobody waits for the database while this is made."""
        require_columns(frame, needed_columns(view), view.name)
        if frame.empty:
            return [], []
        if isinstance(view, BatchView):
            return list(_batch_rows(view, frame)), []
        codes, keys = key_codes(frame, view.join_keys, view=view.name)
        folded = self._layouts[view.name].fold(frame, codes, event_times(frame, view))
        return [], [(keys[code], block, part) for code, tiles in folded for block, part in tiles.blocks()]

    def _write(self, connection: sqlite3.Connection, view_name: str, rows: _RowParts, blocks: _TileParts) -> None:
        connection.executemany(_WRITE_ROW, rows)
        for key, block, part in blocks:
            layout = self._layouts[view_name]
            place = (view_name, key, block)
            old = connection.execute(_ONE_BLOCK, place).fetchone()
            merged = part if old is None else layout.merge(Tiles.parse(old[0], layout.width), part)
            connection.execute(_WRITE_BLOCK, (*place, merged.blob))

    def _newest(self, connection: sqlite3.Connection, view: BatchView, key: bytes, now: int) -> StoredRow:
        found = connection.execute(_NEWEST_ROW, (view.name, key, now)).fetchone()
        (later,) = connection.execute(_NEXT_ROW, (view.name, key, now)).fetchone()
        until = _END_OF_TIME if later is None else later
        width = len(view.features)
        if found is None:
            return StoredRow((None,) * width, ("MISSING_DATA",) * width, None, 0, -_END_OF_TIME, until)
        time, body = found
        ttl = view.ttl_nanoseconds
        expiry = _END_OF_TIME if ttl is None else time + ttl
        if now >= expiry:
            return StoredRow((None,) * width, ("MISSING_DATA",) * width, None, len(body), expiry, until)
        values = tuple(orjson.loads(body))
        return StoredRow(values, ("PRESENT",) * width, format_timestamp(time), len(body), time, min(until, expiry))

    def _windows(self, connection: sqlite3.Connection, view: AggregatedView, key: bytes, now: int) -> StoredRow:
        layout = self._layouts[view.name]
        end = layout.end(now)
        span = ((end - layout.longest) // BLOCK_TILES, (end - 1) // BLOCK_TILES)
        bodies = [body for (body,) in connection.execute(_BLOCKS, (view.name, key, *span))]
        values = layout.read([Tiles.parse(body, layout.width) for body in bodies], end)
        return StoredRow(
            values=tuple(values),
            statuses=tuple("MISSING_DATA" if value is None else "PRESENT" for value in values),
            effective_time=format_timestamp(end * layout.interval),
            size=sum(map(len, bodies)),
            since=end * layout.interval,
            until=(end + 1) * layout.interval,
        )


def needed_columns(view: StoredView) -> list[str]:
    """Return the columns that the data of a view must have: join keys, timestamp, features."""
    names = (
        [feature.name for feature in view.features]
        if isinstance(view, BatchView)
        else [aggregation.column for aggregation in view.aggregations]
    )
    return [*(key.name for key in view.join_keys), view.timestamp, *dict.fromkeys(names)]


def _batch_rows(view: BatchView, frame: pd.DataFrame) -> Iterator[tuple[str, bytes, int, bytes]]:
    columns = [
        wire_column(frame[feature.name], feature.data_type, where=f"{feature.name!r} of view {view.name!r}")
        for feature in ordered_features(view)
    ]
    codes, keys = key_codes(frame, view.join_keys, view=view.name)
    times = event_times(frame, view).tolist()
    for code, time, *values in zip(codes.tolist(), times, *columns, strict=True):
        yield view.name, keys[code], time, orjson.dumps(values)
