"""Frames of metrics as a history or a Prometheus gives them, made from numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

LABELS = ("feature_service_name", "feature_service_id", "workspace", "feature_view_name", "status")
START = pd.Timestamp("2026-03-01T00:00:00Z")


def samples(metric: str, values: Sequence[float], *, every: str = "30s", **more: object) -> pd.DataFrame:
    """Return one series: a value each `every`, the first one `every` after the start; labels and parts as given."""
    times = pd.date_range(START, periods=len(values) + 1, freq=every)[1:]
    part = {"kind": "gauge", "sample": "value", "quantile": None, "le": None, "labels": "{}"} | more
    frame = pd.DataFrame({"timestamp": times, "metric": metric, "value": list(values), **part})
    return tidy(frame)


def summary(
    metric: str, ladder: Mapping[float, Sequence[float]], counts: Sequence[float] | None = None, **more: object
) -> pd.DataFrame:
    """Return the quantiles of a summary over time, with its count where that is given."""
    rungs = [samples(metric, values, kind="summary", quantile=rung, **more) for rung, values in ladder.items()]
    count = [] if counts is None else [samples(metric, counts, kind="summary", sample="count", **more)]
    return pd.concat([*rungs, *count], ignore_index=True)


def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with every label's column and with the dtypes of a tidy frame."""
    texts = ["metric", "kind", "sample", "labels", *LABELS]
    filled = frame.reindex(columns=[*frame.columns, *(name for name in LABELS if name not in frame.columns)])
    numbers = dict.fromkeys(["value", "quantile", "le"], "Float64")
    return filled.astype({**dict.fromkeys(texts, "string"), **numbers, "timestamp": "datetime64[ns, UTC]"})
