"""Scrapes and histories to test with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np

from tecton_nb.metrics import MetricsHistory, Scrape, parse_exposition
from tecton_nb.wire.metrics_page import Heading, Page, Series

START = datetime(2024, 5, 1, tzinfo=UTC)
STEP = timedelta(seconds=30)
HEADINGS = (
    Heading("feature_service_latency", "summary", "[GA] How long \\ it takes."),
    Heading("feature_server_utilization", "gauge"),
    Heading("feature_server_cache_read_duration", "histogram", "[Preview] Reads."),
    Heading("requests", "counter"),
)
_SERVICES = ("a", 'b "quoted"\n\\')
SERIES = (
    *(
        Series("feature_service_latency", {"feature_service_name": name, "quantile": quantile})
        for name in _SERVICES
        for quantile in ("0.5", "0.99")
    ),
    *(
        Series(f"feature_service_latency_{part}", {"feature_service_name": name})
        for name in _SERVICES
        for part in ("sum", "count")
    ),
    Series("feature_server_utilization", {"aws_region": "us-west-2", "zone": "ü"}),
    *(
        Series(f"feature_server_cache_read_duration{suffix}", {"aws_region": "x", **labels})
        for suffix, labels in (
            ("_bucket", {"le": "5.0"}),
            ("_bucket", {"le": "+Inf"}),
            ("_sum", {}),
            ("_count", {}),
        )
    ),
    Series("requests_total", {}),
    Series("other", {"empty": ""}),
)


def scrape(i: int, *, at: datetime | None = None, jitter_ms: int = 0) -> Scrape:
    """Return the i-th scrape, whose values follow from i; summaries have no traffic in every seventh."""
    moment = (START + i * STEP if at is None else at) + timedelta(milliseconds=jitter_ms)
    draw = np.random.default_rng(i)
    values = [value(one, i, draw) for one in SERIES]
    stamp = round(moment.timestamp() * 1000)
    return Scrape(Page(HEADINGS, SERIES, values, [stamp] * len(values)), moment, 0.01)


def value(series: Series, i: int, draw: np.random.Generator) -> float:
    """Return what a series says in the i-th scrape."""
    if "quantile" in series.labels:
        return float("nan") if i % 7 == 0 else float(draw.lognormal(-4, 1))
    if series.labels.get("le") == "5.0":
        return float(i)
    if series.name.endswith(("_total", "_sum", "_count", "_bucket")):
        return float(2 * i)
    return [0.0, -0.5, 1 / 270, 1e300, float("inf")][i % 5]


def text_scrape(text: str, at: datetime = START) -> Scrape:
    """Return a scrape of a page as text."""
    return parse_exposition(text, scraped_at=at)


def filled(history: MetricsHistory, which: Iterable[int]) -> None:
    """Record scrapes."""
    for i in which:
        history.record(scrape(i))
