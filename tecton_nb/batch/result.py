"""What a batch brought: frames aligned on the caller's index, and one typed error per failed row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from .. import columns
from ..exceptions import InputError, TectonError, TectonHttpException, did_you_mean, listed, quoted
from ..frames.assemble import FeatureColumns, frame_of
from ..reprs import Card, Section, mimebundle
from ..transport.messages import Timing
from ..wire.slo import SLOInfo
from ..wire.timestamps import from_datetime

_PARTS = ("statuses", "effective_times", "slo_info")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One HTTP call: how many rows it asked for, what came back and how long it took."""

    row_count: int
    status: int | None
    timing: Timing | None = None
    response_bytes: int | None = None
    slo_info: SLOInfo | None = None


class FeatureBatch:
    """Feature vectors of many rows; made by ``FeatureService.get_features_batch``.

    Every frame has one row per requested row, in the caller's order and with the caller's index.
    A row that failed is missing in all of them, has the status ``FAILED`` and stands in `errors`.
    `calls` is the exception: one row per HTTP call.

    Attributes
    ----------
    service
        Name (or id) of the feature service.
    index
        Index of the caller's rows.
    """

    def __init__(
        self,
        service: str,
        index: pd.Index,
        table: FeatureColumns,
        errors: Mapping[int, TectonError],
        records: Sequence[CallRecord],
    ) -> None:
        self.service = service
        self.index = index
        self._table = table
        self._errors = dict(sorted(errors.items()))
        self._records = tuple(records)

    def __len__(self) -> int:
        return len(self.index)

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
        parts = [self._table.features(self.index), *(self._part(name) for name in wanted)]
        names = [name for part in parts for name in part.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"Cannot include {listed(wanted)}: there is a feature {quoted(twice)} already.")
        return pd.concat(parts, axis=1) if wanted else parts[0]

    def statuses(self) -> pd.DataFrame:
        """Return the serving status of each value as ``string``: ``PRESENT``, ``MISSING_DATA``, ..., or ``FAILED``."""
        return self._table.statuses(self.index)

    def effective_times(self) -> pd.DataFrame:
        """Return the effective time of each value as ``datetime64[ns, UTC]``; NaT where it has none."""
        return self._table.effective_times(self.index)

    def slo_info(self) -> pd.DataFrame:
        """Return serving times and eligibility, one row per row; see ``columns.SLO_INFO``."""
        return self._table.slo_info(self.index)

    def calls(self) -> pd.DataFrame:
        """Return one row per HTTP call in the order they ended; see ``columns.CALLS``."""
        return frame_of({column.name: [] for column in columns.CALLS} | _call_values(self._records), columns.CALLS)

    def errors(self) -> pd.DataFrame:
        """Return one row per failed row under the caller's index; see ``columns.ERRORS``."""
        found = list(self._errors.values())
        values: dict[str, list[object]] = {
            "exception": [type(error).__name__ for error in found],
            "status": [error.status_code if isinstance(error, TectonHttpException) else None for error in found],
            "message": [str(error) for error in found],
        }
        return frame_of(values, columns.ERRORS, self.index[list(self._errors)])

    def raise_first(self) -> None:
        """Raise the error of the first failed row, if there is one."""
        for error in self._errors.values():
            raise error

    def __repr__(self) -> str:
        return mimebundle(self._card())["text/plain"]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        return mimebundle(self._card())

    def _part(self, name: str) -> pd.DataFrame:
        if name not in _PARTS:
            raise InputError(f"Cannot include {quoted(name)}. Known: {listed(_PARTS)}.{did_you_mean(name, _PARTS)}")
        frame: pd.DataFrame = getattr(self, name)()
        suffix = {"statuses": ".status", "effective_times": ".effective_time"}.get(name, "")
        return frame.add_suffix(suffix) if suffix else frame

    def _card(self) -> Card:
        labels = self.index[list(self._errors)].tolist()
        failed = tuple((str(x), type(e).__name__, str(e)) for x, e in zip(labels, self._errors.values(), strict=True))
        facts = (
            ("rows", f"{len(self):,}"),
            ("failed", f"{len(failed):,}"),
            ("features", f"{len(self._table.schema):,}"),
            ("HTTP calls", f"{len(self._records):,}"),
        )
        sections = [Section("Failed rows", ("row", "exception", "message"), failed)] if failed else []
        features = tuple((item.name, str(item.data_type)) for item in self._table.schema)
        sections.append(Section("Features", ("name", "data type"), features, is_open=False))
        return Card("FeatureBatch", self.service, facts, tuple(sections))


def _call_values(records: Sequence[CallRecord]) -> dict[str, list[object]]:
    timings = [record.timing for record in records]
    infos = [record.slo_info or SLOInfo() for record in records]
    return {
        "rows": [record.row_count for record in records],
        "status": [record.status for record in records],
        "started_at": [t and from_datetime(t.started_at) for t in timings],
        "client_time_seconds": [t and t.total_seconds for t in timings],
        "name_lookup_seconds": [t and t.name_lookup_seconds for t in timings],
        "connect_seconds": [t and t.connect_seconds for t in timings],
        "tls_seconds": [t and t.tls_seconds for t in timings],
        "first_byte_seconds": [t and t.first_byte_seconds for t in timings],
        "transfer_seconds": [t and _transfer_seconds(t) for t in timings],
        "server_time_seconds": [info.server_time_seconds for info in infos],
        "store_max_latency_seconds": [info.store_max_latency for info in infos],
        "response_bytes": [record.response_bytes for record in records],
        "is_new_connection": [t and t.is_new_connection for t in timings],
    }


def _transfer_seconds(timing: Timing) -> float:
    phases = timing.name_lookup_seconds + timing.connect_seconds + timing.tls_seconds + timing.first_byte_seconds
    return max(0.0, timing.total_seconds - phases)
