"""One reading of the metrics page as a tidy frame."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from .. import columns
from ..reprs import Card, HasCard, human_seconds
from ..reprs.sections import schema_section
from ..wire.exposition import read_page
from ..wire.metrics_page import Heading, Page, Series
from ..wire.timestamps import from_datetime
from .described import Described, described, described_heading, stage_status
from .identity import cell_columns, cells_of, moments, number_column, text_column
from .services import services_in
from .tables import families_frame

_LIMIT = 2**63 - 1


def parse_exposition(
    text: str | bytes, content_type: str | None = None, *, scraped_at: datetime | None = None
) -> Scrape:
    """Return what a metrics page says.

    Parameters
    ----------
    text
        The page, in Prometheus text or OpenMetrics.
    content_type
        Value of the Content-Type header. ``application/openmetrics-text`` is read by the strict rules of
        OpenMetrics, ``text/plain`` as Prometheus text; without one of these the page itself decides.
    scraped_at
        When the page was read, the time of every sample that states none. `None` is now.

    Raises
    ------
    ScrapeFormatError
        If the text is no metrics page, such as HTML, JSON or an empty text, or is cut off (its last line
        needs a line feed at its end); `where` is the line.
    """
    return Scrape(read_page(text, content_type), scraped_at or datetime.now(UTC))


@dataclass(frozen=True)
class Scrape(HasCard):
    """What the metrics page said at one moment; from ``client.get_metrics()`` or ``metrics.parse_exposition``.

    Parameters
    ----------
    page
        What stands on it.
    scraped_at
        When it was asked for; the time of every sample that states none.
    duration_seconds
        How long that took, if it was measured.
    """

    page: Page
    scraped_at: datetime
    duration_seconds: float | None = None

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per sample in the order of the page; see ``columns.METRIC_SAMPLES``."""
        found = dict(_series_columns(tuple(self.page.series), self.page.headings))
        found["timestamp"] = moments(self.timestamps_ms())
        found["value"] = number_column(np.array(self.page.values, dtype=float))
        sources = ["scrape" if stamp is None else "exposed" for stamp in self.page.timestamps_ms]
        found["timestamp_source"] = text_column(sources)
        return pd.DataFrame({column.name: found[column.name] for column in columns.METRIC_SAMPLES})

    def families(self) -> pd.DataFrame:
        """Return one row per metric, see ``columns.METRIC_FAMILIES``: kind, unit, release stage, help text.

        Where the page says nothing of a metric that Tecton's documents list, the documents do.
        """
        return families_frame(self.described_families(), "samples")

    def discover_services(self) -> pd.DataFrame:
        """Return one row per feature service that a label names, sorted by name; see ``columns.METRIC_SERVICES``.

        Services without traffic are among them. The labels tell no workspace: one name with two ids is two
        services, of two workspaces.
        """
        found = services_in(self.page)
        return pd.DataFrame(
            {
                "name": text_column([name for name, _ in found]),
                "id": text_column([service_id for _, service_id in found]),
                "requests_per_second": number_column(list(found.values())),
            }
        )

    def timestamps_ms(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the time of every sample in milliseconds since the epoch."""
        now = from_datetime(self.scraped_at) // 1_000_000
        stamps = self.page.timestamps_ms
        return np.fromiter((now if s is None else max(-_LIMIT, min(s, _LIMIT)) for s in stamps), np.int64, len(stamps))

    @cached_property
    def owners(self) -> dict[str, Described]:
        """By the name of a line the metric it belongs to."""
        return described(self.page.headings, self.page.names())

    def described_families(self) -> dict[Described, int]:
        """Return how many samples each metric has; a metric that is only declared has none."""
        counts = Counter(dict.fromkeys(map(described_heading, self.page.headings), 0))
        for name, count in Counter(series.name for series in self.page.series).items():
            counts[self.owners[name]] += count
        return dict(counts)

    def __repr__(self) -> str:
        return f"<Scrape of {len(self.described_families())} metrics, {len(self.page.values)} samples>"

    def _card(self) -> Card:
        found = self.described_families()
        took = () if self.duration_seconds is None else (("took", human_seconds(self.duration_seconds)),)
        stages = Counter(one.stage or "without stage" for one in found)
        facts = (
            ("scraped", self.scraped_at.replace(microsecond=0)),
            *took,
            ("samples", f"{len(self.page.values):,}"),
            ("feature services", f"{len(services_in(self.page)):,}"),
            ("stages", ", ".join(f"{count} {stage}" for stage, count in stages.items())),
        )
        rows = [
            (one.heading.name, one.heading.kind, one.heading.unit or "—", stage_status(one.stage), count)
            for one, count in found.items()
        ]
        section = schema_section("Metrics", ("metric", "kind", "unit", "stage", "samples"), rows)
        return Card("Scrape", f"{len(found):,} metrics", facts, (section,))


@lru_cache(maxsize=4)
def _series_columns(series: tuple[Series, ...], headings: tuple[Heading, ...]) -> dict[str, Any]:
    """Return the columns that do not change from one scrape of the same series to the next."""
    owners = described(headings, dict.fromkeys(one.name for one in series))
    of_name: dict[str, dict[str, str | None]] = {
        "metric": {name: owner.heading.name for name, owner in owners.items()},
        "kind": {name: owner.heading.kind for name, owner in owners.items()},
        "stage": {name: owner.stage for name, owner in owners.items()},
        "sample": {name: owner.heading.parts().get(name, "value") for name, owner in owners.items()},
    }
    found = cell_columns([cells_of(one) for one in series])
    names = [one.name for one in series]
    return found | {column: text_column([told[name] for name in names]) for column, told in of_name.items()}
