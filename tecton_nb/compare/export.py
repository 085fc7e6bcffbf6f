"""Frames as files for spreadsheets: foreign texts inert, numbers numbers."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..exceptions import InputError, SettingsError, quoted
from ..reprs.spreadsheet import csv_text, sheet_text

_SHEET_ROWS = 1_048_575
# A spreadsheet holds numbers as float64.
_EXACT = 2**53
_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def write_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a frame's columns; see ``Comparison.to_csv``."""
    named = _cells(frame, _csv_cell)
    # A lone surrogate cannot be encoded; it is written as its escape.
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow([csv_text(name) for name in named])
        writer.writerows(zip(*named.values(), strict=True))
    return Path(path)


def write_excel(sheets: Mapping[str, pd.DataFrame], path: str | os.PathLike[str]) -> Path:
    """Write the columns of each frame as a sheet; see ``Comparison.to_excel``."""
    for name, frame in sheets.items():
        if len(frame) > _SHEET_ROWS:
            raise InputError(
                f"Cannot write {quoted(path, 200)}: {len(frame):,} rows of {name} do not fit on a sheet of "
                f"{_SHEET_ROWS:,}. Use to_csv, or compare fewer rows."
            )
    try:
        writer = pd.ExcelWriter(Path(path), engine="openpyxl")
    except ImportError as error:
        raise SettingsError('Workbooks need openpyxl. Install it with: pip install "tecton-nb[excel]".') from error
    with writer:
        for name, frame in sheets.items():
            _sheet(frame).to_excel(writer, sheet_name=name, index=False)
            _make_texts(writer.sheets[name])
    return Path(path)


def _sheet(frame: pd.DataFrame) -> pd.DataFrame:
    named = _cells(frame, _sheet_cell)
    table = pd.DataFrame({place: pd.Series(cells, dtype=object) for place, cells in enumerate(named.values())})
    return table.set_axis(pd.Index([sheet_text(name) for name in named], dtype=object), axis=1)


def _make_texts(sheet: Any) -> None:
    # The writer takes a text that starts with "=" for a formula and "#N/A" for an error.
    for row in sheet.iter_rows():
        for cell in row:
            if isinstance(cell.value, str):
                cell.data_type = "s"
                cell.quotePrefix = True


def _cells(frame: pd.DataFrame, cell: Callable[[Any], Any]) -> dict[str, list[Any]]:
    return {str(name): [cell(value) for value in column] for name, column in frame.items()}


def _csv_cell(value: Any) -> Any:
    plain = _plain(value)
    return csv_text(plain) if isinstance(plain, str) else plain


def _sheet_cell(value: Any) -> Any:
    plain = _plain(value)
    if isinstance(plain, int) and not isinstance(plain, bool) and abs(plain) > _EXACT:
        return str(plain)
    return sheet_text(plain) if isinstance(plain, str) else plain


def _plain(value: Any) -> Any:
    """Return a number, a boolean, a text, or `None`; nested values as JSON, times as ISO 8601."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else _SPECIAL[str(float(value))]
    if isinstance(value, list | dict | tuple):
        return json.dumps(_with_text_keys(value), default=str, ensure_ascii=False)
    return value.isoformat() if isinstance(value, pd.Timestamp) else str(value)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value
