"""The SQLite file behind the embedded server: one reader, one writer, and a number that changes with every commit.

In a file the two are connections of their own in write-ahead mode, so reading goes on while a large
append is written, in this process or another, and a commit that was told survives kill -9.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from ...exceptions import SettingsError, full_stop, quoted

Rows: TypeAlias = list[tuple[Any, ...]]

# "tnbs" in ASCII tells our files from those of other programs.
_APPLICATION = 0x746E6273
_LAYOUT = 1
_WAIT_SECONDS = 60.0
_ADVICE = {"locked": "Another process is writing to it; try again.", "full": "Make room for it."}
_SCHEMA = """
CREATE TABLE batch_rows (
    view TEXT, key BLOB, time INTEGER, body BLOB, PRIMARY KEY (view, key, time)) WITHOUT ROWID;
CREATE TABLE tile_blocks (
    view TEXT, key BLOB, block INTEGER, body BLOB, PRIMARY KEY (view, key, block));
CREATE TABLE views (name TEXT PRIMARY KEY, definition TEXT, source TEXT);
CREATE TABLE workspaces (name TEXT PRIMARY KEY);
CREATE TABLE ingests (view TEXT, digest BLOB, PRIMARY KEY (view, digest));
CREATE TABLE accounts (id TEXT PRIMARY KEY, name TEXT, description TEXT, key_digest BLOB);
CREATE TABLE roles (account TEXT, workspace TEXT, role TEXT, PRIMARY KEY (account, workspace, role));
"""


class Database:
    """An SQLite database; may be used from several threads.

    Parameters
    ----------
    path
        File to keep it in, made if it is missing; `None` keeps it in memory.

    Raises
    ------
    SettingsError
        If the file cannot be opened, or another program or a newer version made it.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._own_commits = 0
        self._read_lock = threading.RLock()
        self._write_lock = self._read_lock if self.path is None else threading.RLock()
        with self._in_words("open"):
            self._writer = _connected(self.path)
            self._reader = self._writer if self.path is None else _connected(self.path)

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return "the store in memory" if self.path is None else f"the store {quoted(self.path, 200)}"

    def version(self) -> int:
        """Return a number that is another one after every commit, by whatever process.

        Raises
        ------
        SettingsError
            If the file cannot be read any more.
        """
        if self.path is None:
            return self._own_commits
        try:
            # No lock and no context manager: this is asked several times a request, and takes 1.4 µs.
            (number,) = self._reader.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            raise self._trouble("read", error) from error
        return int(number)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to read with; nobody else of this process reads meanwhile."""
        with self._read_lock, self._in_words("read"):
            yield self._reader

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to write with, in a transaction that is kept unless an exception ends it."""
        with self._write_lock, self._in_words("write"):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")
            self._own_commits += 1

    def rows(self, query: str, values: tuple[object, ...] = ()) -> Rows:
        """Return the rows of a query."""
        with self.reading() as connection:
            return connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close it; it cannot be used afterwards."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def _in_words(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._trouble(verb, error) from error

    def _trouble(self, verb: str, error: sqlite3.Error | OSError) -> SettingsError:
        reason = full_stop(str(error.strerror if isinstance(error, OSError) else error))
        advice = next((said for word, said in _ADVICE.items() if word in reason), "Name another file.")
        return SettingsError(f"Cannot {verb} {self.name}: {reason} {advice}")


def _connected(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        _make_unless_there(path)
    connection = _connection(path or ":memory:")
    try:
        if path is None:
            _create(connection)
        else:
            _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _connection(name: str | Path) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None)


def _make_unless_there(path: Path) -> None:
    """Make the file whole under another name first, so that nobody ever opens half of it.

    It can be read by its owner only, and SQLite's side files take over its mode. A file that is there
    must not be opened and closed here: that would end the locks that SQLite holds on it in this
    process, and another process could take the write-ahead log away.
    """
    # What a link names is made; the link stays one.
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise SettingsError(f"The store {quoted(path, 200)} is no file; name another one.")
    if path.exists() and path.stat().st_size:
        return
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        with closing(_connection(name)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            _create(connection)
        _name(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)


def _name(made: Path, path: Path) -> None:
    """Give a file its name, unless another process was faster."""
    try:
        os.link(made, path)
    except OSError:
        # The name is taken by a store or by an empty file, or the disk knows no links.
        if not path.exists() or not path.stat().st_size:
            made.replace(path)


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(
        f"BEGIN; {_SCHEMA} PRAGMA application_id={_APPLICATION}; PRAGMA user_version={_LAYOUT}; COMMIT"
    )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, layout) != (_APPLICATION, _LAYOUT):
        made_by = f"layout {layout} of tecton-nb" if application == _APPLICATION else "another program"
        raise SettingsError(f"The file {quoted(path, 200)} is a database of {made_by}; name another file as the store.")
