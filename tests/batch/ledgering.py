"""What the tests of the resume file share: a scope, keys, and a program that writes until it is killed.

As a program it reads from standard input where to go on from, forks a child that keeps and commits without
end, and says so on standard output: first the child's process id, then the number of answers committed.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from tecton_nb.batch.ledger import Ledger, LedgerScope

SCOPE = LedgerScope(
    service="flight_delay_service",
    workspace="prod",
    address="features.example:443",
    join_keys=(("tailnum", "string"),),
    request_context=(("amount", "float64"),),
    features=(("plane.seats", "int64"), ("plane.model", "string")),
    options="{}",
)


def key_of(number: int) -> bytes:
    """A key like a digest."""
    return random.Random(f"key {number}").randbytes(16)


def body_of(number: int, size: int = 3_000) -> bytes:
    """An answer that no compression makes smaller; every third one is ten times as long."""
    return random.Random(f"body {number}").randbytes(size * (10 if number % 3 == 0 else 1))


def held(ledger: Ledger, keys: Sequence[bytes]) -> dict[int, bytes]:
    """Body by position in `keys`, each position seen once."""
    found: dict[int, bytes] = {}
    for kept in ledger.finished(keys):
        for position in kept.positions:
            if position is not None:
                assert position not in found
                found[position] = kept.body
    return found


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    """Rows of a query on the file of a closed ledger."""
    with closing(sqlite3.connect(path)) as connection:
        # Needs no shared memory beside the file, for which a full disk has no room.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        return connection.execute(statement).fetchall()


def change(path: Path, *statements: str, values: Iterable[object] = ()) -> None:
    """Do to the file of a closed ledger what no run does; the values are for the last statement."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements[:-1]:
            connection.execute(statement)
        connection.execute(statements[-1], tuple(values))


def run_python(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own; it may import this module, and gets the path as its argument."""
    there = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.run(command, env=there, capture_output=True, text=True, check=False)  # noqa: S603


def large_body_of(number: int) -> bytes:
    """So large that SQLite moves its log into the file every twenty commits or so."""
    return body_of(number, 20_000)


def keep_from(path: str, number: int) -> None:
    """Keep one to four answers a commit, batch answers among them, without end."""
    with Ledger.open(path, SCOPE) as ledger:
        while True:
            for _ in range(1 + number % 4):
                # One row of a get-features-batch answer had its answer already, one was not asked to be kept.
                keys = [key_of(number - 1), None, key_of(number)] if number % 5 == 0 else [key_of(number)]
                ledger.keep(large_body_of(number), keys, is_batch=len(keys) > 1)
                number += 1
            ledger.commit()
            os.write(1, f"{number}\n".encode())


def main() -> None:
    """Fork a child for every line of standard input; the child's end is the test's doing."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.write(1, f"{os.getpid()}\n".encode())
            keep_from(sys.argv[1], int(line))
        os.waitpid(child, 0)
        os.write(1, b"over\n")


if __name__ == "__main__":
    main()
