"""Columns of the frames that come in, and frames that go out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ... import columns
from ...exceptions import InputError, missing_column

Floats = npt.NDArray[np.float64]


def column(frame: pd.DataFrame, name: str, what: str) -> pd.Series:
    """Return a column; `what` names the frame in the sentence for one that lacks it."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Cannot read {what} from {type(frame).__name__}; pass a frame.")
    if name not in frame.columns:
        raise missing_column(what, name, frame.columns)
    return frame[name]


def numbers(frame: pd.DataFrame, name: str, what: str) -> Floats:
    """Return a column as float64, NaN where it is missing."""
    found: Floats = column(frame, name, what).to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def made(values: Mapping[str, Any], described: tuple[columns.Column, ...]) -> pd.DataFrame:
    """Return a frame of the described columns in their order; NaN becomes missing."""
    dtypes = columns.by_name(described)
    return pd.DataFrame({name: values[name] for name in dtypes}).astype(dtypes)
