"""The 2 x 2 experiment on the serving cache: reading it or not, writing it or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import pandas as pd

from .. import columns
from ..batch.plan import Rows
from ..client.service import FeatureService
from ..compare import CompareOptions, Comparison, check_options, compare_sides, side_of
from ..exceptions import quoted
from ..reprs import Card, HasCard, Kind, Section, Status, human_percent, human_seconds
from ..reprs.human import is_missing
from .noise import noise_of
from .options import ignored
from .sides import Asked, Fetched, abba, check_columns, check_labels, feature_names, fetch_by_turns

# Read, write. What does not write comes first: it sees the cache as it was found.
_WITHOUT_WRITING, _WRITING = ((True, False), (False, False)), ((True, True), (False, True))
_COMBINATIONS = (*_WITHOUT_WRITING, *_WRITING)
PAST_THE_CACHE, NOT_READ = (False, False), (False, True)


@dataclass(frozen=True)
class CacheExperiment(HasCard):
    """The same rows with each combination of the two cache options.

    Attributes
    ----------
    service
        Name of the service.
    comparisons
        What each combination answered against what is behind the cache (fetched neither read nor written), by (read,
        write); the cached side is the left. Without the features that are noise.
    noise
        Features that differ between the two combinations that do not read the cache, and not in clearly fewer cells
        than with it: clocks, random numbers, values that change meanwhile. The cache has no part in them.
    fetched
        The answers, by (read, write).
    """

    service: str
    comparisons: Mapping[tuple[bool, bool], Comparison]
    fetched: Mapping[tuple[bool, bool], Fetched]
    noise: tuple[str, ...] = ()

    def summary(self) -> pd.DataFrame:
        """Return one row per combination; see ``columns.CACHE_EXPERIMENT``."""
        rows = [self._row(combination) for combination in _COMBINATIONS]
        return pd.DataFrame(rows).astype(columns.by_name(columns.CACHE_EXPERIMENT))

    def _row(self, combination: tuple[bool, bool]) -> dict[str, Any]:
        fetched, comparison = self.fetched[combination], self.comparisons[combination]
        calls = fetched.calls()
        values = (
            *combination,
            len(fetched.values),
            len(fetched.errors()),
            cached_ratio(fetched.statuses()),
            comparison.match_ratio,
            comparison.mismatch_count,
            calls["client_time_seconds"].median(),
            calls["server_time_seconds"].median(),
        )
        return dict(zip(columns.by_name(columns.CACHE_EXPERIMENT), values, strict=True))

    def __repr__(self) -> str:
        return f"<CacheExperiment {quoted(self.service)}>"

    def _card(self) -> Card:
        rows = tuple(_words(row) for row in self.summary().to_dict("records"))
        head = ("cache", "and", "from the cache", "equal the store", "mismatches", "median time")
        facts = (("noise", ", ".join(self.noise)),) if self.noise else ()
        return Card("CacheExperiment", self.service, facts, (Section("Combinations", head, rows),))


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
        If a key is missing, a column is unknown, a label of the rows stands twice, or an option is none.
    """
    options["ignore"] = ignored(options)  # looked at more than once
    check_columns([Asked(service)], rows)
    check_labels(rows)
    check_options(feature_names(Asked(service)), **options)
    fetched = _fetch(service, rows, _WITHOUT_WRITING) | _fetch(service, rows, _WRITING)
    behind = fetched[PAST_THE_CACHE]
    comparisons = _compared(fetched, options)
    again = comparisons[NOT_READ]
    noisy = set.intersection(*(set(noise_of([again], comparisons[c])) for c in _COMBINATIONS if c[0]))
    if noisy:
        comparisons = _compared(fetched, {**options, "ignore": {*ignored(options), *noisy}})
    return CacheExperiment(service.name, comparisons, fetched, tuple(n for n in behind.values.columns if n in noisy))


def _compared(
    fetched: Mapping[tuple[bool, bool], Fetched], options: CompareOptions
) -> dict[tuple[bool, bool], Comparison]:
    sides = {combination: side_of(answer, "cached") for combination, answer in fetched.items()}
    return {combination: compare_sides(side, sides[PAST_THE_CACHE], **options) for combination, side in sides.items()}


def _words(row: Mapping[Any, Any]) -> tuple[object, ...]:
    return (
        "read" if row["read_from_cache"] else "not read",
        "written" if row["write_to_cache"] else "not written",
        human_percent(row["cached_ratio"]),
        _equal(row["match_ratio"]),
        row["mismatches"],
        human_seconds(row["median_client_time_seconds"]),
    )


def _equal(ratio: float | None) -> Status | None:
    if is_missing(ratio) or ratio is None:
        return None
    return Status(human_percent(ratio), Kind.GOOD if ratio == 1 else Kind.BAD)


def _fetch(
    service: FeatureService, rows: Rows, combinations: Sequence[tuple[bool, bool]]
) -> dict[tuple[bool, bool], Fetched]:
    sides = [Asked(service, {"read_from_cache": read, "write_to_cache": written}) for read, written in combinations]
    return dict(zip(combinations, fetch_by_turns(sides, rows, abba), strict=True))


def cached_ratio(statuses: pd.DataFrame) -> float | None:
    """Return the share of the values with a status that came from the cache; `None` if no status is known."""
    known = statuses.stack()
    return float(known.str.startswith(columns.CACHED_PREFIX).mean()) if len(known) else None
