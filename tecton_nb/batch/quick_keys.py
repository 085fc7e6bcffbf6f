"""Whole columns of keys to JSON values, for the few dtypes whose values need no look one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..wire.types import BOOLEAN, FLOAT64, INT64, STRING, DataType, JsonValue


def quick_column(values: Sequence[Any] | pd.Series[Any], data_type: DataType) -> list[JsonValue] | None:
    """Return the JSON values that `wire.values.encode_value` would make, or `None` where it must be asked.

    Parameters
    ----------
    values
        A column of keys; only those of a frame can be quick.
    data_type
        What the service takes.
    """
    if not isinstance(values, pd.Series):
        return None
    dtype = values.dtype
    if data_type == INT64 and dtype in _WHOLE_NUMBERS:
        return list(map(str, values.tolist()))
    if data_type == BOOLEAN and dtype == np.dtype(bool):
        return values.tolist()
    if data_type == FLOAT64 and dtype == np.dtype(float) and np.isfinite(values.to_numpy()).all():
        return values.tolist()
    if data_type == STRING and (dtype == np.dtype(object) or isinstance(dtype, pd.StringDtype)):
        return _texts(values.tolist())
    return None


# uint64 may hold more than an int64 does.
_WHOLE_NUMBERS = tuple(np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"))


def _texts(values: list[Any]) -> list[JsonValue] | None:
    if not all(type(value) is str for value in values):
        return None
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair: the row it stands in is told apart value by value.
        return None
    return values
