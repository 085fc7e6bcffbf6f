"""One reading of the metrics page as a tidy frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import orjson
import pandas as pd

from .. import columns
from ..wire.exposition import Family, Sample
from ..wire.timestamps import from_datetime


@dataclass(frozen=True)
class Scrape:
    """What the metrics page said at one moment.

    Parameters
    ----------
    metric_families
        In the order of the page.
    scraped_at
        When it was read; the time of every sample that states none.
    """

    metric_families: tuple[Family, ...]
    scraped_at: datetime

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per sample in the order of the page; see ``columns.METRIC_SAMPLES``."""
        pairs = [(family, sample) for family in self.metric_families for sample in family.samples]
        stamps = [sample.timestamp_ms for _, sample in pairs]
        now = from_datetime(self.scraped_at)
        frame = pd.DataFrame(
            {
                "timestamp": _moments([now if ms is None else ms * 1_000_000 for ms in stamps]),
                "metric": [family.name for family, _ in pairs],
                "kind": [family.kind for family, _ in pairs],
                "sample": [_part(family, sample) for family, sample in pairs],
                "quantile": [_number(sample, "quantile") for _, sample in pairs],
                "le": [_number(sample, "le") for _, sample in pairs],
                "value": _values(sample for _, sample in pairs),
                "labels": [_other_labels(sample) for _, sample in pairs],
            }
        )
        return frame.astype({name: t for name, t in columns.by_name(columns.METRIC_SAMPLES).items() if name != "value"})

    def families(self) -> pd.DataFrame:
        """Return one row per metric: name, kind, help text and number of samples."""
        rows = [(f.name, f.kind, f.help, len(f.samples)) for f in self.metric_families]
        frame = pd.DataFrame(rows, columns=["metric", "kind", "help", "samples"])
        return frame.astype({"metric": "string", "kind": "string", "help": "string", "samples": "Int64"})

    def __repr__(self) -> str:
        samples = sum(len(family.samples) for family in self.metric_families)
        return f"<Scrape of {len(self.metric_families)} metrics, {samples} samples>"


def _moments(nanoseconds: Iterable[int]) -> pd.DatetimeIndex:
    # Outside the years 1678 to 2261 there is no such moment: NaT, which is the least number.
    held = [n if abs(n) < 2**63 else -(2**63) for n in nanoseconds]
    return pd.DatetimeIndex(pd.Series(held, dtype="int64").to_numpy().view("datetime64[ns]"), tz="UTC")


def _part(family: Family, sample: Sample) -> str:
    suffix = sample.name.removeprefix(family.name).removeprefix("_")
    return suffix if suffix in {"sum", "count", "bucket"} else "value"


def _number(sample: Sample, label: str) -> float | None:
    try:
        return float(sample.labels[label])
    except (KeyError, ValueError):
        return None


def _values(samples: Iterable[Sample]) -> pd.Series:
    numbers = [sample.value for sample in samples]
    mask = pd.Series(False, index=range(len(numbers)), dtype=bool)
    return pd.Series(pd.arrays.FloatingArray(pd.Series(numbers, dtype="float64").to_numpy(), mask.to_numpy()))


def _other_labels(sample: Sample) -> str:
    others = {
        name: value
        for name, value in sample.labels.items()
        if name not in {"quantile", "le"} or _number(sample, name) is None
    }
    return orjson.dumps(others, option=orjson.OPT_SORT_KEYS).decode()
