"""The SQLite file under a `Ledger`: made, locked, and refused in words where it is another one's."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ..exceptions import DecodeError, LedgerError, full_stop, quoted
from .ledger_blocks import MAX_BLOCK_BYTES
from .ledger_scope import LedgerScope

# "tnbl" in ASCII tells our files from those of other programs.
_APPLICATION = 0x746E626C
_LAYOUT = 1
_TABLES = (
    "CREATE TABLE scope (text BLOB)",
    "CREATE TABLE blocks (id INTEGER PRIMARY KEY, answers BLOB)",
    "CREATE TABLE rows (key BLOB PRIMARY KEY, block INTEGER, answer INTEGER, place INTEGER) WITHOUT ROWID",
)
_ANOTHER = "Name another file"
_ADVICE = {
    "SQLITE_BUSY": "Another run is using it: wait for its end, or name another file.",
    "SQLITE_FULL": "Make room, then run again with this file.",
    "SQLITE_IOERR": "Look after the disk, then run again with this file.",
    "SQLITE_READONLY": "Make it and its directory writable, or name another file.",
    "SQLITE_CANTOPEN": "Its directory must exist and be writable.",
}
# Of a database: one page of the smallest size.
_LEAST_BYTES = 512
# Of a scope's text; one that names 10,000 features has half a megabyte.
_SCOPE_BYTES = 4 * 2**20


def open_file(path: Path, scope: LedgerScope) -> sqlite3.Connection:
    """Return a connection that has the file to itself until it is closed; the file is made if it is missing or empty.

    The lock is SQLite's own on the file (fcntl, on Windows LockFileEx), held for ever in its exclusive locking
    mode: the system lets go of it when the process ends, kill -9 included, and no side file has to be cleaned up.

    Raises
    ------
    LedgerError, or what `in_words` makes one
        If the file cannot be used.
    """
    _refuse_other_files(path)
    _make_private(path)
    connection = _connection(str(path))
    try:
        _lock(connection)
        is_blank = _refuse_other_programs(connection, path)
        for setting in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {setting}")
        if is_blank:
            path.chmod(0o600)
            _create(connection, scope)
        else:
            _check(connection, path, scope)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def in_words(path: str | os.PathLike[str], verb: str) -> Iterator[None]:
    """Turn what goes wrong with the file into a `LedgerError`; `verb` is what was tried."""
    try:
        yield
    except DecodeError as error:
        reason = f"Cannot {verb} the resume file {quoted(path, 200)}: {error} It is damaged, or no run wrote it."
        raise LedgerError(f"{reason} {_ANOTHER}, or delete this one to fetch all rows again.") from error
    # ValueError: a name no file can have; TypeError and OverflowError: no number where one should be.
    except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
        raise trouble(path, verb, error) from error


def trouble(path: str | os.PathLike[str], verb: str, error: Exception, facts: str = "") -> LedgerError:
    """Return what went wrong in words: what was tried, why not, `facts` if there are any, and what to do."""
    said = full_stop(str((error.strerror if isinstance(error, OSError) else None) or error))
    code = str(getattr(error, "sqlite_errorname", ""))
    advice = next((advice for name, advice in _ADVICE.items() if code.startswith(name)), f"{_ANOTHER}.")
    return LedgerError(f"Cannot {verb} the resume file {quoted(path, 200)}: {said} {facts}{advice}")


def _connection(name: str, *, is_uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=0, check_same_thread=False, isolation_level=None, uri=is_uri)
    # The file may be somebody else's: nothing in it is taken into memory that is larger than any block.
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOCK_BYTES + 2**20)
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _refuse_other_files(path: Path) -> None:
    """Refuse what is no resume file before anything is opened for writing.

    The file is read through SQLite, not by `open`: closing a file drops the locks that a ledger of this
    process has on it. Read as immutable it gets no lock and no side files, and no foreign log is replayed.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise LedgerError(f"The resume file {quoted(path, 200)} is no file; name another one.")
    if 0 < path.stat().st_size < _LEAST_BYTES:
        # SQLite takes a file of one byte for an empty one.
        raise _no_ledger(path)
    if not os.access(path, os.R_OK | os.W_OK):
        # SQLite would say so with the first commit only.
        raise LedgerError(
            f"The resume file {quoted(path, 200)} cannot be read and written. {_ADVICE['SQLITE_READONLY']}"
        )
    with closing(_connection(f"{path.as_uri()}?immutable=1", is_uri=True)) as connection:
        try:
            _refuse_other_programs(connection, path)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorname == "SQLITE_NOTADB":
                raise _no_ledger(path) from None
            # A run killed while it moved its log into the file leaves one that only the log makes whole.
            if error.sqlite_errorname != "SQLITE_CORRUPT":
                raise


def _no_ledger(path: Path) -> LedgerError:
    return LedgerError(f"The file {quoted(path, 200)} is no resume file and was not touched. {_ANOTHER}.")


def _refuse_other_programs(connection: sqlite3.Connection, path: Path) -> bool:
    """Refuse a database that is not ours to write to; return whether it is a blank one."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION and layout > _LAYOUT:
        raise LedgerError(
            f"The resume file {quoted(path, 200)} was made by a newer tecton_nb (layout {layout}, "
            f"this one knows {_LAYOUT}). Update tecton_nb, or name another file."
        )
    # A file whose making was cut off is a database without a table.
    is_blank = (application, layout) == (0, 0) and not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    if (application, layout) != (_APPLICATION, _LAYOUT) and not is_blank:
        raise LedgerError(
            f"The file {quoted(path, 200)} is a database of another program and was not touched. {_ANOTHER}."
        )
    return is_blank


def _make_private(path: Path) -> None:
    """Make the file, empty, for its owner only; SQLite's log takes over its mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _lock(connection: sqlite3.Connection) -> None:
    """Take the file until the connection is closed; raises ``SQLITE_BUSY`` if somebody else has it."""
    # Before anything is read: in this order SQLite's write-ahead mode needs no shared memory beside the file.
    for statement in ("PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "COMMIT"):
        connection.execute(statement)


def _create(connection: sqlite3.Connection, scope: LedgerScope) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in (*_TABLES, f"PRAGMA application_id={_APPLICATION}", f"PRAGMA user_version={_LAYOUT}"):
        connection.execute(statement)
    connection.execute("INSERT INTO scope VALUES (?)", (scope.to_text(),))
    connection.execute("COMMIT")


def _check(connection: sqlite3.Connection, path: Path, scope: LedgerScope) -> None:
    # Views and triggers of a stranger would run as part of our statements.
    if {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master")} != set(_TABLES):
        raise DecodeError("It has other tables than a resume file.", "scope")
    texts = [text for (text,) in connection.execute("SELECT text FROM scope LIMIT 2")]
    if texts == [scope.to_text()]:
        return
    if len(texts) != 1 or not isinstance(texts[0], bytes) or len(texts[0]) > _SCOPE_BYTES:
        raise DecodeError("It does not say whose rows it holds.", "scope")
    if why := scope.refusal(LedgerScope.from_text(texts[0])):
        raise LedgerError(
            f"Cannot resume from {quoted(path, 200)}. {why} {_ANOTHER}, or delete this one to fetch all rows again."
        )
