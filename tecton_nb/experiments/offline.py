"""Online against offline: what was served beside the offline value at the effective time of the reply.

Tecton defines the effective time as the time at which an offline look-up gives the same value, so each value that was
served can be checked exactly: there, and not at the time of the request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, Unpack

import numpy as np
import pandas as pd

from .. import columns
from ..batch.result import FeatureBatch
from ..compare import CompareOptions, Comparison, FeatureTable, Side, check_options, compare_sides, side_of
from ..exceptions import InputError, did_you_mean, listed, quoted
from ..reprs import Card, HasCard, Kind, Section, Status
from .history import History
from .options import ignored, options_for

Keys: TypeAlias = "pd.DataFrame | str | Sequence[str]"

STALE, AHEAD, NULL_ONLINE, NULL_OFFLINE = "stale_online", "ahead_online", "null_online", "null_offline"
NO_ROW, NO_ANSWER, VALUE = "no_offline_row", "no_answer_online", "value"
_MEANINGS = {
    STALE: "the value served is the offline value of an earlier time: online data are late",
    AHEAD: "the value served is the offline value of a later time: the effective time is too old, or data leak",
    NULL_ONLINE: "nothing was served where offline has a value: ttl, or data that never reached the online store",
    NULL_OFFLINE: "a value was served where offline has none: a default, or data deleted offline",
    NO_ROW: "the offline frame has no row for these keys at the effective time",
    NO_ANSWER: "the row failed, timed out or was not fetched",
    VALUE: "two values, neither at any other time of the offline frame",
}


@dataclass(frozen=True)
class OfflineComparison(HasCard):
    """What was served against the offline values at the same effective times.

    Attributes
    ----------
    comparison
        Online (left) against offline (right). Where the offline frame has no row the right's status is NOT_FETCHED.
    without_time
        Features that have values but no effective time, such as realtime ones: nothing offline to compare them with.
    not_offline
        Features that the offline frame lacks.
    """

    comparison: Comparison
    without_time: tuple[str, ...]
    not_offline: tuple[str, ...]
    _skew: pd.DataFrame

    def skew(self) -> pd.DataFrame:
        """Return one row per cell that differs, under its key, with the kind of skew; see ``columns.SKEW``."""
        return self._skew.copy()

    def __repr__(self) -> str:
        return f"<OfflineComparison: {self.comparison.verdict.word}>"

    def _card(self) -> Card:
        card = self.comparison.card()
        counts = Counter(zip(self._skew["feature"], self._skew["skew"], strict=True))
        each = ((feature, skew, count) for (feature, skew), count in counts.items())
        rows = tuple((feature, Status(skew, Kind.BAD), count, _MEANINGS[skew]) for feature, skew, count in each)
        sections = [Section("Skew", ("feature", "skew", "cells", "meaning"), rows)] if rows else []
        left_out = (("without an effective time", self.without_time), ("not in the offline frame", self.not_offline))
        facts = (*card.facts, *((name, ", ".join(names)) for name, names in left_out if names))
        return Card("Online against offline", card.subtitle, facts, (*card.sections, *sections))


def offline_spine(batch: FeatureTable, *, keys: Keys, time: str) -> pd.DataFrame:
    """Return the keys and times at which the offline store must be asked: each pair once, sorted by time.

    Parameters
    ----------
    batch
        What was served.
    keys
        The join keys of its rows, under the same index; or the names of its index levels.
    time
        Name of the time column to make.
    """
    frame, times = _key_frame(batch, keys), batch.effective_times()
    parts = [frame.assign(**{time: times[name]}).dropna(subset=time) for name in times.columns]
    spine = pd.concat([frame.iloc[:0].assign(**{time: pd.Series([], dtype="datetime64[ns, UTC]")}), *parts])
    return spine.drop_duplicates().sort_values(time, kind="stable").reset_index(drop=True)


def compare_with_offline(
    batch: FeatureBatch | FeatureTable,
    offline: pd.DataFrame,
    *,
    keys: Keys,
    time: str,
    **options: Unpack[CompareOptions],
) -> OfflineComparison:
    """Return how what was served compares with the offline values at the effective time of each.

    Parameters
    ----------
    batch
        What was served, by ``FeatureService.get_features_batch(rows, rows_per_call=1)``: rows of one call share
        their effective times.
    offline
        One row per key and time, with features under the same names: what the offline store gives for
        `offline_spine`. Rows of other times do not hurt; they tell whether a value that differs is an older or a
        newer one.
    keys
        The join keys of the batch's rows: a frame with the same index whose columns the offline frame has too, or
        the names of the batch's index levels.
    time
        Name of the time column of `offline`. Times without a zone are UTC.
    **options
        ``rtol``, ``atol``, ``per_feature`` and ``ignore`` of ``compare_features``.

    Returns
    -------
    OfflineComparison
        In a numpy column of floats NaN stands for null, as pandas has no other way there; whole numbers that became
        floats that way are whole again.

    Raises
    ------
    InputError
        If the batch has no rows, a key, the time or every feature is missing, keys are of two kinds, such as text
        and whole numbers, an option names what neither side has, a key and time stand twice in `offline`, or the
        batch has no effective times of its rows.
    """
    options["ignore"] = ignored(options)  # looked at more than once
    _refuse_shared_times(batch)
    side, frame = side_of(batch, "online"), _key_frame(batch, keys)
    if not len(side.values):
        raise InputError("The batch has no rows: there is nothing to compare with offline values.")
    every = [*side.values.columns, *(name for name in offline.columns if name not in (*frame.columns, time))]
    check_options(dict.fromkeys(every), **options)
    times = batch.effective_times()
    # Without a value and without a time it was never served: offline may have it.
    with_time = [n for n in side.values.columns if times[n].notna().any() or side.values[n].isna().all()]
    compared = [name for name in with_time if name in offline.columns]
    if not compared:
        raise InputError(_nothing_to_compare(list(side.values.columns), with_time, offline))
    history = History.of(offline, list(frame.columns), time, {name: side.values[name].dtype for name in compared})
    online = Side(*(part[compared] for part in (side.values, batch.statuses(), times)))
    comparison = compare_sides(
        online, history.side_at(frame, online, _served_until(batch)), **options_for(options, compared), segments=frame
    )
    return OfflineComparison(
        comparison,
        tuple(name for name in side.values.columns if name not in with_time),
        tuple(name for name in with_time if name not in compared),
        _skew(comparison, history, frame, options.get("rtol", 0.0)),
    )


def _key_frame(batch: FeatureTable, keys: Keys) -> pd.DataFrame:
    index = batch.to_pandas().index
    if isinstance(keys, pd.DataFrame):
        if not (index.is_unique and len(keys) == len(index) and keys.index.equals(index)):
            raise InputError("The keys must have one row per row of the batch, under the same index, each label once.")
        return keys
    names = [keys] if isinstance(keys, str) else list(keys)
    for name in names:
        if name not in index.names:
            raise InputError(
                f"The batch's index has no level {quoted(name)}: it has {listed(index.names)}. Pass the keys as a "
                "frame with the batch's index, such as rows[['user_id']], or fetch rows that are indexed by them."
            )
    return pd.DataFrame({name: index.get_level_values(name) for name in names}).set_axis(index, axis=0)


def _refuse_shared_times(batch: FeatureTable) -> None:
    if isinstance(batch, FeatureBatch) and (batch.calls()["rows"] > 1).any():
        raise InputError(
            "The batch was fetched several rows to a call, and on the wire the rows of a call share their effective "
            "times, so its values cannot be placed in time. Fetch it with get_features_batch(rows, rows_per_call=1)."
        )


def _served_until(batch: FeatureTable) -> pd.Timestamp:
    """Return the time up to which offline rows were there to be served; NaT if nothing tells."""
    times = batch.calls()[["started_at"]] if isinstance(batch, FeatureBatch) else batch.effective_times()
    return pd.Timestamp(times.max().max())


def _nothing_to_compare(features: list[str], with_time: list[str], offline: pd.DataFrame) -> str:
    if not with_time:
        return (
            f"None of the features {listed(features)} has an effective time. Fetch them with "
            "MetadataOptions(include_effective_times=True); realtime features have none."
        )
    return (
        f"The offline frame has none of the features {listed(with_time)}. Columns found: {listed(offline.columns)}."
        f"{did_you_mean(with_time[0], offline.columns)}"
    )


def _skew(comparison: Comparison, history: History, keys: pd.DataFrame, rtol: float) -> pd.DataFrame:
    found = comparison.mismatches()
    at = keys.index.get_indexer(found.index)
    # Column by column: a row of a frame would turn whole numbers into floats.
    key_values = zip(*(keys[name].iloc[at] for name in keys.columns), strict=True)
    rows = [_skew_row(c, history, key, rtol) for c, key in zip(found.to_dict("records"), key_values, strict=True)]
    names = columns.by_name(columns.SKEW)
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in names})
    typed = frame.astype({name: dtype for name, dtype in names.items() if dtype != "object"})
    return typed.set_axis(found.index, axis=0)


def _skew_row(cell: dict[Any, Any], history: History, key: tuple[Any, ...], rtol: float) -> dict[str, Any]:
    at = cell["left_effective_time"]
    value = cell["left"]
    same = pd.NaT if value is None else history.nearest_same(cell["feature"], key, value, at, rtol)
    lag = np.nan if pd.isna(same) or pd.isna(at) else (at - same).total_seconds()
    return {
        "feature": cell["feature"],
        "skew": _kind(cell, lag),
        "online": cell["left"],
        "offline": cell["right"],
        "effective_time": at,
        "same_value_time": same,
        "lag_seconds": None if np.isnan(lag) else lag,
    }


def _kind(cell: dict[Any, Any], lag: float) -> str:
    if cell["left_status"] in columns.NO_ANSWER_STATUSES:
        return NO_ANSWER
    if cell["right_status"] == columns.NOT_FETCHED:
        return NO_ROW
    if cell["left"] is None:
        return NULL_ONLINE
    if not np.isnan(lag):
        return STALE if lag > 0 else AHEAD
    return NULL_OFFLINE if cell["right"] is None else VALUE
