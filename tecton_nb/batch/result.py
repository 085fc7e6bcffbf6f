"""What a batch brought: frames aligned on the caller's index, and one typed error per failed row."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..exceptions import InputError, did_you_mean, listed, quoted
from ..reprs import Card, HasCard
from .batch_card import batch_card
from .origin import Found, Origin
from .recording import Recording, record
from .report import BatchReport

_PARTS = ("statuses", "effective_times", "slo_info")


class FeatureBatch(HasCard):
    """Feature vectors of many rows; made by ``FeatureService.get_features_batch``.

    Every frame has one row per requested row, in the caller's order and with the caller's index.
    A row that failed is missing in all of them, has the status ``FAILED`` and stands in `errors`; so does a
    row that was not asked for because the run ended before, with the status ``NOT_FETCHED``.
    `calls` is the exception: one row per HTTP call.

    Attributes
    ----------
    origin
        Service, workspace, address and options.
    report
        What the run did: rows, calls, retries by cause, waits, concurrency over time, rows per second.
    """

    def __init__(self, origin: Origin, found: Found, report: BatchReport) -> None:
        self.origin = origin
        self.report = report
        self._found = found

    @property
    def service(self) -> str:
        """Name (or id) of the feature service."""
        return self.origin.service

    @property
    def index(self) -> pd.Index:
        """Index of the caller's rows."""
        return self._found.index

    @classmethod
    def load(cls, path: str | Path) -> FeatureBatch:
        """Return a batch that `save` or ``get_features_batch(..., to=path)`` wrote; frames are read when asked for.

        Raises
        ------
        InputError
            If there is no such recording, or it cannot be read.
        """
        recording = Recording(Path(path))
        return cls(recording.origin, recording, recording.report)

    def save(self, path: str | Path) -> Path:
        """Write every frame as parquet and a manifest into a folder, and return its path.

        The manifest tells service, options, times and versions; the API key is nowhere.
        ``pandas.read_parquet(path)`` reads the values, `load` everything.

        Raises
        ------
        InputError
            If something else than a recording is there, or the index cannot be written as parquet.
        OSError
            If the folder cannot be written.
        """
        return record(path, self.origin, self._found, self.report)

    @staticmethod
    def last() -> FeatureBatch:
        """Return the last batch of this process: after an interrupt, every row that was finished.

        Raises
        ------
        InputError
            If there is none. A batch that ended by itself is kept only as long as something else holds it.
        """
        found = _LAST.get()
        if found is None:
            raise InputError("There is no last batch: none was run, or the last one ended by itself and was dropped.")
        return found

    def __len__(self) -> int:
        return self.report.rows

    def to_pandas(self, include: Sequence[str] = ()) -> pd.DataFrame:
        """Return the values: one column per feature, dtypes from the metadata.

        Parameters
        ----------
        include
            Any of ``statuses``, ``effective_times`` (one more column per feature, named
            ``<feature>.status`` and ``<feature>.effective_time``) and ``slo_info``.

        Raises
        ------
        InputError
            If `include` names anything else, or a column would have the name of a feature.
        """
        wanted = [include] if isinstance(include, str) else list(dict.fromkeys(include))
        parts = [self._found.features(), *(self._part(name) for name in wanted)]
        names = [name for part in parts for name in part.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"Cannot include {listed(wanted)}: there is a feature {quoted(twice)} already.")
        return pd.concat(parts, axis=1) if wanted else parts[0]

    def statuses(self) -> pd.DataFrame:
        """Return the serving status of each value as ``string``: ``PRESENT``, ``MISSING_DATA``, ..., or ``FAILED``."""
        return self._found.statuses()

    def effective_times(self) -> pd.DataFrame:
        """Return the effective time of each value as ``datetime64[ns, UTC]``; NaT where it has none."""
        return self._found.effective_times()

    def slo_info(self) -> pd.DataFrame:
        """Return serving times and eligibility, one row per row; see ``columns.SLO_INFO``."""
        return self._found.slo_info()

    def calls(self) -> pd.DataFrame:
        """Return one row per HTTP call in the order they ended; see ``columns.CALLS``."""
        return self._found.calls()

    def errors(self) -> pd.DataFrame:
        """Return one row per failed row under the caller's index; see ``columns.ERRORS``."""
        return self._found.errors()

    def raise_first(self) -> None:
        """Raise the error of the first failed row, if there is one."""
        error = self._found.first_error()
        if error is not None:
            raise error

    def __repr__(self) -> str:
        failed = f", {self.report.failed:,} failed" if self.report.failed else ""
        return f"<FeatureBatch {quoted(self.service)}: {self.report.rows:,} rows{failed}>"

    def _part(self, name: str) -> pd.DataFrame:
        if name not in _PARTS:
            raise InputError(f"Cannot include {quoted(name)}. Known: {listed(_PARTS)}.{did_you_mean(name, _PARTS)}")
        frame: pd.DataFrame = getattr(self, name)()
        suffix = {"statuses": ".status", "effective_times": ".effective_time"}.get(name, "")
        return frame.add_suffix(suffix) if suffix else frame

    def _card(self) -> Card:
        return batch_card(self.origin, self._found, self.report)


class _Last:
    """The last batch: held if it would be lost otherwise, else only remembered."""

    def __init__(self) -> None:
        self._held: FeatureBatch | None = None
        self._remembered: weakref.ref[FeatureBatch] | None = None

    def get(self) -> FeatureBatch | None:
        return self._held or (self._remembered() if self._remembered else None)

    def set(self, batch: FeatureBatch, *, is_held: bool) -> None:
        self._held = batch if is_held else None
        self._remembered = weakref.ref(batch)


_LAST = _Last()


def frames_of(batch: FeatureBatch) -> Found:
    """Return what hands out the frames of a batch."""
    return batch._found


def remember(batch: FeatureBatch, *, is_lost_otherwise: bool) -> None:
    """Make it the one that ``FeatureBatch.last`` returns."""
    _LAST.set(batch, is_held=is_lost_otherwise)
