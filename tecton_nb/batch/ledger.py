"""The resume file of a bulk run: answers that came are kept, and a second run asks for the others only.

It is an SQLite file in write-ahead mode. A row is in it once, under a digest of its join keys, its request
context and the options; an answer that serves several rows is in it once too. What was committed survives
kill -9 and a full disk. **The answers, that is the feature values, stand in it in clear**, so only its owner
may read it (mode 0600). Join keys are there as digests only, which guessing may undo; the API key never is.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import threading
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Self

from ..exceptions import DecodeError, LedgerError
from ..transport.content import MAX_BODY_BYTES
from ..wire.requests import RequestRow
from .ledger_blocks import MAX_ROWS, Block, Packed, read_block
from .ledger_file import in_words, open_file, trouble
from .ledger_scope import LedgerScope

_KEEP = "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?)"
# CROSS JOIN: the rows asked for come first, so the time this takes is set by them, whatever the file holds.
_FIND = """
SELECT block, answer, place, position FROM asked CROSS JOIN rows USING (key) ORDER BY block, answer, place, position
"""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer from the file, to be read as if it had just come.

    Parameters
    ----------
    body
        As the server sent it.
    positions
        For each row of the body the place of its key in what was asked for; `None` if it was not asked for.
    is_batch
        Whether it is a get-features-batch answer.
    """

    body: bytes
    positions: tuple[int | None, ...]
    is_batch: bool


class Ledger:
    """The resume file of one run, locked for everybody else until it is closed.

    `keep` may be called on any thread and only remembers; `commit`, on another one, writes.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, scope: LedgerScope) -> None:
        self.path = path
        self.is_broken = False
        self._scope = scope
        self._connection = connection
        self._process = os.getpid()
        self._came: list[Packed] = []
        self._is_closed = False
        self._came_lock = threading.Lock()
        self._file_lock = threading.RLock()
        _MADE.add(self)

    @classmethod
    def open(cls, path: str | os.PathLike[str], scope: LedgerScope) -> Self:
        """Open the file for the rows of a scope; make it if it is missing or empty.

        Raises
        ------
        LedgerError
            If it is another kind of file, of a newer version or in use, belongs to another service or to
            one that has changed since, or cannot be read and written. The file is as it was before.
        """
        with in_words(path, "open"):
            # What a link names is made; the link stays one.
            real = Path(os.path.realpath(path))
            return cls(real, open_file(real, scope), scope)

    def key_of(self, row: RequestRow) -> bytes:
        """Return the key under which a row is kept: 16 bytes."""
        return self._scope.key_of(row)

    def finished(self, keys: Sequence[bytes]) -> Iterator[KeptAnswer]:
        """Return the committed answers to the rows with these keys, each row once and in no special order.

        A key that stands twice in `keys` is answered twice, the second time by a `KeptAnswer` of its own.

        Raises
        ------
        LedgerError
            If the file cannot be read or holds what no run wrote.
        """
        with in_words(self.path, "read"):
            for block, found in groupby(self._found(keys), key=lambda one: one[0]):
                yield from _answers(self._block(block), [one[1:] for one in found], keys)

    def keep(self, body: bytes, keys: Sequence[bytes | None], *, is_batch: bool) -> None:
        """Remember an answer for the next commit.

        Parameters
        ----------
        body
            As it came.
        keys
            The key of each of its rows; `None` for a row that is not to be kept.
        is_batch
            Whether it is a get-features-batch answer.

        Notes
        -----
        Does nothing once the ledger is broken or closed, and with an answer larger than we would read:
        the row is then asked for again.
        """
        if self._takes_nothing() or len(body) > MAX_BODY_BYTES or len(keys) > MAX_ROWS:
            return
        with self._came_lock:
            self._came.append(Packed(body, tuple(keys), is_batch))

    def commit(self) -> int:
        """Write what was remembered in one transaction.

        Returns
        -------
        int
            How many rows the file holds more than before; a row that it has already stays as it is.

        Raises
        ------
        LedgerError
            If the file cannot be written. What was committed before is intact, the ledger is broken from
            now on and remembers nothing more; the run may go on without it.
        """
        if self._takes_nothing():
            return 0
        with self._file_lock:
            came = self._taken()
            # Asked again: it may have ended while this waited.
            if not came or self._takes_nothing():
                return 0
            try:
                return self._write(came)
            except sqlite3.Error as error:
                self.is_broken = True
                self._taken()
                raise trouble(self.path, "write to", error, self._intact()) from error
            except BaseException:
                # An interrupt; what got written all the same is ignored the next time.
                self._give_back(came)
                raise

    def forget(self, keys: Sequence[bytes]) -> None:
        """Take rows out again, so that the next run asks for them; errors as `commit`."""
        if self._takes_nothing():
            return
        with self._file_lock:
            self.commit()
            try:
                with self._connection:
                    self._connection.executemany("DELETE FROM rows WHERE key = ?", [(key,) for key in keys])
            except sqlite3.Error as error:
                self.is_broken = True
                raise trouble(self.path, "write to", error, self._intact()) from error

    def close(self) -> None:
        """Commit and close; errors as `commit`. Calling it again does nothing."""
        if self._is_inherited():
            return
        with self._file_lock:
            if self._is_closed:
                return
            try:
                self.commit()
            finally:
                self._is_closed = True
                self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self.close()
        except LedgerError as unwritten:
            if error is None:
                raise
            error.add_note(str(unwritten))

    def _takes_nothing(self) -> bool:
        return self.is_broken or self._is_closed or self._is_inherited()

    def _is_inherited(self) -> bool:
        """Whether this is the copy in a forked child: the file is its parent's, and its locks may be held for ever."""
        return os.getpid() != self._process

    def _found(self, keys: Sequence[bytes]) -> Iterator[tuple[int, int, int, int]]:
        # Packed: a million tuples of numbers take 200 MB.
        numbers = array("q")
        with self._file_lock:
            # Rolled back at the end, with the table.
            self._connection.execute("BEGIN")
            try:
                self._connection.execute("CREATE TEMP TABLE asked (position INTEGER PRIMARY KEY, key BLOB)")
                self._connection.executemany("INSERT INTO asked VALUES (?, ?)", enumerate(keys))
                for one in self._connection.execute(_FIND):
                    numbers.extend(one)
            finally:
                self._connection.execute("ROLLBACK")
        quarters = iter(numbers)
        return zip(quarters, quarters, quarters, quarters, strict=True)

    def _block(self, number: int) -> object:
        with self._file_lock:
            row = self._connection.execute("SELECT answers FROM blocks WHERE id = ?", (number,)).fetchone()
        return row and row[0]

    def _taken(self) -> list[Packed]:
        with self._came_lock:
            came, self._came = self._came, []
        return came

    def _give_back(self, came: list[Packed]) -> None:
        with self._came_lock:
            self._came[:0] = came

    def _write(self, came: Iterable[Packed]) -> int:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            kept = self._insert(came)
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have rolled it back already
                self._connection.execute("ROLLBACK")
            raise
        return kept

    def _insert(self, came: Iterable[Packed]) -> int:
        (number,) = self._connection.execute("SELECT coalesce(max(id), 0) + 1 FROM blocks").fetchone()
        block, kept = Block(), 0
        for one in came:
            rows = [(key, number, block.count, place) for place, key in enumerate(one.keys) if key is not None]
            # Rows that were there already are ignored, and not counted.
            if new := self._connection.executemany(_KEEP, rows).rowcount:
                kept += new
                block.add(one)
            if block.is_full:
                self._insert_block(number, block)
                number, block = number + 1, Block()
        if block.count:
            self._insert_block(number, block)
        return kept

    def _insert_block(self, number: int, block: Block) -> None:
        self._connection.execute("INSERT INTO blocks VALUES (?, ?)", (number, block.packed()))

    def _intact(self) -> str:
        with suppress(sqlite3.Error):
            (count,) = self._connection.execute("SELECT count(*) FROM rows").fetchone()
            return f"The {count:,} rows committed before are intact in it, later ones are not kept. "
        return "Later rows are not kept. "


_MADE: weakref.WeakSet[Ledger] = weakref.WeakSet()


def _leave_to_the_parent() -> None:
    """Keep the connections that a forked child inherits from ever being closed in it, its end included.

    SQLite would take a copy for the last connection and remove the log that the parent still writes to.
    """
    for ledger in _MADE:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(ledger._connection))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)


def _answers(packed: object, found: list[tuple[int, ...]], keys: Sequence[bytes]) -> Iterator[KeptAnswer]:
    """Return the answers of a block that rows were found in: its number in the block, its place there, its position."""
    wanted = {answer: [one[1:] for one in rows] for answer, rows in groupby(found, key=lambda one: one[0])}
    for number, answer in enumerate(read_block(packed)):
        for positions in _positions(answer, wanted.pop(number, ()), keys):
            yield KeptAnswer(answer.body, positions, answer.is_batch)
    if wanted:
        raise DecodeError("A row names an answer that is not there.", "rows")


def _positions(
    answer: Packed, found: Iterable[tuple[int, ...]], keys: Sequence[bytes]
) -> Iterator[tuple[int | None, ...]]:
    """Return positions for one answer, and again for each time that a row of it was asked for once more."""
    asked: dict[int, list[int]] = {}
    for place, position in found:
        if not 0 <= place < len(answer.keys) or answer.keys[place] != keys[position]:
            raise DecodeError("A row names an answer that is not its own.", "rows")
        asked.setdefault(place, []).append(position)
    for turn in range(max(map(len, asked.values()), default=0)):
        positions: list[int | None] = [None] * len(answer.keys)
        for place, times in asked.items():
            positions[place] = times[turn] if turn < len(times) else None
        yield tuple(positions)
