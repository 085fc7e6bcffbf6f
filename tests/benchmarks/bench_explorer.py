"""How soon the explorer is there, and how soon a fetch shows its frame: medians, on the embedded server.

``python tests/benchmarks/bench_explorer.py``. The peer of a fetch is the same row by ``service.get_features``, asked
for in turns in the same run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import tecton_nb as tnb

RUNS = 21
WAIT = 30
SHOWN_SECONDS, BEYOND_SECONDS = 0.5, 0.3


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    with tnb.local.demo_server(now="2024-05-01T12:00:00Z", seed=7) as server, tnb.connect(server) as client:
        first = seconds(lambda: tnb.explore(client)._repr_mimebundle_())
        shows = [seconds(lambda: tnb.explore(client)._repr_mimebundle_()) for _ in range(RUNS)]
        explorer = tnb.explore(client)
        explorer.picker.choose("flight_delay_service")
        explorer.wait(WAIT)
        service, row = explorer.picker.service, explorer._form.row
        plain, fetches = [], []
        for _ in range(RUNS):
            plain.append(seconds(lambda: service.get_features(row)))
            fetches.append(seconds(lambda: explorer.fetch().wait(WAIT)))
        assert explorer.error is None
        server_times = explorer.calls["server_time_seconds"].tail(RUNS)
    shown, fetched = statistics.median(shows), statistics.median(fetches)
    beyond = fetched - float(server_times.median())
    print(f"shown, imports included, once: {first * 1_000:,.0f} ms")
    print(f"shown: {shown * 1_000:,.0f} ms (wanted: under {SHOWN_SECONDS * 1_000:,.0f} ms)")
    print(f"fetch beyond the server's time: {beyond * 1_000:,.0f} ms (wanted: under {BEYOND_SECONDS * 1_000:,.0f} ms)")
    print(f"fetch / get_features: {fetched / statistics.median(plain):.1f}")
    raise SystemExit(not (shown < SHOWN_SECONDS and beyond < BEYOND_SECONDS))


if __name__ == "__main__":
    main()
