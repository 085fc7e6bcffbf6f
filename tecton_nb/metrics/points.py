"""Samples on the disk: the newest scrapes as they came, older ones as one chunk per series and day.

A scrape is one small row in the head. Every `HEAD_ROWS` of them become a block, in which each series has
a chunk; every eight blocks a larger one; and when a day is over all its blocks become one. It happens in
the transaction of the scrape that causes it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..exceptions import InputError
from .packing import DamagedError, Times, Values, pack_times, pack_values, unpack_times, unpack_values

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

DAY = 86_400_000
HEAD_ROWS = 64
# So many small blocks of a day that is not over become a larger one: each is a look-up more for every question.
_SMALL_BLOCKS = 8
# The size of a block that holds all of a day which is over; 0 and 1 are small and larger ones.
SEALED = 2
# What one frame may hold; a file of a few megabytes could claim more than any memory has.
MOST_SAMPLES = 200_000_000
_SHIFT = 32
EVER = (-(2**63), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Points:
    """Samples of one series: increasing times in milliseconds, and values."""

    times: Times
    values: Values


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples of several series, in any order: series, times in milliseconds, values."""

    ids: Times
    times: Times
    values: Values

    def __len__(self) -> int:
        return len(self.ids)

    def taken(self, which: Mask) -> Rows:
        """Return some of them."""
        return Rows(self.ids[which], self.times[which], self.values[which])


def append(connection: sqlite3.Connection, rows: Rows, layout: int) -> None:
    """Put the samples of one scrape into the head; `layout` is where their series stand."""
    first, last = int(rows.times.min()), int(rows.times.max())
    times = None if first == last else rows.times.astype("<i8").tobytes()
    values = (layout, first, last, times, rows.values.astype("<f8").tobytes())
    connection.execute("INSERT INTO head (layout, first, last, times, body) VALUES (?, ?, ?, ?, ?)", values)


def head_size(connection: sqlite3.Connection) -> int:
    """Return how many scrapes stand in the head."""
    return int(connection.execute("SELECT count(*) FROM head").fetchone()[0])


def fold_head(connection: sqlite3.Connection, codec: str) -> None:
    """Make blocks of the head, one for each day that it has samples of."""
    rows = _joined(list(_head(connection, *EVER)))
    days = rows.times // DAY
    for day in np.unique(days).tolist():
        _add_block(connection, day, _by_series(rows.taken(days == day)).items(), codec)
    connection.execute("DELETE FROM head")
    connection.execute("DELETE FROM layouts")


def seal(connection: sqlite3.Connection, before: int, codec: str) -> None:
    """Make one block of each day before `before` (days since the epoch) that has open ones."""
    query = "SELECT DISTINCT day FROM blocks WHERE day < ? AND size < ?"
    for (day,) in connection.execute(query, (before, SEALED)).fetchall():
        _join(connection, day, "1", SEALED, codec)


def join_small_blocks(connection: sqlite3.Connection, codec: str) -> None:
    """Make larger blocks of the small ones of a day, where they have become many."""
    query = "SELECT day FROM blocks WHERE size = 0 GROUP BY day HAVING count(*) >= ?"
    for (day,) in connection.execute(query, (_SMALL_BLOCKS,)).fetchall():
        _join(connection, day, "size = 0", 1, codec)


def forget(connection: sqlite3.Connection, before: int) -> None:
    """Delete the blocks of days that ended before a time in milliseconds."""
    blocks = connection.execute("SELECT id FROM blocks WHERE day < ?", (before // DAY,)).fetchall()
    _delete_blocks(connection, [block for (block,) in blocks])


def points(connection: sqlite3.Connection, ids: Sequence[int], first: int, last: int) -> dict[int, Points]:
    """Return the samples of series between two times, both included, in the order of `ids`."""
    found: dict[int, list[Points]] = {series: [] for series in ids}
    query = "SELECT id FROM blocks WHERE first <= ? AND last >= ? ORDER BY size DESC, id"
    count = 0
    for (block,) in connection.execute(query, (last, first)).fetchall():
        for series, piece in _chunks(connection, block, ids):
            found[series].append(piece)
            count = _counted(count, len(piece.times))
    for series, piece in _by_series(_joined(list(_head(connection, first, last, frozenset(ids))))).items():
        found[series].append(piece)
    return {series: _between(_one(pieces), first, last) for series, pieces in found.items()}


def _counted(count: int, more: int) -> int:
    if count + more > MOST_SAMPLES:
        raise InputError(f"That would be more than {MOST_SAMPLES:,} samples. Ask for less with since, until or labels.")
    return count + more


def _add_block(
    connection: sqlite3.Connection,
    day: int,
    pieces: Iterable[tuple[int, Points]],
    codec: str,
    size: int = 0,
) -> None:
    block = connection.execute("INSERT INTO blocks (day, size) VALUES (?, ?)", (day, size)).lastrowid or 0
    shared: dict[bytes, int] = {}
    first, last = EVER[1], EVER[0]
    for series, piece in pieces:
        packed = pack_times(piece.times)
        if packed not in shared:
            row = connection.execute("INSERT INTO times (block, body) VALUES (?, ?)", (block, packed))
            shared[packed] = row.lastrowid or 0
        chunk = (block << _SHIFT | series, shared[packed], pack_values(piece.values, codec))
        connection.execute("INSERT INTO chunks VALUES (?, ?, ?)", chunk)
        first, last = min(first, int(piece.times[0])), max(last, int(piece.times[-1]))
    connection.execute("UPDATE blocks SET first = ?, last = ? WHERE id = ?", (first, last, block))


def _join(connection: sqlite3.Connection, day: int, which: str, size: int, codec: str) -> None:
    query = f"SELECT id FROM blocks WHERE day = ? AND {which} ORDER BY size DESC, id"  # noqa: S608  # our own words
    blocks = [block for (block,) in connection.execute(query, (day,))]
    _add_block(connection, day, _merged(connection, blocks), codec, size)
    _delete_blocks(connection, blocks)


def _delete_blocks(connection: sqlite3.Connection, blocks: Iterable[int]) -> None:
    for block in blocks:
        connection.execute("DELETE FROM chunks WHERE id >= ? AND id < ?", (block << _SHIFT, (block + 1) << _SHIFT))
        connection.execute("DELETE FROM times WHERE block = ?", (block,))
        connection.execute("DELETE FROM blocks WHERE id = ?", (block,))


def _merged(connection: sqlite3.Connection, blocks: Sequence[int]) -> Iterator[tuple[int, Points]]:
    """Yield each series of the blocks with its samples; one series is in memory at a time."""
    query = "SELECT id FROM chunks WHERE id >= ? AND id < ?"
    ids: set[int] = set()
    for block in blocks:
        ids |= {i & (1 << _SHIFT) - 1 for (i,) in connection.execute(query, (block << _SHIFT, (block + 1) << _SHIFT))}
    memory: dict[int, Times] = {}
    for series in sorted(ids):
        pieces = [p for block in blocks for _, p in _chunks(connection, block, [series], memory)]
        yield series, _one(pieces)


def _chunks(
    connection: sqlite3.Connection, block: int, ids: Sequence[int], memory: dict[int, Times] | None = None
) -> Iterator[tuple[int, Points]]:
    memory = {} if memory is None else memory
    for series in ids:
        row = connection.execute("SELECT times, body FROM chunks WHERE id = ?", (block << _SHIFT | series,)).fetchone()
        if row is None:
            continue
        key, body = row
        if key not in memory:
            (packed,) = connection.execute("SELECT body FROM times WHERE id = ?", (key,)).fetchone() or (b"",)
            memory[key] = unpack_times(packed)
        yield series, Points(memory[key], unpack_values(body, len(memory[key])))


def _head(connection: sqlite3.Connection, first: int, last: int, ids: frozenset[int] | None = None) -> Iterator[Rows]:
    """Yield the scrapes of the head, of some series or of all."""
    layouts: dict[int, tuple[Times, np.ndarray[Any, np.dtype[np.intp]]]] = {}
    query = "SELECT layout, first, times, body FROM head WHERE first <= ? AND last >= ? ORDER BY id"
    for layout, stamp, times, body in connection.execute(query, (last, first)).fetchall():
        if layout not in layouts:
            every = layout_ids(connection, layout)
            layouts[layout] = every, np.flatnonzero(np.isin(every, every if ids is None else list(ids)))
        every, wanted = layouts[layout]
        values = np.frombuffer(body, "<f8")
        own = None if times is None else np.frombuffer(times, "<i8")
        if len(values) != len(every) or (own is not None and len(own) != len(every)):
            raise DamagedError("a scrape of another length than its series")
        stamps = np.full(len(wanted), stamp) if own is None else own[wanted].astype(np.int64)
        yield Rows(every[wanted], stamps, values[wanted].astype(float))


def layout_ids(connection: sqlite3.Connection, layout: int) -> Times:
    """Return the series of a layout in their order."""
    (body,) = connection.execute("SELECT ids FROM layouts WHERE id = ?", (layout,)).fetchone()
    return np.frombuffer(body, "<i8").astype(np.int64)


def add_layout(connection: sqlite3.Connection, ids: Times) -> int:
    """Keep the order of series of a scrape; return its number."""
    return connection.execute("INSERT INTO layouts (ids) VALUES (?)", (ids.astype("<i8").tobytes(),)).lastrowid or 0


def newest(connection: sqlite3.Connection) -> int | None:
    """Return the newest time there is, in milliseconds."""
    query = "SELECT max(t) FROM (SELECT max(last) AS t FROM blocks UNION ALL SELECT max(last) FROM head)"
    found = connection.execute(query).fetchone()[0]
    return None if found is None else int(found)


def latest(connection: sqlite3.Connection) -> int | None:
    """Return the newest time in milliseconds, but none that was still to come when the last scrape was made."""
    found, scraped = newest(connection), connection.execute("SELECT max(started) FROM scrapes").fetchone()[0]
    return found if found is None or scraped is None else min(found, int(scraped) // 1_000_000)


def _joined(parts: Sequence[Rows]) -> Rows:
    empty = Rows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    every = parts or [empty]
    return Rows(*(np.concatenate([getattr(part, name) for part in every]) for name in ("ids", "times", "values")))


def _by_series(rows: Rows) -> Mapping[int, Points]:
    if not len(rows):
        return {}
    order = np.lexsort((rows.times, rows.ids))
    ids, times, values = rows.ids[order], rows.times[order], rows.values[order]
    # Of samples with one time the first that came counts; lexsort keeps their order.
    is_new = np.ones(len(ids), bool)
    is_new[1:] = (np.diff(ids) != 0) | (np.diff(times) != 0)
    ids, times, values = ids[is_new], times[is_new], values[is_new]
    starts = np.flatnonzero(np.diff(ids, prepend=ids[:1] - 1))
    ends = [*starts[1:].tolist(), len(ids)]
    pairs = zip(ids[starts].tolist(), starts.tolist(), ends, strict=True)
    return {series: Points(times[start:end], values[start:end]) for series, start, end in pairs}


def _one(pieces: Sequence[Points]) -> Points:
    """Return the pieces of a series as one; of two samples with one time the one of the earlier piece."""
    if not pieces:
        return Points(np.empty(0, np.int64), np.empty(0))
    if len(pieces) == 1:
        return pieces[0]
    times = np.concatenate([piece.times for piece in pieces])
    values = np.concatenate([piece.values for piece in pieces])
    if (np.diff(times) > 0).all():
        return Points(times, values)
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    is_new = np.diff(times, prepend=times[:1] - 1) != 0
    return Points(times[is_new], values[is_new])


def _between(piece: Points, first: int, last: int) -> Points:
    start, end = np.searchsorted(piece.times, first, "left"), np.searchsorted(piece.times, last, "right")
    return Points(piece.times[start:end], piece.values[start:end])
