"""The 2 x 2 experiment on the serving cache: reading it or not, writing it or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import pandas as pd

from .. import columns
from ..batch.plan import Rows
from ..client.service import FeatureService
from ..compare import CompareOptions, Comparison, compare_features
from ..reprs import Card, Section, human_percent, human_seconds, mimebundle
from .sides import Asked, Fetched, abba, check_columns, fetch_by_turns

# Read, write. What does not write comes first: it sees the cache as it was found.
_WITHOUT_WRITING, _WRITING = ((True, False), (False, False)), ((True, True), (False, True))
_COMBINATIONS = (*_WITHOUT_WRITING, *_WRITING)
PAST_THE_CACHE = (False, False)


@dataclass(frozen=True)
class CacheExperiment:
    """The same rows with each combination of the two cache options.

    Attributes
    ----------
    service
        Name of the service.
    comparisons
        What each combination answered against what is behind the cache, by (read, write); the cached side is the
        left.
    fetched
        The answers, by (read, write).
    """

    service: str
    comparisons: Mapping[tuple[bool, bool], Comparison]
    fetched: Mapping[tuple[bool, bool], Fetched]

    def summary(self) -> pd.DataFrame:
        """Return one row per combination; see ``columns.CACHE_EXPERIMENT``."""
        rows = [self._row(combination) for combination in _COMBINATIONS]
        return pd.DataFrame(rows).astype(columns.by_name(columns.CACHE_EXPERIMENT))

    def _row(self, combination: tuple[bool, bool]) -> dict[str, Any]:
        fetched, comparison = self.fetched[combination], self.comparisons.get(combination)
        calls, cells = fetched.calls(), fetched.values.size
        mismatches = comparison.mismatch_count if comparison else 0
        values = (
            *combination,
            len(fetched.values),
            len(fetched.errors()),
            cached_ratio(fetched.statuses()),
            1 - mismatches / cells if cells else None,
            mismatches,
            calls["client_time_seconds"].median(),
            calls["server_time_seconds"].median(),
        )
        return dict(zip(columns.by_name(columns.CACHE_EXPERIMENT), values, strict=True))

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        rows = tuple(_words(row) for row in self.summary().to_dict("records"))
        head = ("cache", "and", "from the cache", "equal the store", "mismatches", "median time")
        return mimebundle(Card("CacheExperiment", self.service, (), (Section("Combinations", head, rows),)))


def compare_caching(service: FeatureService, rows: Rows, **options: Unpack[CompareOptions]) -> CacheExperiment:
    """Return what the serving cache changes: the same rows with it read or not, written or not.

    First all rows without writing, the cache read and not read by turns (blocks of 8 rows, A B B A): this shows the
    cache as it was found beside what is behind it. Then the two combinations that write, by turns as well; they
    leave the cache fresh.

    Parameters
    ----------
    service
        The service in hand.
    rows
        As for ``FeatureService.get_features_batch``.
    **options
        ``rtol``, ``atol``, ``per_feature`` and ``ignore`` of ``compare_features``.

    Raises
    ------
    InputError
        If a key is missing or a column is unknown.
    """
    check_columns([Asked(service)], rows)
    fetched = _fetch(service, rows, _WITHOUT_WRITING) | _fetch(service, rows, _WRITING)
    behind = fetched[PAST_THE_CACHE]
    others = {combination: answer for combination, answer in fetched.items() if combination != PAST_THE_CACHE}
    comparisons = {combination: compare_features(answer, behind, **options) for combination, answer in others.items()}
    return CacheExperiment(service.name, comparisons, fetched)


def _words(row: Mapping[Any, Any]) -> tuple[object, ...]:
    return (
        "read" if row["read_from_cache"] else "not read",
        "written" if row["write_to_cache"] else "not written",
        human_percent(row["cached_ratio"]),
        human_percent(row["match_ratio"]),
        row["mismatches"],
        human_seconds(row["median_client_time_seconds"]),
    )


def _fetch(
    service: FeatureService, rows: Rows, combinations: Sequence[tuple[bool, bool]]
) -> dict[tuple[bool, bool], Fetched]:
    sides = [Asked(service, {"read_from_cache": read, "write_to_cache": written}) for read, written in combinations]
    return dict(zip(combinations, fetch_by_turns(sides, rows, abba), strict=True))


def cached_ratio(statuses: pd.DataFrame) -> float | None:
    """Return the share of the values with a status that came from the cache; `None` if no status is known."""
    known = statuses.stack()
    return float(known.str.startswith(columns.CACHED_PREFIX).mean()) if len(known) else None
