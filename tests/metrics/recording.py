"""A program that records scrapes into a history, and is killed by the test that started it.

It reads from standard input where to go on from, forks a child that records, and says so on standard output:
first the child's process id, then the number of every scrape once it is kept. Scrapes are two hours apart, so
days are sealed all the time.
"""

import os
import sys
from datetime import timedelta

from histories import START, scrape

from tecton_nb.metrics import MetricsHistory

EVERY = timedelta(hours=2)


def record_from(path: str, number: int) -> None:
    """Record scrapes without end, telling each one that is kept."""
    with MetricsHistory(path) as history:
        while True:
            history.record(scrape(number, at=START + number * EVERY))
            os.write(1, f"{number}\n".encode())
            number += 1


def main() -> None:
    """Fork a child for every line of standard input; the child's end is the test's doing."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.write(1, f"{os.getpid()}\n".encode())
            record_from(sys.argv[1], int(line))
        os.waitpid(child, 0)
        os.write(1, b"over\n")


if __name__ == "__main__":
    main()
