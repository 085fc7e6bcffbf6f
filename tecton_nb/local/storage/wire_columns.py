"""Columns of a frame as the store keeps them: wire values, event times, packed keys."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from ...exceptions import SettingsError, did_you_mean, listed, quoted
from ...wire.types import FLOAT64, STRING, DataType, JsonValue
from ...wire.values import encode_value
from ..definitions.views import Field, StoredView


def require_columns(frame: pd.DataFrame, names: Iterable[str], view: str) -> None:
    """Check that the frame has the columns a view needs.

    Raises
    ------
    SettingsError
        Naming the first one that is missing.
    """
    for name in names:
        if name not in frame.columns:
            raise SettingsError(
                f"The data of view {quoted(view)} lacks the column {quoted(name)}. "
                f"Columns found: {listed(frame.columns)}.{did_you_mean(name, frame.columns)}"
            )


def wire_column(values: pd.Series, data_type: DataType, *, where: str) -> list[JsonValue]:
    """Return the JSON values of a column, null where pandas says missing.

    NaN is a value only in a ``Float64`` or ``Float32`` column, where pandas tells it from missing.
    """
    if data_type == STRING and isinstance(values.dtype, pd.StringDtype):
        return cast("list[JsonValue]", values.astype(object).where(values.notna(), None).tolist())
    if data_type == FLOAT64 and isinstance(values.dtype, np.dtype) and values.dtype.kind == "f":
        return [None if math.isnan(number) else wire_number(number) for number in values.tolist()]
    missing = values.isna().tolist()
    return [
        None if gone else short_numbers(encode_value(value, data_type, where=where))
        for value, gone in zip(values.tolist(), missing, strict=True)
    ]


def wire_value(value: object, data_type: DataType, *, where: str) -> JsonValue:
    """Return the JSON value as the feature server writes it: as `encode_value`, whole floats without ``.0``."""
    return short_numbers(encode_value(value, data_type, where=where))


def wire_number(number: float) -> JsonValue:
    """Return a float as the feature server writes it: ``216409`` for 216409.0, words for NaN and infinities."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    # Above 2**53 the digits would promise more than a float holds; -0 would lose its sign.
    if number.is_integer() and abs(number) <= 2**53 and math.copysign(1.0, number) + abs(number) != -1.0:
        return int(number)
    return number


def short_numbers(value: JsonValue) -> JsonValue:
    """Return the JSON value with every float inside it written as by `wire_number`."""
    if type(value) is float:
        return wire_number(value)
    if type(value) is list:
        return [short_numbers(item) for item in value]
    if type(value) is dict:
        return {name: short_numbers(item) for name, item in value.items()}
    return value


def event_times(frame: pd.DataFrame, view: StoredView) -> npt.NDArray[np.int64]:
    """Return the event times in nanoseconds since the epoch; times without an offset are UTC.

    Raises
    ------
    SettingsError
        If one is missing or no time.
    """
    column = frame[view.timestamp]
    try:
        found = pd.to_datetime(column, utc=True, format="ISO8601" if column.dtype.kind in "OT" else None)
        times = found.dt.as_unit("ns")
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"The column {quoted(view.timestamp)} of view {quoted(view.name)} holds what is no time: {error}."
        ) from error
    if times.isna().any():
        raise SettingsError(f"The column {quoted(view.timestamp)} of view {quoted(view.name)} has missing times.")
    return times.to_numpy(dtype="datetime64[ns]").astype(np.int64)


def packed_key(values: Sequence[JsonValue]) -> bytes:
    """Return the wire values of the join keys as one sortable piece of bytes."""
    return orjson.dumps(values)


def key_prefix(values: Sequence[JsonValue]) -> bytes:
    """Return what the packed keys begin with whose first values are these."""
    return orjson.dumps(values)[:-1] + (b"," if values else b"")


def unpacked_key(key: bytes) -> list[JsonValue]:
    """Return the wire values that `packed_key` packed."""
    return cast("list[JsonValue]", orjson.loads(key))


def key_codes(
    frame: pd.DataFrame, keys: Sequence[Field], *, view: str
) -> tuple[npt.NDArray[np.int64], Mapping[int, bytes]]:
    """Return the number of each row's key, and the packed key of each number."""
    names = [key.name for key in keys]
    try:
        codes = frame.groupby(names, sort=False, dropna=False).ngroup().to_numpy().astype(np.int64)
    except TypeError:
        # A list among the keys: the codec names the value that does not fit.
        for key in keys:
            wire_column(frame[key.name], key.data_type, where=f"{key.name!r} of view {view!r}")
        raise
    first = np.unique(codes, return_index=True)[1]
    heads = frame.iloc[first]
    columns = [wire_column(heads[key.name], key.data_type, where=f"{key.name!r} of view {view!r}") for key in keys]
    return codes, {code: packed_key(list(values)) for code, values in enumerate(zip(*columns, strict=True))}
