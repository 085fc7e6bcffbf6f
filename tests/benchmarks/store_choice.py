"""Which embedded store serves the newest row per key fastest: SQLite, LMDB or DuckDB; run by hand.

    pip install lmdb duckdb
    python tests/benchmarks/store_choice.py

Prints a Markdown table of medians, with the ratio to SQLite in brackets. The workload is the embedded
server's: rows found by key and event time, events committed one by one and told only once they are on
the disk, and a file that is opened and read from at once.
"""

from __future__ import annotations

import os
import random
import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import duckdb
import lmdb
import pyarrow as pa

KEYS, ROWS_PER_KEY = 5_000, 60
LOOKUPS, COMMITS, OPENINGS, RUNS = 2_000, 100, 5, 3
START, STEP = 1_700_000_000_000_000_000, 3_600_000_000_000
BODY = b'[0.25,"9007199254740993","plus",[52.52,13.4],["trains","tea"]]'
TABLE = "CREATE TABLE rows (key BLOB, time BIGINT, body BLOB, PRIMARY KEY (key, time))"
NEWEST = "SELECT body FROM rows WHERE key=? AND time<=? ORDER BY time DESC LIMIT 1"
INSERT = "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)"

Row = tuple[bytes, int, bytes]


class StoreUnderTest(Protocol):
    """What is asked of every store."""

    def load(self, rows: Sequence[Row]) -> None:
        """Add many rows in one transaction."""

    def commit(self, row: Row) -> None:
        """Add one row so that it survives kill -9 and a power cut."""

    def newest(self, key: bytes, moment: int) -> bytes | None:
        """Return the body of the newest row not after a moment."""

    def close(self) -> None:
        """Close the file."""


class Sqlite:
    """Standard library, write-ahead log, synchronous=FULL."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        table = TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS") + " WITHOUT ROWID"
        self._connection.execute(table)

    def load(self, rows: Sequence[Row]) -> None:
        """Add many rows in one transaction."""
        self._connection.execute("BEGIN")
        self._connection.executemany(INSERT, rows)
        self._connection.execute("COMMIT")

    def commit(self, row: Row) -> None:
        """Add one row for good."""
        self._connection.execute(INSERT, row)

    def newest(self, key: bytes, moment: int) -> bytes | None:
        """Return the newest body not after a moment."""
        found = self._connection.execute(NEWEST, (key, moment)).fetchone()
        return None if found is None else found[0]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Lmdb:
    """Key and big-endian time in one sorted key."""

    def __init__(self, folder: Path) -> None:
        self._environment = lmdb.open(str(folder / "store.lmdb"), map_size=2**30)

    def load(self, rows: Sequence[Row]) -> None:
        """Add many rows in one transaction."""
        with self._environment.begin(write=True) as transaction:
            for key, moment, body in rows:
                transaction.put(_packed(key, moment), body)

    def commit(self, row: Row) -> None:
        """Add one row for good."""
        self.load([row])

    def newest(self, key: bytes, moment: int) -> bytes | None:
        """Return the newest body not after a moment."""
        with self._environment.begin() as transaction, transaction.cursor() as cursor:
            # The first entry after the moment, or the end of the file; the one before it is meant.
            found = cursor.prev() if cursor.set_range(_packed(key, moment + 1)) else cursor.last()
            return cursor.value() if found and cursor.key()[:-8] == key else None

    def close(self) -> None:
        """Close the file."""
        self._environment.close()


class DuckDb:
    """One thread, the same table with its primary key's index."""

    def __init__(self, folder: Path) -> None:
        self._connection = duckdb.connect(str(folder / "store.duckdb"), config={"threads": 1})
        self._connection.execute(TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))

    def load(self, rows: Sequence[Row]) -> None:
        """Add many rows in one transaction."""
        columns = {
            name: list(values) for name, values in zip(("key", "time", "body"), zip(*rows, strict=True), strict=True)
        }
        frame = _arrow(columns)
        self._connection.register("new_rows", frame)
        self._connection.execute("INSERT INTO rows SELECT * FROM new_rows")
        self._connection.unregister("new_rows")

    def commit(self, row: Row) -> None:
        """Add one row for good."""
        self._connection.execute(INSERT, row)

    def newest(self, key: bytes, moment: int) -> bytes | None:
        """Return the newest body not after a moment."""
        found = self._connection.execute(NEWEST, (key, moment)).fetchone()
        return None if found is None else bytes(found[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


STORES: dict[str, Callable[[Path], StoreUnderTest]] = {"SQLite": Sqlite, "LMDB": Lmdb, "DuckDB": DuckDb}
MEASURES = {
    "point look-up": ("µs", 1e6),
    "one event committed": ("µs", 1e6),
    "open and first read": ("ms", 1e3),
    "300,000 rows loaded": ("s", 1.0),
    "size of the file": ("MB", 1e-6),
}


def measured(make: Callable[[Path], StoreUnderTest], seed: int) -> dict[str, float]:
    """Return seconds, or bytes, by measure for one store in a fresh folder."""
    draw = random.Random(seed)
    rows = [(b'["user_%05d"]' % key, START + step * STEP, BODY) for step in range(ROWS_PER_KEY) for key in range(KEYS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = make(folder)
        loaded = _seconds(lambda: store.load(rows))
        asked = [
            (draw.choice(rows)[0], START + draw.randrange(-1, ROWS_PER_KEY + 1) * STEP + 1) for _ in range(LOOKUPS)
        ]
        looked_up = [_seconds(lambda pair=pair: store.newest(*pair)) for pair in asked]
        found = [store.newest(*pair) for pair in asked]
        assert found == [BODY if moment >= START else None for _, moment in asked]
        late = [(draw.choice(rows)[0], START + i * STEP + 7, BODY) for i in range(COMMITS)]
        committed = [_seconds(lambda row=row: store.commit(row)) for row in late]
        store.close()
        size = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
        opened = [_seconds(lambda: _open_and_read(make, folder)) for _ in range(OPENINGS)]
    values = (median(looked_up), median(committed), median(opened), loaded, float(size))
    return dict(zip(MEASURES, values, strict=True))


def table(found: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table, one row per measure, the ratio to SQLite in brackets."""
    lines = [f"| | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    for measure, (unit, factor) in MEASURES.items():
        base = found["SQLite"][measure]
        cells = (
            f"{_short(values[measure] * factor)} {unit} ({_short(values[measure] / base)}x)"
            for values in found.values()
        )
        lines.append(f"| {measure} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure every store `RUNS` times in turn and print the medians."""
    runs = [{name: measured(make, seed) for name, make in STORES.items()} for seed in range(RUNS)]
    medians = {name: {measure: median(run[name][measure] for run in runs) for measure in MEASURES} for name in STORES}
    print(f"SQLite {sqlite3.sqlite_version}, LMDB {'.'.join(map(str, lmdb.version()))}, DuckDB {duckdb.__version__}")
    print(f"medians of {RUNS} runs, {KEYS:,} keys with {ROWS_PER_KEY} rows, {os.cpu_count()} processors\n")
    print(table(medians))


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


def _open_and_read(make: Callable[[Path], StoreUnderTest], folder: Path) -> None:
    store = make(folder)
    assert store.newest(b'["user_00042"]', START + STEP) == BODY
    store.close()


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _packed(key: bytes, moment: int) -> bytes:
    return key + struct.pack(">Q", moment)


def _arrow(columns: dict[str, Iterable[Any]]) -> Any:
    return pa.table(columns)


if __name__ == "__main__":
    main()
