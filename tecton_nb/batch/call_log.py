"""One row of numbers per HTTP call, kept small: a run may make a million."""

from __future__ import annotations

from datetime import datetime
from struct import Struct
from typing import Any

import numpy as np
import pandas as pd

from .. import columns
from ..transport.messages import HttpAnswer, Timing, sent_at
from ..wire.slo import SLOInfo

_NAN = float("nan")
_NO_TIMES = (_NAN,) * 8
_ROW = Struct(f"{len(columns.CALLS)}d")


class CallLog:
    """The calls of a run in the order they ended, as ``columns.CALLS``."""

    def __init__(self) -> None:
        # Row after row, NaN for what is missing: every number here fits a float exactly.
        self._rows = bytearray()
        self._last_headers: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    def add(
        self, rows: int, attempt: int, wait_seconds: float, answer: HttpAnswer | None, slo_info: SLOInfo | None
    ) -> None:
        """Note a call: how many rows it asked for, the how manieth attempt it was, and what came."""
        if answer is None:
            self._rows += _ROW.pack(rows, attempt, _NAN, *_NO_TIMES, _NAN, _NAN, wait_seconds, _NAN)
            return
        self._last_headers = answer.headers
        server = (_NAN, _NAN)
        if slo_info is not None:
            server = (_number(slo_info.server_time_seconds), _number(slo_info.store_max_latency))
        times = _times(answer.timing)
        self._rows += _ROW.pack(rows, attempt, answer.status, *times, *server, wait_seconds, len(answer.body))

    @property
    def answered_at(self) -> datetime | None:
        """When the server sent the last answer, by its own clock; `None` if there is none or it does not say."""
        return sent_at(self._last_headers)

    def copied(self) -> CallLog:
        """Return it as it is now."""
        twin = CallLog()
        twin._rows, twin._last_headers = self._rows[:], self._last_headers
        return twin

    def frame(self) -> pd.DataFrame:
        """Return the calls; a later `add` does not change the frame."""
        numbers = np.frombuffer(bytes(self._rows), dtype=np.float64).reshape(-1, len(columns.CALLS))
        values: dict[str, Any] = {name: numbers[:, k] for k, name in enumerate(_NAMES)}
        return pd.DataFrame({name: _column(values[name], dtype) for name, dtype in _DTYPES.items()}, copy=False)


_DTYPES = columns.by_name(columns.CALLS)
# In the order in which `add` writes them.
_NAMES = (
    "rows",
    "attempts",
    "status",
    "started_at",
    "client_time_seconds",
    "name_lookup_seconds",
    "connect_seconds",
    "tls_seconds",
    "first_byte_seconds",
    "transfer_seconds",
    "is_new_connection",
    "server_time_seconds",
    "store_max_latency_seconds",
    "wait_seconds",
    "response_bytes",
)


def _times(timing: Timing) -> tuple[float, ...]:
    phases = timing.name_lookup_seconds + timing.connect_seconds + timing.tls_seconds + timing.first_byte_seconds
    return (
        # In microseconds, which a float holds exactly.
        timing.started_at_ns // 1_000,
        timing.total_seconds,
        timing.name_lookup_seconds,
        timing.connect_seconds,
        timing.tls_seconds,
        timing.first_byte_seconds,
        max(0.0, timing.total_seconds - phases),
        timing.is_new_connection,
    )


def _number(value: float | None) -> float:
    return _NAN if value is None else value


def _column(numbers: np.ndarray[Any, np.dtype[np.float64]], dtype: str) -> Any:
    mask = np.isnan(numbers)
    if dtype == "Float64":
        return pd.arrays.FloatingArray(numbers.copy(), mask)
    whole = np.where(mask, 0, numbers).astype(np.int64)
    if dtype == "boolean":
        return pd.arrays.BooleanArray(whole.astype(bool), mask)
    if dtype == "Int64":
        return pd.arrays.IntegerArray(whole, mask)
    moments = np.where(mask, np.iinfo(np.int64).min, whole * 1_000).view("datetime64[ns]")
    return pd.DatetimeIndex(moments, tz="UTC").array
