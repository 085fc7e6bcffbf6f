"""Typed frames to parquet and back, nested columns included.

pandas writes Arrow-backed lists, structs and maps but cannot read its own description of them again
(``data type 'list<item: double>[pyarrow]' not understood``, pandas 3.1.1). Files written here are read
by plain ``pd.read_parquet`` (nested columns as objects) and exactly by `read_parquet`.
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..exceptions import InputError, quoted
from .dtypes import STRING_DTYPE


def full_path(path: str | os.PathLike[str]) -> Path:
    """Return where a path on this computer points to, ``~`` included.

    Raises
    ------
    InputError
        If it names the home of somebody who is not known here.
    """
    # pathlib leaves "~" as it is and Arrow does not; Arrow takes "a:b" for an address as long as it is relative.
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise InputError(f"Cannot use the path {quoted(path)}: its home folder is not known. Write it out.") from None


def refuse_index(index: pd.Index) -> None:
    """Raise an error if parquet cannot hold these labels.

    Raises
    ------
    InputError
        If it cannot; the sentence says why.
    """
    try:
        first = pa.Table.from_pandas(pd.DataFrame(index=index)).slice(0, 1)
        pq.write_table(first, pa.BufferOutputStream())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise InputError(f"Cannot write the index of the rows as parquet: {error}. Use labels of one type.") from None


def write_parquet(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a frame with its index and dtypes, in place of a file that may be there; return its full path.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = full_path(path)
    table = pa.Table.from_pandas(frame)
    described = dict(table.schema.metadata or {})
    described[b"pandas"] = _readable(described[b"pandas"])
    pq.write_table(table.replace_schema_metadata(described), path, use_compliant_nested_type=False)
    return path


def read_parquet(path: str | Path) -> pd.DataFrame:
    """Return a frame written by `write_parquet`, equal in values, index and dtypes.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    """
    table = pq.read_table(full_path(path))
    frame: pd.DataFrame = table.to_pandas()
    for name, dtype in frame.dtypes.items():
        column = table.column(str(name)).combine_chunks()
        if pa.types.is_nested(column.type):
            frame[name] = pd.Series(pd.arrays.ArrowExtensionArray(column), index=frame.index)
        elif isinstance(dtype, pd.Float64Dtype | pd.Float32Dtype):
            frame[name] = pd.Series(_floats(column), index=frame.index)
        elif dtype == "string" and dtype != STRING_DTYPE:
            # pandas 2 takes its own description "string" for strings kept as Python objects.
            frame[name] = frame[name].astype(STRING_DTYPE)
    return frame


def _floats(column: pa.Array) -> pd.arrays.FloatingArray:
    # pandas 3 reads NaN from Arrow as missing; values and mask keep them apart.
    mask = column.is_null().to_numpy(zero_copy_only=False)
    return pd.arrays.FloatingArray(column.fill_null(0).to_numpy(zero_copy_only=False).copy(), mask)


def _readable(described: bytes) -> bytes:
    message = orjson.loads(described)
    for column in message["columns"]:
        if column["numpy_type"].endswith("[pyarrow]"):
            column["numpy_type"] = "object"
    return orjson.dumps(message)
