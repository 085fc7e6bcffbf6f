"""The work behind a press on Fetch, off the kernel's main thread: what came, what changed, one row per feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..batch.job import BatchJob
from ..client.service import FeatureService
from .answers import details_of
from .changes import Changes, Fetch, changes_since
from .selection import Selection


def fetch_row(
    job: BatchJob, service: FeatureService, selection: Selection, row: Mapping[str, Any], earlier: Fetch | None
) -> tuple[Fetch, Changes, pd.DataFrame]:
    """Return what a job of one row brought, how it differs from the fetch before, and its details.

    Raises
    ------
    TectonError
        If the row failed.
    """
    batch = job.result()
    batch.raise_first()
    asked = selection.metadata_options
    is_described = asked.include_feature_descriptions or asked.include_feature_tags
    details = details_of(batch, service, service.features() if is_described else None)
    now = Fetch(batch, row)
    return now, changes_since(earlier, now), details


def fetch_all_behind(
    service: FeatureService, row: Mapping[str, Any], options: Mapping[str, Any], earlier: Fetch | None
) -> tuple[Fetch, Changes]:
    """Return every vector behind the keys of a WILDCARD service, and how they differ from the fetch before."""
    now = Fetch.of_wildcard(service.query_features(row, **options), row, service)
    return now, changes_since(earlier, now)
