"""A program that appends numbered frames of events to a store, and is killed by the test that started it.

It reads from standard input where to go on from, forks a child that appends, and says so on standard output:
first the child's process id, then the number of every frame once it is committed.
"""

import os
import sys

import pandas as pd

from tecton_nb.local.definitions.views import AggregatedView, Aggregation, Field
from tecton_nb.local.storage.store import Store
from tecton_nb.wire.types import STRING

START = pd.Timestamp("2024-05-01T00:00:00Z")
TOTALS = (Aggregation("amount", "count", "30d"), Aggregation("amount", "sum", "30d"))
VIEW = AggregatedView("events", (Field("key", STRING),), TOTALS, "1h")


def size_of(number: int) -> int:
    """How many events a frame has: one, or sometimes many."""
    return 400 if number % 5 == 0 else 1


def frame_of(number: int) -> pd.DataFrame:
    """The events of a frame, over several keys and intervals; each amount is the number."""
    rows = range(size_of(number))
    return pd.DataFrame(
        {
            "key": [f"k{row % 3}" for row in rows],
            "amount": [float(number)] * len(rows),
            "timestamp": [START + pd.Timedelta(minutes=17 * row) for row in rows],
        }
    )


def append_from(path: str, number: int) -> None:
    """Append frames without end, telling each one that is committed."""
    with Store([VIEW], path) as store:
        while True:
            store.append("events", frame_of(number), digest=str(number).encode())
            os.write(1, f"{number}\n".encode())
            number += 1


def main() -> None:
    """Fork a child for every line of standard input; the child's end is the test's doing."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.write(1, f"{os.getpid()}\n".encode())
            append_from(sys.argv[1], int(line))
        os.waitpid(child, 0)
        os.write(1, b"over\n")


if __name__ == "__main__":
    main()
