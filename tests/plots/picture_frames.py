"""Seeded frames for the pictures, as batches, histories and results give them; and each picture drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from tecton_nb import columns, plots

START = pd.Timestamp("2026-03-01T08:00:00Z")
NOW = pd.Timestamp("2026-03-01T12:00:00Z")
LATENCY = "feature_service_latency"
RATE = "feature_service_requests_rate"
BASELINE_DPI = 50


def calls(count: int = 2_000, *, minutes: float = 60, incident: bool = True) -> pd.DataFrame:
    """Return calls over an hour whose store is slow for ten minutes, when some fail."""
    random = np.random.default_rng(7)
    at = np.sort(random.uniform(0, minutes * 60, count))
    slow = (at > minutes * 24) & (at < minutes * 34) & incident
    store = random.lognormal(np.log(0.004), 0.4, count) * np.where(slow, 12, 1)
    server = store + random.lognormal(np.log(0.003), 0.3, count)
    client = server + random.lognormal(np.log(0.002), 0.5, count)
    status = np.where(slow & (random.random(count) < 0.15), 500, 200)
    times = {
        "client_time_seconds": client,
        "server_time_seconds": server,
        "store_max_latency_seconds": store,
    }
    frame = pd.DataFrame({name: pd.array(values, "Float64") for name, values in times.items()})
    return frame.assign(
        started_at=pd.Series(START + pd.to_timedelta(at, unit="s")).astype("datetime64[ns, UTC]"),
        status=pd.array(status, "Int64"),
    )


def samples(metric: str, values: Any, *, every: str = "30s", **labels: Any) -> pd.DataFrame:
    """Return the samples of one series, a value each `every`."""
    frame = pd.DataFrame(
        {
            "timestamp": pd.date_range(START, periods=len(values), freq=every),
            "metric": metric,
            "kind": "gauge",
            "sample": "value",
            "value": pd.array(np.asarray(values, float), "Float64"),
            "quantile": pd.array([None] * len(values), "Float64"),
            "labels": "{}",
            **labels,
        }
    )
    texts = ["metric", "kind", "sample", "labels", *(name for name in labels if name not in {"quantile", "kind"})]
    return frame.astype({**dict.fromkeys(texts, "string"), "quantile": "Float64", "timestamp": "datetime64[ns, UTC]"})


def ladder(service: str = "fraud", seed: int = 3, factor: float = 1.0, *, has_gap: bool = True) -> pd.DataFrame:
    """Return four quantiles over four hours with an incident, a gap and a time without traffic."""
    random = np.random.default_rng(seed)
    count = 480
    slow = np.where((np.arange(count) > 150) & (np.arange(count) < 210), 5.0, 1.0) * factor
    rungs = {0.5: 0.012, 0.9: 0.028, 0.95: 0.038, 0.99: 0.071}
    parts = []
    for rung, base in rungs.items():
        values = base * slow * random.lognormal(0, 0.06, count)
        values[330:370] = np.nan
        parts.append(samples(LATENCY, values, kind="summary", quantile=rung, feature_service_name=service))
    frame = pd.concat(parts, ignore_index=True)
    minutes = (frame["timestamp"] - START) / pd.Timedelta("1min")
    return frame[(minutes < 40) | (minutes > 58)].reset_index(drop=True) if has_gap else frame


def services(names: tuple[str, ...] = ("fraud", "ctr", "flight_delay", "origin_carriers")) -> pd.DataFrame:
    """Return the ladders of some services, each faster than the one before."""
    parts = [ladder(name, seed, 1 / (1 + seed), has_gap=seed == 0) for seed, name in enumerate(names)]
    return pd.concat(parts, ignore_index=True)


def rates(names: tuple[str, ...] = ("fraud", "ctr", "flight_delay")) -> pd.DataFrame:
    """Return request rates of some services with a gap."""
    random = np.random.default_rng(5)
    parts = []
    for place, name in enumerate(names):
        level = 8 / (place + 1)
        values = level * (1 + 0.3 * np.sin(np.arange(480) / 60 + place)) + random.normal(0, 0.05 * level, 480)
        parts.append(samples(RATE, values, feature_service_name=name))
    frame = pd.concat(parts, ignore_index=True)
    minutes = (frame["timestamp"] - START) / pd.Timedelta("1min")
    return frame[(minutes < 90) | (minutes > 110)].reset_index(drop=True)


def budget(width: float = 0.0) -> pd.DataFrame:
    """Return two days of an objective with two incidents, exact or as an interval."""
    random = np.random.default_rng(11)
    count = 576
    good = 1 - np.abs(random.normal(0.0004, 0.0004, count))
    good[200:212], good[420:440] = 0.93, 0.96
    attained = np.cumsum(good) / np.arange(1, count + 1)
    target = 0.995
    frame = pd.DataFrame(
        {
            "timestamp": pd.date_range(START, periods=count, freq="5min"),
            "slice_seconds": 300.0,
            "service": "fraud_detection_feature_service",
            "service_id": None,
            "objective": "99.5 % within 100 ms over 30d",
            "method": "occurrences",
            "source": "latency quantiles",
            "target_ratio": target,
            "good_min_ratio": good - width,
            "good_max_ratio": good,
            "attained_min_ratio": attained - width,
            "attained_max_ratio": attained,
            "left_min_ratio": 1 - (1 - attained + width) / (1 - target),
            "left_max_ratio": 1 - (1 - attained) / (1 - target),
        }
    )
    return frame.astype(columns.by_name(columns.SLO_BUDGET))


def effective_times() -> pd.DataFrame:
    """Return effective times of six views, one of which is computed on request."""
    random = np.random.default_rng(13)
    ages = {
        "merchant_profile": 86_400 * 3,
        "user_payments": 3_600,
        "clicks": 40,
        "plane_facts": 86_400 * 200,
        "ads": 700,
    }
    frame = {}
    for view, age in ages.items():
        for feature in ("a", "b"):
            seconds = age * random.lognormal(0, 0.5, 200)
            frame[f"{view}.{feature}"] = pd.Series(NOW - pd.to_timedelta(seconds, unit="s"))
    frame["check.is_unusual"] = pd.Series([pd.NaT] * 200, dtype="datetime64[ns, UTC]")
    return pd.DataFrame(frame)


def stream_ages(views: tuple[str, ...] = ("clicks", "payments")) -> pd.DataFrame:
    """Return ages of the events of two streams, one of which stands still for a while."""
    parts = []
    for place, view in enumerate(views):
        steady = 4.0 * (place + 1) * np.ones(240)
        if place == 0:
            steady[100:160] += np.arange(60) * 30
        for metric, factor in (("max", 3.0), ("average", 1.0)):
            name = f"spark_stream_{metric}_processed_event_age"
            parts.append(samples(name, steady * factor, feature_view_name=view, workspace="prod"))
    return pd.concat(parts, ignore_index=True)


def statuses(rows: int = 500) -> pd.DataFrame:
    """Return the statuses of seven features."""
    random = np.random.default_rng(17)
    kinds = ["PRESENT", "CACHED_PRESENT", "MISSING_DATA", "UNKNOWN_STATUS", "TIME_OUT", "FAILED"]
    shares = {
        "user_payments.count_7d": [0.95, 0, 0.03, 0, 0, 0.02],
        "user_payments.mean_7d": [0.95, 0, 0.03, 0, 0, 0.02],
        "merchant_profile.country": [0.2, 0.6, 0.15, 0, 0.03, 0.02],
        "merchant_profile.rating": [0.1, 0.3, 0.5, 0, 0.08, 0.02],
        "plane_facts.year_built": [0.7, 0, 0.28, 0, 0, 0.02],
        "clicks.count_1h": [0.6, 0, 0.05, 0.28, 0.05, 0.02],
        "check.is_unusual": [0.98, 0, 0, 0, 0, 0.02],
    }
    drawn = {name: random.choice(kinds, rows, p=share) for name, share in shares.items()}
    return pd.DataFrame(drawn).astype("string")


def pixels(ax: Axes) -> np.ndarray:
    """Return the figure in a small size without its words, which every version of the font renderer draws otherwise.

    Legends go, too, and the size is fixed: both follow from the width of words.
    """
    figure = ax.figure.figure
    for each in figure.findobj(Axes):
        if each.get_legend():
            each.get_legend().remove()
    for text in figure.findobj(Text):
        text.set_visible(False)
    figure.set_size_inches(7.0, 4.2)
    figure.set_dpi(BASELINE_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


Draw = Callable[..., Axes]

PICTURES: dict[str, Draw] = {
    "latency_ecdf": lambda **o: plots.plot_latency_ecdf(calls(), threshold_seconds=0.05, **o),
    "latency_percentiles": lambda **o: plots.plot_latency_percentiles(calls(), threshold_seconds=0.05, **o),
    "latency_over_time": lambda **o: plots.plot_latency_over_time(calls(), threshold_seconds=0.05, **o),
    "latency_breakdown": lambda **o: plots.plot_latency_breakdown(calls(), **o),
    "heatmap": lambda **o: plots.plot_heatmap(calls(), threshold_seconds=0.05, **o),
    "metric": lambda **o: plots.plot_metric(rates(), **o),
    "quantiles": lambda **o: plots.plot_quantiles(ladder(), threshold_seconds=0.1, **o),
    "services": lambda **o: plots.plot_services(services(), threshold_seconds=0.1, **o),
    "slo": lambda **o: plots.plot_slo(budget(0.0006), **o),
    "freshness": lambda **o: plots.plot_freshness(effective_times(), now=NOW, **o),
    "freshness_streams": lambda **o: plots.plot_freshness(stream_ages(), **o),
    "statuses": lambda **o: plots.plot_statuses(statuses(), **o),
}
