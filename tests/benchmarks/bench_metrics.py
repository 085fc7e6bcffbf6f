"""How fast metrics pages are read and histories are written and asked, beside prometheus_client's bare parser.

    python tests/benchmarks/bench_metrics.py [--samples 50000] [--repetitions 5] [--days 7] [--series 2000]
                                             [--codec zlib] [--no-history]

Pages: Tecton's families, gauges and summaries, times in milliseconds. The peer only parses; we make a frame.
History: scrapes every 30 s; half of the series idle, 30 % rates (a Poisson count over 270 s), 10 % slow
gauges, 10 % latencies of 17 digits. Medians; every read is checked against what was written.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tecton_nb.metrics import MetricsHistory, Scrape, parse_exposition, scrape
from tecton_nb.wire import metrics_text
from tecton_nb.wire.metrics_page import Heading, Page, Series

START = datetime(2024, 5, 1, tzinfo=UTC)
STEP = timedelta(seconds=30)
QUANTILES = ("0.5", "0.9", "0.95", "0.99")
LATENCY, RATE = "feature_service_latency", "feature_service_requests_rate"


@dataclass(frozen=True)
class PageTimes:
    """Seconds for the same pages: the peer's parser, our frame of new series, our frame of known series."""

    samples: int
    peer: list[float]
    cold: list[float]
    warm: list[float]

    @property
    def cold_ratio(self) -> float:
        """Our speed over the peer's where every series is new; median of the repetitions."""
        return statistics.median(peer / ours for peer, ours in zip(self.peer, self.cold, strict=True))

    @property
    def warm_ratio(self) -> float:
        """Our speed over the peer's from the second scrape on."""
        return statistics.median(peer / ours for peer, ours in zip(self.peer, self.warm, strict=True))

    def __str__(self) -> str:
        peer, cold, warm = (statistics.median(times) for times in (self.peer, self.cold, self.warm))
        return (
            f"page of {self.samples:,} samples  peer's parser {peer * 1e3:,.0f} ms  first frame {cold * 1e3:,.0f} ms "
            f"({self.cold_ratio:.2f} x its speed)  later frames {warm * 1e3:,.1f} ms ({self.warm_ratio:.1f} x)"
        )


def page_text(samples: int, seed: int) -> str:
    """Return a page of about so many samples; the seed changes the numbers only."""
    draw = np.random.default_rng(seed)
    services = samples // (1 + len(QUANTILES) + 2)
    stamp = int(START.timestamp() * 1000) + 30_000 * seed
    numbers = iter(draw.random(samples + 7).tolist())
    rates, latencies = [], []
    for i in range(services):
        labels = f'feature_service_id="{i:032x}",feature_service_name="service_{i}"'
        rates.append(f'{RATE}{{aws_region="us-west-2",{labels}}} {next(numbers)} {stamp}')
        latencies += [f'{LATENCY}{{{labels},quantile="{q}"}} {next(numbers)} {stamp}' for q in QUANTILES]
        latencies += [f"{LATENCY}_{part}{{{labels}}} {next(numbers)} {stamp}" for part in ("sum", "count")]
    return "\n".join([f"# TYPE {RATE} gauge", *rates, f"# TYPE {LATENCY} summary", *latencies, ""])


def measure_pages(samples: int, repetitions: int) -> PageTimes:
    """Measure the three in turns."""
    times = PageTimes(samples, [], [], [])
    for i in range(repetitions):
        first, second = page_text(samples, 2 * i), page_text(samples, 2 * i + 1)
        forget()
        took, parsed = seconds(parsed_by_peer, second)
        times.peer.append(took)
        times.cold.append(seconds(frame_of, first)[0])
        took, frame = seconds(frame_of, second)
        times.warm.append(took)
        assert frame["value"].tolist() == [sample.value for family in parsed for sample in family.samples]
    return times


def parsed_by_peer(text: str) -> list[Metric]:
    """Return what the peer makes of a page."""
    return list(text_string_to_metric_families(text))


def frame_of(text: str) -> pd.DataFrame:
    """Return what we make of a page."""
    return parse_exposition(text).to_pandas()


def forget() -> None:
    """Forget every series that was seen."""
    metrics_text._MEMORY.known = {}
    scrape._series_columns.cache_clear()


def seconds(work: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    """Return how long something took, and its result."""
    start = time.perf_counter()
    found = work(*arguments, **options)
    return time.perf_counter() - start, found


class Workload:
    """Scrapes of so many series, drawn day by day."""

    def __init__(self, series: int, days: int) -> None:
        self.series_count = series
        self.days = days
        self.per_day = timedelta(days=1) // STEP
        self.headings = (Heading(RATE, "gauge"), Heading("latency", "gauge"))
        cut = series * 9 // 10
        names = [(RATE if i < cut else "latency", i) for i in range(series)]
        self.series = tuple(
            Series(
                name, {"aws_region": "us-west-2", "feature_service_id": f"{i:032x}", "feature_service_name": f"s{i}"}
            )
            for name, i in names
        )

    def values(self, day: int) -> np.ndarray[Any, Any]:
        """Return the values of a day, a row per scrape."""
        draw, n = np.random.default_rng(day), self.series_count
        idle, rates, slow = n // 2, n * 3 // 10, n // 10
        table = np.zeros((self.per_day, n))
        table[:, idle : idle + rates] = draw.poisson(draw.uniform(0.05, 4, rates), (self.per_day, rates)) / 270
        steps = draw.integers(-1, 2, (self.per_day, slow)) * (draw.random((self.per_day, slow)) < 0.1)
        table[:, idle + rates : idle + rates + slow] = 40 + steps.cumsum(axis=0)
        rest = n - idle - rates - slow
        table[:, n - rest :] = draw.lognormal(-4.5, 0.5, (self.per_day, rest))
        return table

    def scrape(self, day: int, row: int, values: np.ndarray[Any, Any]) -> Scrape:
        """Return one scrape."""
        at = START + timedelta(days=day) + row * STEP
        stamps = [int(at.timestamp() * 1000)] * self.series_count
        return Scrape(Page(self.headings, self.series, values.tolist(), stamps), at)


@dataclass(frozen=True)
class HistoryTimes:
    """What a history costs; milliseconds, and bytes per sample of the sealed file."""

    appends_ms: list[float]
    bytes_per_sample: float
    day_ms: list[float]
    rollup_ms: list[float]

    def __str__(self) -> str:
        appends = np.array(self.appends_ms)
        return (
            f"append of a scrape {np.median(appends):.2f} ms (99 % {np.quantile(appends, 0.99):.1f}, "
            f"slowest, at the end of a day, {appends.max():,.0f})\n"
            f"sealed file {self.bytes_per_sample:.2f} bytes a sample\n"
            f"24 h of one series to a frame {statistics.median(self.day_ms):.1f} ms\n"
            f"p50, p95, p99 by hour of 200 series, {statistics.median(self.rollup_ms):,.0f} ms"
        )


def measure_history(days: int, series: int, codec: str, repetitions: int) -> HistoryTimes:
    """Fill a history scrape by scrape, then ask it."""
    work = Workload(series, days)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        with MetricsHistory(path, codec=codec) as history:
            appends = [took for day in range(days) for took in fill_day(history, work, day)]
            # Asked while the last day is still open, as a user does.
            day_ms = [ask_day(history, work, days - 1, work.series_count - 1 - i) for i in range(repetitions * 4)]
            names = [one.labels["feature_service_name"] for one in work.series[series // 2 :][:200]]
            rollup_ms = [ask_rollup(history, names, days) for _ in range(repetitions)]
            # The first scrape of the next day seals the last one.
            history.record(work.scrape(days, 0, work.values(days)[0]))
        size = path.stat().st_size
    return HistoryTimes(appends, size / (days * work.per_day * series), day_ms, rollup_ms)


def fill_day(history: MetricsHistory, work: Workload, day: int) -> list[float]:
    """Record a day; return the milliseconds of each scrape."""
    table = work.values(day)
    scrapes = (work.scrape(day, row, table[row]) for row in range(work.per_day))
    return [seconds(history.record, one)[0] * 1e3 for one in scrapes]


def ask_day(history: MetricsHistory, work: Workload, day: int, place: int) -> float:
    """Ask for the last 24 hours of one series; return milliseconds."""
    name, since = work.series[place].labels["feature_service_name"], pd.Timestamp(START) + pd.Timedelta(days=day)
    took, frame = seconds(history.frame, work.series[place].name, since, feature_service_name=name)
    assert frame["value"].tolist() == work.values(day)[:, place].tolist()
    return took * 1e3


def ask_rollup(history: MetricsHistory, names: list[str], days: int) -> float:
    """Ask for quantiles by hour; return milliseconds."""
    took, frame = seconds(history.rollup, RATE, feature_service_name=names)
    assert len(frame) == len(names) * days * 24
    return took * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50_000, help="of a page")
    parser.add_argument("--repetitions", type=int, default=5, help="of each; medians count")
    parser.add_argument("--days", type=int, default=7, help="of the history")
    parser.add_argument("--series", type=int, default=2_000, help="of the history")
    parser.add_argument("--codec", default="zlib", help="of the history: zlib or pcodec")
    parser.add_argument("--no-history", action="store_true", help="measure pages only")
    options = parser.parse_args()
    print(measure_pages(options.samples, options.repetitions), flush=True)
    if not options.no_history:
        print(f"history: {options.series:,} series, every 30 s for {options.days} days, {options.codec}", flush=True)
        print(measure_history(options.days, options.series, options.codec, options.repetitions))


if __name__ == "__main__":
    main()
