"""Writing a history: which series of a scrape are known, which of its samples are new, when a day is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from ..exceptions import TectonError, TectonHttpException
from ..wire.metrics_page import Heading, Series
from ..wire.timestamps import from_datetime
from . import points
from .database import Database
from .identity import identity_of
from .packing import DamagedError, Times
from .points import DAY, HEAD_ROWS, Mask, Rows
from .scrape import Scrape

_NEVER = -(2**63)


class Recorder:
    """The one that records into a file.

    Parameters
    ----------
    database
        Claimed already.
    codec
        How values are packed.
    keep_ms
        How long samples are kept after the newest one, in milliseconds; `None` keeps them all.
    """

    def __init__(self, database: Database, codec: str, keep_ms: int | None) -> None:
        self._database = database
        self._codec = codec
        self._keep_ms = keep_ms
        self._is_stale = False
        with database.reading() as connection:
            self._load(connection)

    def record(self, scrape: Scrape) -> int:
        """Keep a scrape; return how many of its samples were new."""
        with self._database.writing() as connection:
            if self._is_stale:
                self._load(connection)
            # Until the transaction has ended well, what is remembered may not be in the file.
            self._is_stale = True
            rows = self._new_rows(connection, scrape)
            self._keep_headings(connection, scrape.page.headings)
            if len(rows):
                self._append(connection, rows)
            row = (from_datetime(scrape.scraped_at), scrape.duration_seconds, "ok", None)
            _keep_scrape(connection, (*row, len(scrape.page.values), len(rows), None, _stamp(scrape)))
            is_day_over = self._put_away(connection, rows, from_datetime(scrape.scraped_at) // 1_000_000)
        self._is_stale = False
        if is_day_over:
            self._database.shrink()
        return len(rows)

    def record_failure(self, started_at: datetime, duration_seconds: float, error: TectonError) -> None:
        """Keep that a scrape failed, and why."""
        status = error.status_code if isinstance(error, TectonHttpException) else None
        row = (from_datetime(started_at), duration_seconds, type(error).__name__, status)
        with self._database.writing() as connection:
            _keep_scrape(connection, (*row, None, 0, str(error), None))

    def _load(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT name, labels, id FROM series")
        self._ids: dict[tuple[str, str], int] = {(name, labels): series for name, labels, series in rows}
        # Numbers are given in order and never taken back; others would be places far outside the arrays below.
        if sorted(self._ids.values()) != list(range(1, len(self._ids) + 1)):
            raise DamagedError("series without their numbers")
        self._headings = {
            row[0]: Heading(*row) for row in connection.execute("SELECT name, kind, help, unit FROM headings")
        }
        self._series: tuple[Series, ...] = ()
        self._series_ids = np.empty(0, np.int64)
        self._layouts: dict[bytes, int] = {}
        self._head_size = points.head_size(connection)
        newest, latest = points.newest(connection), points.latest(connection)
        self._day = _NEVER if latest is None else latest // DAY
        # By series: its newest sample, as far as that is known, and a time that none of its samples is newer than.
        size = len(self._ids) + 1
        self._newest = np.full(size, _NEVER, np.int64)
        self._bound = np.full(size, _NEVER if newest is None else newest, np.int64)
        self._is_stale = False

    def _new_rows(self, connection: sqlite3.Connection, scrape: Scrape) -> Rows:
        ids = self._ids_of(connection, tuple(scrape.page.series))
        rows = Rows(ids, scrape.timestamps_ms(), np.array(scrape.page.values, dtype=float))
        is_new = rows.times > self._bound[ids]
        if is_new.all() and len(np.unique(ids)) == len(ids):
            return rows
        return rows.taken(self._which_are_new(connection, rows, is_new))

    def _which_are_new(self, connection: sqlite3.Connection, rows: Rows, is_new: Mask) -> Mask:
        is_doubtful = ~is_new & (rows.times != self._newest[rows.ids])
        if is_doubtful.any():
            doubtful = rows.taken(is_doubtful)
            ids = np.unique(doubtful.ids).tolist()
            stored = points.points(connection, ids, int(doubtful.times.min()), int(doubtful.times.max()))
            held = {(series, time) for series, piece in stored.items() for time in piece.times.tolist()}
            pairs = zip(doubtful.ids.tolist(), doubtful.times.tolist(), strict=True)
            is_new = is_new.copy()
            is_new[is_doubtful] = [pair not in held for pair in pairs]
        # A page may have a line twice; the first one counts.
        order = np.lexsort((rows.times, rows.ids))
        is_repeated = np.zeros(len(rows), bool)
        is_repeated[order[1:]] = (np.diff(rows.ids[order]) == 0) & (np.diff(rows.times[order]) == 0)
        return is_new & ~is_repeated

    def _ids_of(self, connection: sqlite3.Connection, series: tuple[Series, ...]) -> Times:
        # The series objects of two pages are the same ones where the text is.
        if series != self._series:
            found = [self._id_of(connection, one) for one in series]
            more = max(found, default=0) + 1 - len(self._bound)
            if more > 0:
                self._newest = np.pad(self._newest, (0, more), constant_values=_NEVER)
                self._bound = np.pad(self._bound, (0, more), constant_values=_NEVER)
            self._series, self._series_ids = series, np.array(found, np.int64)
        return self._series_ids

    def _id_of(self, connection: sqlite3.Connection, series: Series) -> int:
        identity = identity_of(series)
        if identity not in self._ids:
            made = connection.execute("INSERT INTO series (name, labels) VALUES (?, ?)", identity).lastrowid
            self._ids[identity] = made or 0
        return self._ids[identity]

    def _keep_headings(self, connection: sqlite3.Connection, headings: Sequence[Heading]) -> None:
        for said in headings:
            heading = _completed(said, self._headings.get(said.name, said))
            if self._headings.get(heading.name) != heading:
                values = (heading.name, heading.kind, heading.help, heading.unit)
                connection.execute("INSERT OR REPLACE INTO headings VALUES (?, ?, ?, ?)", values)
                self._headings[heading.name] = heading

    def _append(self, connection: sqlite3.Connection, rows: Rows) -> None:
        key = rows.ids.tobytes()
        if key not in self._layouts:
            self._layouts[key] = points.add_layout(connection, rows.ids)
        points.append(connection, rows, self._layouts[key])
        self._head_size += 1
        np.maximum.at(self._newest, rows.ids, rows.times)
        self._bound = np.maximum(self._bound, self._newest)

    def _put_away(self, connection: sqlite3.Connection, rows: Rows, now_ms: int) -> bool:
        """Fold the head when it is full or a day is over; return whether days were sealed."""
        # A sample that claims to be from a time to come ends no day.
        newest_ms = min(int(rows.times.max()), now_ms) if len(rows) else now_ms
        is_day_over = bool(len(rows)) and self._day < newest_ms // DAY
        if not is_day_over and self._head_size < HEAD_ROWS:
            return False
        points.fold_head(connection, self._codec)
        self._layouts.clear()
        self._head_size = 0
        self._day = max(self._day, newest_ms // DAY) if is_day_over else self._day
        points.join_small_blocks(connection, self._codec)
        points.seal(connection, self._day, self._codec)
        if self._keep_ms is not None:
            points.forget(connection, newest_ms - self._keep_ms)
            connection.execute("DELETE FROM scrapes WHERE started < ?", ((newest_ms - self._keep_ms) * 1_000_000,))
        return is_day_over


def _completed(heading: Heading, before: Heading) -> Heading:
    """Return a heading; what the page leaves out this time is what it said before."""
    kind = before.kind if heading.kind == "unknown" else heading.kind
    return Heading(heading.name, kind, heading.help or before.help, heading.unit or before.unit)


def _keep_scrape(connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
    connection.execute("INSERT OR IGNORE INTO scrapes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def _stamp(scrape: Scrape) -> int | None:
    """Return the time of the samples by their own clock: that of most of them, whatever a few claim."""
    stamps = np.sort(scrape.timestamps_ms())
    return int(stamps[len(stamps) // 2]) if len(stamps) else None
