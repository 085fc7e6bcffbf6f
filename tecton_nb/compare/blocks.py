"""Frames whose rows lie one after the other in memory, as ``pd.DataFrame(array)`` may leave them.

Each column of such a frame is spread over all of its memory, so going column by column reads everything once per
column: 8 times slower than row by row at 20 columns (measured). What may differ is found here in one pass.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .vectors import Rows

_CHUNK = 8_192


def suspects_by_feature(left: pd.DataFrame, right: pd.DataFrame) -> dict[str, Rows] | None:
    """Return the rows that may differ, by feature; `None` unless both frames are such, of one dtype and alike."""
    if not (left.columns.equals(right.columns) and _is_row_by_row(left) and _is_row_by_row(right)):
        return None
    one, other = left.to_numpy(), right.to_numpy()
    found = [_unequal(one[at : at + _CHUNK], other[at : at + _CHUNK], at) for at in range(0, len(one), _CHUNK)]
    rows = np.concatenate([part[0] for part in found])
    places = np.concatenate([part[1] for part in found])
    by_place = np.argsort(places, kind="stable")
    ends = np.cumsum(np.bincount(places, minlength=one.shape[1]))[:-1]
    split = np.split(rows[by_place], ends)
    return {str(name): part for name, part in zip(left.columns, split, strict=True)}


def _unequal(left: np.ndarray, right: np.ndarray, first: int) -> tuple[Rows, Rows]:
    unequal = left != right
    if left.dtype.kind == "f":
        # NaN equals NaN, and only NaN differs from itself.
        unequal &= ~((left != left) & (right != right))
    rows, places = np.nonzero(unequal)
    return rows + first, places


def _is_row_by_row(frame: pd.DataFrame) -> bool:
    dtypes = set(frame.dtypes)
    only = dtypes.pop() if len(dtypes) == 1 else None
    if not isinstance(only, np.dtype) or only.kind not in "iufb" or len(frame) < _CHUNK:
        return False
    return bool(frame.iloc[:, 0].to_numpy().strides[0] > only.itemsize)
