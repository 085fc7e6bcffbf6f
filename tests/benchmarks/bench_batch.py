"""How fast many rows become a typed frame, beside the official client, and what a batch's own import costs.

    python tests/benchmarks/bench_batch.py [--quick] [SECTION ...]

Sections: waiting (a server that takes 20 ms for every answer), busy (nginx with a constant answer, which is never what
a client waits for), long (ten times as many rows), imports. Both sides of a comparison run in turns, each time in a
process of its own; medians of the ratios of one turn count. Clients are kept on one core and servers on another where
the system can do that. Every measurement checks every value of its frame, after the clock was stopped: values are made
from the key of the row (nginx: from its place in the call).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from constant_server import constant_server, is_installed
from fourteen import answer, batch_answer, metadata_answer
from import_cost import import_cost
from latency_server import latency_server
from sides import Task, official_async, official_sync, ours
from turns import fresh

IN_FLIGHT = 100
SERVER_SECONDS = 0.02
_SECTIONS = ("waiting", "busy", "long", "imports")


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    repetitions: int
    our_rows: int
    their_rows: int
    long_rows: int


FULL = Scale(repetitions=5, our_rows=20_000, their_rows=1_500, long_rows=200_000)
QUICK = Scale(repetitions=1, our_rows=4_000, their_rows=400, long_rows=20_000)


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    measured: str
    wanted: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", default=_SECTIONS, metavar="SECTION", help=f"of {', '.join(_SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="few rows, once: shows that it works, measures nothing")
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    server_core = _keep_to_one_core()
    lines: dict[str, Callable[[], Iterator[Line]]] = {
        "waiting": lambda: waiting(scale, server_core),
        "busy": lambda: busy(scale, server_core),
        "long": lambda: long(scale, server_core),
        "imports": lambda: imports(scale),
    }
    print(f"| {time.strftime('%Y-%m-%d %H:%M')} | measured | wanted |\n|---|---|---|")
    for section in options.sections:
        if section not in lines:
            parser.error(f"there is no section {section}")
        for line in lines[section]():
            print(f"| {line.what} | {line.measured} | {line.wanted} |", flush=True)


def waiting(scale: Scale, core: int | None) -> Iterator[Line]:
    """Measure against a server that takes 20 ms for every answer, 100 requests in flight, one row each."""
    with latency_server(SERVER_SECONDS, core) as url:
        pairs = [
            (
                fresh(ours, Task(url, scale.our_rows // 2, IN_FLIGHT)),
                fresh(official_async, Task(url, scale.their_rows // 2, IN_FLIGHT)),
            )
            for _ in range(scale.repetitions)
        ]
    our = [cost for cost, _ in pairs]
    ideal = IN_FLIGHT / SERVER_SECONDS
    yield Line(
        "20 ms server, 100 in flight, rows/s: official async client",
        _times([a.rows_per_second / b.rows_per_second for a, b in pairs]),
        "20 x",
    )
    yield Line("share of the ideal 5,000 rows/s", f"{_median([c.rows_per_second / ideal for c in our]):.0%}", "80 %")
    off = _median([abs(cost.client_seconds - SERVER_SECONDS) for cost in our])
    yield Line("median of `client_time_seconds` away from the 20 ms", f"{off * 1e3:.2f} ms", "1 ms")
    off = _median([abs(cost.client_seconds - cost.server_seconds) for cost in our])
    yield Line("and from what the server says it took", f"{off * 1e3:.2f} ms", "")
    yield Line("processor time a row", f"{_median([cost.cpu_us for cost in our]):.0f} µs", "")


def busy(scale: Scale, core: int | None) -> Iterator[Line]:
    """Measure processor time a row against nginx."""
    if not is_installed():
        yield Line("busy server", "nginx is not installed (Debian package nginx-light)", "")
        return
    with _nginx(core) as url:
        best = _best_concurrency(url, scale)
        turns = [
            (
                fresh(ours, _constant(url, scale.our_rows)),
                fresh(ours, _constant(url, scale.our_rows, rows_per_call=10)),
                fresh(official_sync, _constant(url, scale.their_rows)),
                fresh(official_async, _constant(url, scale.their_rows, in_flight=best)),
            )
            for _ in range(scale.repetitions)
        ]
    single, ten, sync, asynchronous = zip(*turns, strict=True)
    for what, our, their, wanted in (
        (f"official async client at its best ({best} in flight)", single, asynchronous, "12 x"),
        ("official sync loop", single, sync, "8 x"),
        ("official sync loop, ours 10 rows a call", ten, sync, "30 x"),
    ):
        ratios = [b.cpu_us / a.cpu_us for a, b in zip(our, their, strict=True)]
        yield Line(f"busy server, rows per processor second: {what}", _times(ratios), wanted)
    costs = ", ".join(f"{_median([cost.cpu_us for cost in side]):.0f}" for side in (single, ten, sync, asynchronous))
    yield Line("processor time a row: ours 1, ours 10 a call, official sync, async", f"{costs} µs", "")


def long(scale: Scale, core: int | None) -> Iterator[Line]:
    """Measure ten times as many rows."""
    if not is_installed():
        return
    with _nginx(core) as url:
        turns = [
            tuple(fresh(ours, _constant(url, rows)) for rows in (scale.long_rows // 10, scale.long_rows))
            for _ in range(max(1, scale.repetitions // 2))
        ]
    ratio = _median([short.cpu_us / long.cpu_us for short, long in turns])
    yield Line(f"rows per processor second at {scale.long_rows:,} rows beside a tenth", f"{ratio:.2f} x", "0.85 x")
    memory = _median([long.peak_bytes / long.rows for _, long in turns])
    yield Line("memory at its highest, beyond what was there before", f"{memory:,.0f} bytes a row", "")


def imports(scale: Scale) -> Iterator[Line]:
    """Measure imports beside those of pandas and httpx."""
    more = import_cost(5 * scale.repetitions)
    yield Line("imports of a first batch beyond pandas and httpx", f"{more:.3f} s", "0.15 s")


_constant = partial(Task, is_constant=True)


def _nginx(core: int | None) -> AbstractContextManager[str]:
    answers = {"get-features": answer(0), "get-features-batch": batch_answer(range(10)), "metadata": metadata_answer()}
    return constant_server(answers, core)


def _best_concurrency(url: str, scale: Scale) -> int:
    costs = {
        many: fresh(official_async, _constant(url, scale.their_rows // 2, in_flight=many)).cpu_us
        for many in (1, 2, 4, 8, 16)
    }
    return min(costs, key=costs.__getitem__)


def _keep_to_one_core() -> int | None:
    """Stay on the last core, with all processes started from here on; return the core for servers."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        return None
    os.sched_setaffinity(0, {cores[-1]})
    return cores[0]


def _times(ratios: list[float]) -> str:
    return f"{_median(ratios):.1f} x ({min(ratios):.1f} to {max(ratios):.1f})"


def _median(numbers: list[float]) -> float:
    return statistics.median(numbers)


if __name__ == "__main__":
    main()
