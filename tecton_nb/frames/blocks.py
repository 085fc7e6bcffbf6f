"""Rows of Python values kept as typed Arrow columns: appended in any order, shown in another."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ..wire.responses import NameAndType
from .dtypes import arrow_column_type, pandas_of

Schema: TypeAlias = tuple[NameAndType, ...]
# Distinct rows that `KnownBlocks` recognises at most.
_MOST_KNOWN = 2048
# Number of no row.
NONE = -1
Positions: TypeAlias = npt.NDArray[np.integer[Any]]
Numbers: TypeAlias = npt.NDArray[np.int32]


class Blocks:
    """Rows in the order in which they came, block by block.

    Parameters
    ----------
    schema
        Names and data types of the columns.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._chunks: list[list[pa.Array]] = [[] for _ in schema]
        self._count = 0

    def extend(self, columns: Iterable[pa.Array], count: int) -> Numbers:
        """Take `count` rows as columns, and return the numbers of the rows."""
        for chunks, column in zip(self._chunks, columns, strict=True):
            chunks.append(column)
        self._count += count
        return np.arange(self._count - count, self._count, dtype=np.int32)

    def copied(self) -> Blocks:
        """Return them as they are now."""
        twin = copy.copy(self)
        twin._chunks = [list(chunks) for chunks in self._chunks]
        return twin

    def frame(self, numbers: Numbers, index: pd.Index) -> pd.DataFrame:
        """Return the rows with these numbers as a frame; one is missing where its number is `NONE`."""
        pairs = zip(self._schema, self._chunks, strict=True)
        shown = pa.array(numbers, mask=numbers == NONE)
        arrays = {item.name: pandas_of(_joined(chunks, item).take(shown), item.data_type) for item, chunks in pairs}
        return pd.DataFrame(arrays, index=index, copy=False)


class KnownBlocks:
    """Rows that come again and again, kept once; `convert` makes columns of what came."""

    def __init__(self, schema: Schema, convert: Callable[[Sequence[Any]], pa.Array]) -> None:
        self._convert = convert
        self._blocks = Blocks(schema)
        self._known: dict[tuple[Any, ...], int] = {}

    def numbers(self, rows: Sequence[tuple[Any, ...]]) -> Numbers:
        """Return the numbers of the rows; those that are new are taken."""
        if len(self._known) > _MOST_KNOWN:
            self._known = {}
        if new := [row for row in dict.fromkeys(rows) if row not in self._known]:
            taken = self._blocks.extend(map(self._convert, zip(*new, strict=True)), len(new))
            self._known.update(zip(new, taken.tolist(), strict=True))
        return np.array([self._known[row] for row in rows], dtype=np.int32)

    def copied(self) -> KnownBlocks:
        """Return them as they are now."""
        twin = copy.copy(self)
        twin._blocks, twin._known = self._blocks.copied(), dict(self._known)
        return twin

    def frame(self, numbers: Numbers, index: pd.Index) -> pd.DataFrame:
        """Return the rows with these numbers as a frame; see `Blocks.frame`."""
        return self._blocks.frame(numbers, index)


class Places:
    """Which numbered row each row of a table shows; nothing is kept until one is set."""

    def __init__(self, row_count: int) -> None:
        self._row_count = row_count
        self._numbers: Numbers | None = None

    def set(self, positions: Positions, numbers: Numbers | int) -> None:
        """Show the numbered rows at the positions."""
        if self._numbers is None:
            self._numbers = np.full(self._row_count, NONE, np.int32)
        self._numbers[positions] = numbers

    def copied(self) -> Places:
        """Return them as they are now."""
        twin = copy.copy(self)
        twin._numbers = None if self._numbers is None else self._numbers.copy()
        return twin

    def shown(self, rows: Positions | None, otherwise: int = NONE) -> Numbers:
        """Return the numbers at some positions: `NONE` where none was set, `otherwise` where the position is -1."""
        numbers = np.full(self._row_count, NONE, np.int32) if self._numbers is None else self._numbers
        # The last one is what -1 picks.
        return numbers if rows is None else np.append(numbers, np.int32(otherwise))[rows]


def _joined(chunks: list[pa.Array], item: NameAndType) -> pa.Array:
    """Return the chunks as one, which takes their place."""
    if len(chunks) != 1:
        chunks[:] = [pa.concat_arrays(chunks) if chunks else pa.array([], type=arrow_column_type(item.data_type))]
    return chunks[0]
