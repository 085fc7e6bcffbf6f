"""Valid input rows for a feature service, as a frame: recorded ones, or keys from the store."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pandas as pd

from ..wire.types import BOOLEAN, FLOAT32, FLOAT64, INT64, STRING, TIMESTAMP, DataType
from ..wire.values import decode_value
from .definitions.plan import ServicePlan
from .definitions.views import Field
from .storage.store import Store

_DTYPES: dict[DataType, str] = {
    STRING: "string",
    INT64: "Int64",
    FLOAT64: "Float64",
    FLOAT32: "Float32",
    BOOLEAN: "boolean",
    TIMESTAMP: "datetime64[ns, UTC]",
}
_MADE_UP: dict[DataType, Callable[[int], object]] = {
    STRING: lambda i: f"text {i}",
    INT64: lambda i: i,
    FLOAT64: float,
    FLOAT32: float,
    BOOLEAN: lambda i: i % 2 == 0,
    TIMESTAMP: lambda i: pd.Timestamp(i * 86_400, unit="s", tz="UTC"),
}


def example_rows(plan: ServicePlan, store: Store, recorded: pd.DataFrame | None, n: int) -> pd.DataFrame:
    """Return up to `n` rows of join keys and request context that the service can answer.

    Parameters
    ----------
    recorded
        Rows to take instead of making them up from the store's keys.

    Returns
    -------
    pd.DataFrame
        One column per join key and request context key with the nullable dtype of its data type.
    """
    fields = (*plan.input_keys, *plan.context)
    rows = _made_up(plan, store, n) if recorded is None else recorded[[field.name for field in fields]].head(n)
    columns = {field.name: _typed(rows[field.name], field) for field in fields}
    return pd.DataFrame(columns).reset_index(drop=True)


def _made_up(plan: ServicePlan, store: Store, n: int) -> pd.DataFrame:
    columns: dict[str, list[object]] = {}
    for read in sorted(plan.reads, key=lambda read: -len(read.keys)):
        known = list(islice(store.keys(read.view.name), n))
        for place, key in enumerate(read.view.join_keys):
            values = [decode_value(row[place], key.data_type, where=key.name) for row in known]
            columns.setdefault(key.name, list(values))
    names = [key.name for key in plan.input_keys]
    count = max((len(columns[name]) for name in names), default=n) if names else n
    rows = pd.DataFrame({name: _cycled(columns[name], count) for name in names}, index=range(count)).drop_duplicates()
    for field in plan.context:
        made_up = [_made_up_value(field, i) for i in range(1, len(rows) + 1)]
        rows[field.name] = pd.Series(made_up, index=rows.index, dtype=object)
    return rows.head(n)


def _cycled(values: list[object], count: int) -> list[object]:
    return [values[i % len(values)] for i in range(count)] if values else [None] * count


def _made_up_value(field: Field, i: int) -> object:
    make = _MADE_UP.get(field.data_type)
    return None if make is None else make(i)


def _typed(values: pd.Series, field: Field) -> pd.Series:
    dtype: Any = _DTYPES.get(field.data_type, "object")
    typed: pd.Series = values.astype(dtype)
    return typed
