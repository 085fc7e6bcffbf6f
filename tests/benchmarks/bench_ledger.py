"""What a row costs in the resume file, beside a plain table of the same answers.

    python tests/benchmarks/bench_ledger.py [--rows 20000] [--commit 2000] [--repetitions 5]

The answers are alike as those of one service are: 2.4 KB of which the values, times and latencies differ.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tecton_nb.batch.ledger import Ledger, LedgerScope

FEATURES = tuple((f"transaction_totals.amount_mean_{days}d_1d", "float64") for days in range(1, 18))
SCOPE = LedgerScope("fraud_service", "prod", "127.0.0.1:80", (("user", "string"),), (), FEATURES)


@dataclass(frozen=True)
class Costs:
    """Medians over the repetitions, per row."""

    ours_us: float
    plain_us: float
    read_us: float
    ours_bytes: float
    plain_bytes: float
    body_bytes: float

    def __str__(self) -> str:
        return (
            f"answer {self.body_bytes:.0f} bytes; kept {self.ours_us:.1f} µs and {self.ours_bytes:.0f} bytes a row, "
            f"plain table {self.plain_us:.1f} µs and {self.plain_bytes:.0f} bytes "
            f"(ratios {self.ours_us / self.plain_us:.2f}, {self.ours_bytes / self.plain_bytes:.3f}); "
            f"read back {self.read_us:.1f} µs a row"
        )


def answers(count: int) -> list[bytes]:
    """Return so many different answers of one service."""
    dice = random.Random(1)

    def feature(name: str, kind: str) -> dict[str, object]:
        moment = f"2026-05-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:00:00Z"
        return {"name": name, "effectiveTime": moment, "dataType": {"type": kind}, "status": "PRESENT"}

    def answer() -> dict[str, object]:
        slo = {"sloEligible": True, "serverTimeSeconds": dice.random() / 100, "storeMaxLatency": dice.random() / 100}
        values = [round(dice.gauss(50, 20), 2) for _ in FEATURES]
        metadata = {"features": [feature(name, kind) for name, kind in FEATURES], "sloInfo": slo}
        return {"result": {"features": values}, "metadata": metadata}

    return [json.dumps(answer(), separators=(",", ":")).encode() for _ in range(count)]


def keep(path: Path, bodies: list[bytes], keys: list[bytes], commit: int) -> None:
    """Keep the answers in a ledger."""
    with Ledger.open(path, SCOPE) as ledger:
        for number, body in enumerate(bodies, 1):
            ledger.keep(body, [keys[number - 1]], is_batch=False)
            if number % commit == 0:
                ledger.commit()


def keep_plain(path: Path, bodies: list[bytes], keys: list[bytes], commit: int) -> None:
    """Keep the answers in a table of keys and bodies."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE answers (key BLOB PRIMARY KEY, body BLOB) WITHOUT ROWID")
        for start in range(0, len(bodies), commit):
            connection.execute("BEGIN")
            part = slice(start, start + commit)
            rows = zip(keys[part], bodies[part], strict=True)
            connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)
            connection.execute("COMMIT")


def seconds(work: Callable[[], object]) -> float:
    """Return how long the work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def read_back(path: Path, keys: list[bytes], bodies: list[bytes]) -> None:
    """Read every answer, and see that it is the one that was kept."""
    with Ledger.open(path, SCOPE) as ledger:
        if any(bodies[kept.positions[0] or 0] != kept.body for kept in ledger.finished(keys)):
            raise SystemExit("An answer came back as another one.")


def measure(rows: int, commit: int, repetitions: int) -> Costs:
    """Return the costs of both, measured in turns."""
    bodies, dice = answers(rows), random.Random(2)
    keys = [dice.randbytes(16) for _ in bodies]
    ours, plain, read = [], [], []
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory() as directory:
            path, other = Path(directory, "ours"), Path(directory, "plain")
            ours.append(seconds(lambda path=path: keep(path, bodies, keys, commit)))
            plain.append(seconds(lambda path=other: keep_plain(path, bodies, keys, commit)))
            read.append(seconds(lambda path=path: read_back(path, keys, bodies)))
            sizes = [file.stat().st_size / rows for file in (path, other)]
    times = [statistics.median(one) / rows * 1e6 for one in (ours, plain, read)]
    return Costs(*times, *sizes, sum(map(len, bodies)) / rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--commit", type=int, default=2_000, help="rows of one commit")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    print(measure(options.rows, options.commit, options.repetitions))


if __name__ == "__main__":
    main()
