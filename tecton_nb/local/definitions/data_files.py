"""CSV and parquet files as frames whose columns have the types that a view declares; nothing is rounded or guessed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ...exceptions import SettingsError, did_you_mean, full_stop, listed, quoted, shown
from ...wire.types import BOOLEAN, FLOAT32, FLOAT64, INT64, STRING, TIMESTAMP, DataType
from .views import AggregatedView, StoredView

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


class FileSource:
    """The first data of a view, in a file.

    Parameters
    ----------
    view
        The view it is for.
    path
        A CSV or parquet file.
    name
        What to call it.
    """

    def __init__(self, view: StoredView, path: Path, name: str) -> None:
        self._view = view
        self._path = path
        self._name = name

    def describe(self) -> str:
        """Return the name and a digest of the file."""
        return f"the file {self._name}, digest {file_digest(self._path).hex()[:16]}"

    def load(self) -> pd.DataFrame:
        """Return the columns that the view needs."""
        return read_data(self._path, column_types(self._view))


def column_types(view: StoredView) -> dict[str, DataType]:
    """Return the columns that the data of a view must have, with their types."""
    values: dict[str, DataType]
    if isinstance(view, AggregatedView):
        values = {aggregation.column: FLOAT64 for aggregation in view.aggregations}
    else:
        values = {feature.name: feature.data_type for feature in view.features}
    return {**values, view.timestamp: TIMESTAMP, **{key.name: key.data_type for key in view.join_keys}}


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file.

    Raises
    ------
    SettingsError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").digest()
    except OSError as error:
        raise SettingsError(f"Cannot read {quoted(path, 200)}: {full_stop(str(error.strerror))}") from None


def read_data(path: Path, types: Mapping[str, DataType]) -> pd.DataFrame:
    """Return the columns of a file as the types say.

    Parameters
    ----------
    path
        A file that ends in one of `SUFFIXES`. In CSV an empty cell is missing, ``NaN`` is a number,
        and arrays, structs and maps are JSON.
    types
        Type by column.

    Raises
    ------
    SettingsError
        If the file cannot be read, lacks a column or holds a cell that does not fit.
    """
    suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise SettingsError(f"Cannot read {quoted(path, 200)}: the name must end in one of {listed(SUFFIXES)}.")
    try:
        return _parquet(path, types) if suffix == ".parquet" else _csv(path, types)
    except OSError as error:
        reason = error.strerror or shown(error, 200)
    except (pa.ArrowException, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = shown(error, 200)
    raise SettingsError(f"Cannot read {quoted(path, 200)}: {full_stop(reason)}")


def _csv(path: Path, types: Mapping[str, DataType]) -> pd.DataFrame:
    # Cells as text: pandas' own guesses would turn '007' into 7 and a long int64 beside a gap into a float.
    texts = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False, encoding="utf-8")
    _check_columns(path, types, texts.columns)
    return pd.DataFrame({name: _cells(texts[name].tolist(), kind, path, name) for name, kind in types.items()})


def _cells(texts: list[str], kind: DataType, path: Path, column: str) -> pd.Series:
    if kind == TIMESTAMP:
        return _times(texts, path, column)
    read = _READERS.get(kind, orjson.loads)
    values: list[Any] = []
    for row, text in enumerate(texts, 1):
        try:
            values.append(read(text) if text else None)
        except (KeyError, ValueError):
            raise _bad_cell(text, kind, path, column, row) from None
    return _series(values, kind)


def _times(texts: list[str], path: Path, column: str) -> pd.Series:
    cells = pd.Series(texts, dtype=object).replace("", None)
    times: pd.Series = pd.to_datetime(cells, utc=True, format="ISO8601", errors="coerce")
    bad = np.flatnonzero(times.isna() & cells.notna())
    if len(bad):
        raise _bad_cell(texts[bad[0]], TIMESTAMP, path, column, int(bad[0]) + 1)
    return times


def _bad_cell(text: str, kind: DataType, path: Path, column: str, row: int) -> SettingsError:
    return SettingsError(
        f"Cannot read {quoted(text)} as {kind} in {quoted(path, 200)}, column {quoted(column)}, row {row}."
    )


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text) is None or not -(2**63) <= int(text) < 2**63:
        raise ValueError(text)
    return int(text)


def _real(text: str) -> float:
    if "_" in text:
        raise ValueError(text)
    return float(text)


_READERS: Mapping[DataType, Callable[[str], Any]] = {
    STRING: str,
    INT64: _whole,
    FLOAT64: _real,
    FLOAT32: _real,
    BOOLEAN: lambda text: _BOOLEANS[text.lower()],
}


def _parquet(path: Path, types: Mapping[str, DataType]) -> pd.DataFrame:
    with pq.ParquetFile(path) as file:
        _check_columns(path, types, file.schema_arrow.names)
        table = file.read(columns=list(types))
    return pd.DataFrame({name: _column(table[name], kind) for name, kind in types.items()})


def _column(values: pa.ChunkedArray, kind: DataType) -> pd.Series:
    """Return an Arrow column without the detour over float64 that pandas takes for whole numbers with gaps."""
    if kind == TIMESTAMP and pa.types.is_timestamp(values.type):
        times = pd.Series(values.to_pandas())
        return times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    if kind in (FLOAT64, FLOAT32) and pa.types.is_floating(values.type):
        numbers = values.cast(pa.float64()).combine_chunks()
        gaps = numbers.is_null().to_numpy(zero_copy_only=False)
        return pd.Series(pd.arrays.FloatingArray(numbers.fill_null(0.0).to_numpy(zero_copy_only=False), gaps))
    return _series(values.to_pylist(), kind)


def _series(values: list[Any], kind: DataType) -> pd.Series:
    if kind in (FLOAT64, FLOAT32) and all(value is None or isinstance(value, float) for value in values):
        gaps = np.array([value is None for value in values], dtype=bool)
        numbers = np.array([0.0 if value is None else value for value in values], dtype=np.float64)
        return pd.Series(pd.arrays.FloatingArray(numbers, gaps))
    if kind == STRING and all(value is None or isinstance(value, str) for value in values):
        return pd.Series(pd.array(values, dtype="string"))
    return pd.Series(values, dtype=object)


def _check_columns(path: Path, names: Iterable[str], found: Iterable[str]) -> None:
    known = list(found)
    for name in names:
        if name not in known:
            raise SettingsError(
                f"The file {quoted(path, 200)} lacks the column {quoted(name)}. "
                f"Columns found: {listed(known)}.{did_you_mean(name, known)}"
            )
