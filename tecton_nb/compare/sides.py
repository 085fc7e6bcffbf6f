"""What can stand on either side of a comparison, and its frames."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..exceptions import InputError, quoted


@runtime_checkable
class FeatureTable(Protocol):
    """Values with what was said about them, such as a `FeatureBatch`.

    Each frame has one row per row asked for, all with the same index, and one column per feature.
    """

    def to_pandas(self) -> pd.DataFrame:
        """Return the values."""

    def statuses(self) -> pd.DataFrame:
        """Return the serving status of each value as text; missing where none is known."""

    def effective_times(self) -> pd.DataFrame:
        """Return the effective time of each value; NaT where there is none."""


_MANIFEST = "_manifest.json"

Source: TypeAlias = "FeatureTable | pd.DataFrame | str | os.PathLike[str]"


@dataclass(frozen=True, slots=True)
class Side:
    """The frames of one side; `statuses` and `effective_times` are `None` where nothing is known of them."""

    values: pd.DataFrame
    statuses: pd.DataFrame | None = None
    effective_times: pd.DataFrame | None = None


def side_of(source: Source, where: str) -> Side:
    """Return the frames of a batch, a frame, or a parquet file.

    Raises
    ------
    InputError
        If it is none of them, the path is a recorded batch's folder, the file is no parquet, or two columns have one
        name. `where` names the side.
    OSError
        If the file cannot be read.
    """
    side = _read(source, where)
    names = [str(name) for name in side.values.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"The {where} side has two columns {quoted(twice)}. Rename one of them.")
    return side


def _read(source: Source, where: str) -> Side:
    if isinstance(source, pd.DataFrame):
        return Side(source)
    if isinstance(source, str | os.PathLike):
        return Side(_read_parquet(Path(source), where))
    if isinstance(source, FeatureTable):
        return Side(source.to_pandas(), source.statuses(), source.effective_times())
    raise InputError(
        f"Cannot compare the {where} side: {quoted(source)} ({type(source).__name__}) is no FeatureBatch, "
        "no DataFrame and no path of a parquet file."
    )


def _read_parquet(path: Path, where: str) -> pd.DataFrame:
    if (path / _MANIFEST).exists():
        # Its values alone would do without their statuses, and take a row that failed for null.
        raise InputError(
            f"Cannot compare the {where} side: {quoted(path, 200)} is the folder of a recorded batch. "
            f"Pass FeatureBatch.load({quoted(path, 200)}), which has its statuses and effective times too."
        )
    # Arrow-backed columns keep null apart from NaN and int64 exact, whoever wrote the file.
    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas(types_mapper=pd.ArrowDtype)
    except pa.ArrowInvalid as error:
        raise InputError(f"Cannot read the {where} side: {quoted(path, 200)} is no parquet file ({error}).") from error
    return frame
