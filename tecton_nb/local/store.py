"""The online store: SQLite with point look-ups by key and event time.

Batch rows lie one per key and event time, aggregated views as blocks of tiles (see `tiles`). What
was read is kept in memory for as long as it stays the answer: until the next row begins, the row's
ttl ends or the next interval is full; appending forgets it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
import pandas as pd

from ..exceptions import SettingsError, did_you_mean, listed, quoted
from ..wire.timestamps import format_timestamp
from ..wire.types import JsonValue
from .columns import event_times, key_codes, key_prefix, require_columns, unpacked_key, wire_column
from .definitions import AggregatedView, BatchView, StoredView, ordered_features
from .tiles import BLOCK_TILES, TileLayout, Tiles

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch_rows (
    view TEXT, key BLOB, time INTEGER, body BLOB, PRIMARY KEY (view, key, time)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tile_blocks (
    view TEXT, key BLOB, block INTEGER, body BLOB, PRIMARY KEY (view, key, block));
"""
_NEWEST_ROW = "SELECT time, body FROM batch_rows WHERE view=? AND key=? AND time<=? ORDER BY time DESC LIMIT 1"
_NEXT_ROW = "SELECT min(time) FROM batch_rows WHERE view=? AND key=? AND time>?"
_BLOCKS = "SELECT body FROM tile_blocks WHERE view=? AND key=? AND block BETWEEN ? AND ? ORDER BY block"
_ONE_BLOCK = "SELECT body FROM tile_blocks WHERE view=? AND key=? AND block=?"
_WRITE_ROW = "INSERT OR REPLACE INTO batch_rows VALUES (?, ?, ?, ?)"
_WRITE_BLOCK = "INSERT OR REPLACE INTO tile_blocks VALUES (?, ?, ?, ?)"
_END_OF_TIME = 2**63 - 1
_REMEMBERED = 200_000


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
    path
        File to keep the data in; `None` keeps it in memory.
    """

    def __init__(self, views: Iterable[StoredView], path: str | Path | None = None) -> None:
        self._views = {view.name: view for view in views}
        self._layouts = {v.name: TileLayout(v) for v in self._views.values() if isinstance(v, AggregatedView)}
        self._lock = threading.RLock()
        self._remembered: dict[tuple[str, bytes], StoredRow] = {}
        self._database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        if path is not None:
            self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(_SCHEMA)

    def append(self, view_name: str, frame: pd.DataFrame) -> None:
        """Add rows or events, all of them or none.

        Parameters
        ----------
        view_name
            Name of a stored view.
        frame
            Its join keys, its timestamp column and its features (or the columns it aggregates). A
            row with the key and time of an older one replaces it; events add up.

        Raises
        ------
        SettingsError
            If the view is unknown, a column is missing or an event time cannot be read.
        InputError
            If a value does not fit its data type.
        """
        view = self._view(view_name)
        require_columns(frame, _needed(view), view.name)
        if frame.empty:
            return
        with self._lock, self._transaction():
            if isinstance(view, BatchView):
                self._database.executemany(_WRITE_ROW, _batch_rows(view, frame))
            else:
                self._add_events(view, frame)
            self._remembered.clear()

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
        known = self._remembered.get((view_name, key))
        if known is not None and known.since <= now < known.until:
            return known
        view = self._views[view_name]
        with self._lock:
            row = self._newest(view, key, now) if isinstance(view, BatchView) else self._windows(view, key, now)
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[view_name, key] = row
        return row

    def keys(self, view_name: str, first: Iterable[JsonValue] = ()) -> Iterator[list[JsonValue]]:
        """Yield the join keys of a view whose first values are `first`, sorted by their text."""
        view = self._view(view_name)
        table = "batch_rows" if isinstance(view, BatchView) else "tile_blocks"
        prefix = key_prefix(list(first))
        # One index probe per key: DISTINCT would walk every row of every key.
        query = f"SELECT min(key) FROM {table} WHERE view=? AND key>?"  # noqa: S608  # two fixed names
        key = prefix
        while True:
            with self._lock:
                (key,) = self._database.execute(query, (view.name, key)).fetchone()
            if key is None or not key.startswith(prefix):
                return
            yield unpacked_key(key)

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _view(self, name: str) -> StoredView:
        if name not in self._views:
            raise SettingsError(
                f"No view {quoted(name)} has data; those that have are {listed(self._views)}."
                f"{did_you_mean(name, self._views)}"
            )
        return self._views[name]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _add_events(self, view: AggregatedView, frame: pd.DataFrame) -> None:
        layout = self._layouts[view.name]
        codes, keys = key_codes(frame, view.join_keys, view=view.name)
        for code, tiles in layout.fold(frame, codes, event_times(frame, view)):
            for block, part in tiles.blocks():
                place = (view.name, keys[code], block)
                old = self._database.execute(_ONE_BLOCK, place).fetchone()
                merged = part if old is None else layout.merge(Tiles.parse(old[0], layout.width), part)
                self._database.execute(_WRITE_BLOCK, (*place, merged.blob))

    def _newest(self, view: BatchView, key: bytes, now: int) -> StoredRow:
        found = self._database.execute(_NEWEST_ROW, (view.name, key, now)).fetchone()
        (later,) = self._database.execute(_NEXT_ROW, (view.name, key, now)).fetchone()
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

    def _windows(self, view: AggregatedView, key: bytes, now: int) -> StoredRow:
        layout = self._layouts[view.name]
        end = layout.end(now)
        span = ((end - layout.longest) // BLOCK_TILES, (end - 1) // BLOCK_TILES)
        bodies = [body for (body,) in self._database.execute(_BLOCKS, (view.name, key, *span))]
        values = layout.read([Tiles.parse(body, layout.width) for body in bodies], end)
        return StoredRow(
            values=tuple(values),
            statuses=tuple("MISSING_DATA" if value is None else "PRESENT" for value in values),
            effective_time=format_timestamp(end * layout.interval),
            size=sum(map(len, bodies)),
            since=end * layout.interval,
            until=(end + 1) * layout.interval,
        )


def _needed(view: StoredView) -> list[str]:
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
