"""The SQLite file of a history: opened with care, one recorder at a time, every trouble in one sentence."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..exceptions import SettingsError, TectonError, full_stop, quoted

# "tnbm" in ASCII tells our files from those of other programs.
_APPLICATION = 0x746E626D
_LAYOUT = 2
_WAIT_SECONDS = 60.0
_ADVICE = {"locked": "Another process is writing to it; try again.", "full": "Make room for it."}
_TABLES = (
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT, labels TEXT, UNIQUE (name, labels))",
    "CREATE TABLE headings (name TEXT PRIMARY KEY, kind TEXT, help TEXT, unit TEXT)",
    "CREATE TABLE scrapes (started INTEGER PRIMARY KEY, duration REAL, outcome TEXT, status INTEGER,"
    " samples INTEGER, new_samples INTEGER, error TEXT, stamp INTEGER)",
    # The newest scrapes as they came: which series, when, what.
    "CREATE TABLE layouts (id INTEGER PRIMARY KEY, ids BLOB)",
    "CREATE TABLE head (id INTEGER PRIMARY KEY, layout INTEGER, first INTEGER, last INTEGER, times BLOB, body BLOB)",
    # Everything older: blocks of one day each, in them one chunk per series. A chunk's id is block * 2**32 + series.
    "CREATE TABLE blocks (id INTEGER PRIMARY KEY, day INTEGER, first INTEGER, last INTEGER, size INTEGER)",
    "CREATE TABLE times (id INTEGER PRIMARY KEY, block INTEGER, body BLOB)",
    "CREATE TABLE chunks (id INTEGER PRIMARY KEY, times INTEGER, body BLOB)",
    "CREATE TABLE recorder (pid INTEGER, since TEXT)",
)


class Database:
    """The file; may be used from several threads.

    Parameters
    ----------
    path
        Made if it is missing.

    Raises
    ------
    SettingsError
        If it cannot be opened, is no plain file, or another program or a newer version made it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        # One file has one lock and one log, whichever link leads to it.
        self._real = os.path.realpath(path)
        self._lock = threading.RLock()
        self._claim: sqlite3.Connection | None = None
        with self._in_words("open"):
            self._connection = _connected(self.path)
        # A notebook that runs a cell again drops the old history without a word.
        self._opened = [self._connection]
        self._close = weakref.finalize(self, _close, self._opened)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection; what is read stands still meanwhile."""
        with self._lock, self._in_words("read"), self._transaction("BEGIN"):
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection in a transaction that is kept unless an exception ends it."""
        with self._lock, self._in_words("write"), self._transaction("BEGIN IMMEDIATE"):
            yield self._connection

    def size_bytes(self) -> int:
        """Return the size of the file and of the log beside it."""
        log = Path(f"{self._real}-wal")
        return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)

    def shrink(self) -> None:
        """Give pages that are free back to the disk."""
        with self._lock, self._in_words("write"):
            # As a script: `execute` would stop after the first page.
            self._connection.executescript("PRAGMA incremental_vacuum")

    def claim(self, since: str) -> None:
        """Become the one recorder of the file, until it is closed or the process ends, however it does.

        Raises
        ------
        SettingsError
            If somebody else records into it.
        """
        if self._claim is not None:
            return
        with self._lock, self._in_words("write"):
            claim = sqlite3.connect(f"{self._real}-recorder", timeout=0, check_same_thread=False, isolation_level=None)
            try:
                # A lock that the system takes away when the process is gone.
                claim.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                claim.close()
                raise self._claimed() if error.sqlite_errorcode == sqlite3.SQLITE_BUSY else error from None
            self._claim = claim
            self._opened.append(claim)
        with self.writing() as connection:
            connection.execute("DELETE FROM recorder")
            connection.execute("INSERT INTO recorder VALUES (?, ?)", (os.getpid(), since))

    def close(self) -> None:
        """Close it; it cannot be used afterwards."""
        with self._lock:
            self._close()

    def damaged(self, reason: object) -> SettingsError:
        """Return the error for a file whose contents cannot be what we wrote."""
        said = full_stop(f"{quoted(self.path, 200)} is damaged: {quoted(reason, 200)}")
        return SettingsError(f"The metrics history {said} Name another file, or start a new one.")

    def _claimed(self) -> SettingsError:
        with self.reading() as connection:
            row = connection.execute("SELECT pid, since FROM recorder").fetchone()
        who = f" (process {quoted(row[0])} since {quoted(row[1])})" if row else ""
        return SettingsError(
            f"Somebody records into the metrics history {quoted(self.path, 200)} already{who}. Close that history, "
            "or record into a file of your own; reading it works meanwhile."
        )

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute(begin)
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _in_words(self, verb: str) -> Iterator[None]:
        try:
            yield
        except TectonError:
            raise
        except (sqlite3.Error, OSError) as error:
            reason = full_stop(str(error.strerror if isinstance(error, OSError) else error))
            advice = next((said for word, said in _ADVICE.items() if word in reason), "Name another file.")
            name = quoted(self.path, 200)
            raise SettingsError(f"Cannot {verb} the metrics history {name}: {reason} {advice}") from error
        except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            raise self.damaged(error) from error


def _close(connections: Iterable[sqlite3.Connection]) -> None:
    for connection in connections:
        connection.close()


def _connected(path: Path) -> sqlite3.Connection:
    # A pipe or a device would be waited for.
    if path.exists() and not path.is_file():
        raise SettingsError(f"The metrics history {quoted(path, 200)} is no file; name another one.")
    if not path.exists():
        # Its owner alone may read it; the files that SQLite puts beside it take over its mode.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA trusted_schema=OFF")
    if not _schema(connection):
        # A chunk of a day takes some 3 kB, of which pages of 4 kB would waste a part.
        connection.execute("PRAGMA page_size=16384")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        _create(connection)
    application, layout = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _MARKS)
    if (application, layout) != (_APPLICATION, _LAYOUT) or _schema(connection) != set(_TABLES):
        by = f"layout {layout} of tecton-nb" if application == _APPLICATION else "another program"
        raise SettingsError(f"The file {quoted(path, 200)} is a database of {by}; name another one as metrics history.")
    # A scrape survives the end of the process; the last ones may be lost where the power fails.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA journal_size_limit={2**24}")


_MARKS = ("application_id", "user_version")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been faster.
    if not _schema(connection):
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={_APPLICATION}")
        connection.execute(f"PRAGMA user_version={_LAYOUT}")
    connection.execute("COMMIT")


def _schema(connection: sqlite3.Connection) -> set[str]:
    """Return what the database defines; a view or a trigger in a foreign file would run code of its own."""
    return {str(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
