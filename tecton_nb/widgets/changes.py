"""What changed since the previous fetch of the same service, found by the package's comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .. import columns
from ..batch.result import FeatureBatch
from ..client.service import FeatureService
from ..compare.compared import compare_features
from ..compare.comparison import Comparison
from ..exceptions import listed
from ..reprs.card import ROW_LIMIT
from .pieces import table_html, words_html


@dataclass(frozen=True)
class Fetch:
    """What came back, kept until the next fetch is compared with it.

    Parameters
    ----------
    found
        A batch, or the frame of a WILDCARD service.
    row
        The row that was asked for; `None` for a batch of many.
    on
        Columns that tell the rows of a frame apart.
    """

    found: FeatureBatch | pd.DataFrame
    row: Mapping[str, Any] | None = None
    on: tuple[str, ...] = ()

    @classmethod
    def of_wildcard(cls, frame: pd.DataFrame, row: Mapping[str, Any], service: FeatureService) -> Fetch:
        """Return a fetch of all rows behind some keys: the wildcard keys tell them apart."""
        names = [str(key["name"]) for key in service.metadata.output_join_keys or ()]
        return cls(frame, row, tuple(name for name in names if name not in row))

    @property
    def batch(self) -> FeatureBatch | None:
        """The batch, if it was one."""
        return self.found if isinstance(self.found, FeatureBatch) else None

    @property
    def frame(self) -> pd.DataFrame:
        """The values."""
        return self.found.to_pandas() if isinstance(self.found, FeatureBatch) else self.found

    def is_like(self, other: Fetch) -> bool:
        """Whether the two are of one kind: a row, a batch, or the rows behind some keys."""
        return type(self.found) is type(other.found) and (self.row is None) == (other.row is None)


@dataclass(frozen=True)
class Changes:
    """How a fetch differs from the one before.

    Parameters
    ----------
    comparison
        Before on the left, now on the right; `None` if there is nothing to compare with, or no way to.
    note
        What is to be known beside it, in a sentence.
    is_one_row
        Whether the fetch was of one row: then the cells are shown, else how many of each feature.
    """

    comparison: Comparison | None = None
    note: str = ""
    is_one_row: bool = False

    @property
    def html(self) -> str:
        """The changes as words and a table; empty if there is nothing to say."""
        if self.comparison is None:
            return words_html(self.note)
        said = " ".join(part for part in (_verdict(self.comparison), self.note) if part)
        if not self.comparison.mismatch_count:
            return words_html(said)
        return f"{words_html(said)}{self._table(self.comparison)}"

    def _table(self, comparison: Comparison) -> str:
        if self.is_one_row:
            return table_html("Changed since the previous fetch", _cells(comparison), total=comparison.mismatch_count)
        return table_html("Changed since the previous fetch", _by_feature(comparison))


def changes_since(earlier: Fetch | None, now: Fetch) -> Changes:
    """Return how a fetch differs from an earlier one of the same service."""
    if earlier is None or not earlier.is_like(now):
        return Changes()
    try:
        found = compare_features(earlier.found, now.found, on=list(now.on) or None, ignore=_given(now))
    except Exception as error:  # noqa: BLE001  # such as two rows of one label; what came is there all the same
        return Changes(None, f"Not compared with the previous fetch. {error}")
    return Changes(found, _other_keys(earlier, now), now.batch is not None and now.row is not None)


def _given(fetch: Fetch) -> list[str]:
    """Return the columns of a frame that repeat what was asked for."""
    return [] if isinstance(fetch.found, FeatureBatch) else [n for n in fetch.found.columns if n in (fetch.row or ())]


def _verdict(comparison: Comparison) -> str:
    rows, features = comparison.shape
    if comparison.equal:
        cells = "the value is" if rows * features == 1 else f"all {rows * features:,} values are"
        return f"Nothing has changed since the previous fetch: {cells} equal."
    unknown = comparison.total(columns.NO_ANSWER)
    silent = f" Nothing is known of {_count_of(unknown, 'value')}: no answer came." if unknown else ""
    if not comparison.mismatch_count:
        return f"No value is known to have changed since the previous fetch.{silent}"
    differing = len(comparison.differing)
    have = "has" if differing == 1 else "have"
    return f"{differing:,} of {_count_of(features, 'feature')} {have} changed since the previous fetch.{silent}"


def _count_of(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _other_keys(earlier: Fetch, now: Fetch) -> str:
    if earlier.row is None or now.row is None:
        return ""
    # By their text: NaN is NaN, and 1 is not True.
    names = [name for name, value in now.row.items() if repr(value) != repr(earlier.row.get(name))]
    return f"That one had other values of {listed(names)}." if names else ""


def _cells(comparison: Comparison) -> pd.DataFrame:
    """Return one row per feature that differs: its value before and now, and how they differ."""
    found = comparison.mismatches().head(ROW_LIMIT)
    what = map(_what, found["verdict"], found["left_status"], found["right_status"])
    rows = zip(found["feature"], found["left"], found["right"], what, strict=True)
    return pd.DataFrame(rows, columns=["feature", "before", "now", "what"], dtype=object)


def _what(verdict: str, before: Any, now: Any) -> str:
    words = _words(verdict)
    return f"{words}: {before}, now {now}" if verdict == columns.STATUS_DIFFERS else words


def _words(verdict: str) -> str:
    return {columns.ONLY_LEFT: "no longer there", columns.ONLY_RIGHT: "new"}.get(verdict, verdict.replace("_", " "))


def _by_feature(comparison: Comparison) -> pd.DataFrame:
    """Return one row per feature that differs: in how many rows, and how."""
    rows = []
    for name in comparison.differing:
        kinds = {kind: count for kind, count in comparison.counts[name].items() if count and kind in columns.MISMATCH}
        words = ", ".join(f"{count:,} {_words(kind)}" for kind, count in kinds.items())
        rows.append((name, sum(kinds.values()), words))
    return pd.DataFrame(rows, columns=["feature", "rows that differ", "what"], dtype=object)
