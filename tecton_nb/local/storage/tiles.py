"""Aggregated views: events folded into tiles, tiles read back as windows.

A tile holds, for one key and one interval, what the functions need (count, sum, ...). Tiles are
packed in blocks of `BLOCK_TILES` intervals; a window reads the few blocks it touches, so its cost
does not grow with the history and a late event changes one block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...exceptions import InputError, quoted
from ...wire.types import JsonValue
from ..definitions.views import AggregatedView, Aggregation
from .wire_columns import short_numbers

BLOCK_TILES = 1024

Matrix: TypeAlias = npt.NDArray[np.float64]
Column: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]

_STATISTICS = {
    "count": ("count",),
    "sum": ("count", "sum"),
    "mean": ("count", "sum"),
    "min": ("count", "min"),
    "max": ("count", "max"),
    "last": ("count", "last", "last_at"),
}
_REDUCERS: dict[str, Callable[[Matrix], float]] = {
    "count": lambda part: float(np.add.reduce(part)),
    "sum": lambda part: float(np.add.reduce(part)),
    "min": lambda part: float(np.fmin.reduce(part)),
    "max": lambda part: float(np.fmax.reduce(part)),
}


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tiles of one key in order of time: interval numbers, and one row of statistics each."""

    index: Indices
    values: Matrix

    @property
    def blob(self) -> bytes:
        """The tiles as bytes; `Tiles.parse` reads them back."""
        return self.index.astype("<i8").tobytes() + self.values.astype("<f8").tobytes()

    @classmethod
    def parse(cls, blob: bytes, width: int) -> Tiles:
        """Return the tiles that `blob` packs, with `width` statistics each."""
        size = len(blob) // (8 * (1 + width))
        index = np.frombuffer(blob, "<i8", size)
        return cls(index, np.frombuffer(blob, "<f8", offset=8 * size).reshape(size, width))

    def blocks(self) -> Iterator[tuple[int, Tiles]]:
        """Yield the tiles block by block."""
        numbers = self.index // BLOCK_TILES
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for start, stop in pairwise(edges):
            yield int(numbers[start]), Tiles(self.index[start:stop], self.values[start:stop])


class TileLayout:
    """Which statistics the tiles of a view hold, and how its features come out of them.

    Parameters
    ----------
    view
        A checked view.
    """

    def __init__(self, view: AggregatedView) -> None:
        pairs = [(a.column, s) for a in view.aggregations for s in _STATISTICS[a.function]]
        self.columns: tuple[tuple[str, str], ...] = tuple(dict.fromkeys(pairs))
        self.width = len(self.columns)
        self.interval = view.interval_nanoseconds
        self._view_name = view.name
        self._place = {pair: i for i, pair in enumerate(self.columns)}
        self._additive = all(statistic in {"count", "sum"} for _, statistic in self.columns)
        ordered = sorted(view.aggregations, key=lambda a: a.feature(view.interval).name)
        widths = [view.window_nanoseconds(aggregation) // self.interval for aggregation in ordered]
        self._windows: dict[int, list[int]] = {}
        for i, width in enumerate(widths):
            self._windows.setdefault(width, []).append(i)
        self._readers = [self._reader(aggregation) for aggregation in ordered]
        self.longest = max(widths)

    def end(self, now: int) -> int:
        """Return the number of the first interval that is not full at `now`, in nanoseconds since the epoch."""
        return now // self.interval

    def read(self, parts: Sequence[Tiles], end: int) -> list[JsonValue]:
        """Return the features in served order for windows that end where interval number `end` begins.

        Parameters
        ----------
        parts
            The blocks that the longest window touches, in order.
        end
            As `TileLayout.end` returns it.

        Returns
        -------
        list of (str, int, float or None)
            A count as decimal text; `None` where a window holds no value.
        """
        found: list[JsonValue] = [None] * len(self._readers)
        if parts:
            tiles = parts[0] if len(parts) == 1 else _joined(parts)
            stop = int(tiles.index.searchsorted(end))
            for width, places in self._windows.items():
                start = int(tiles.index.searchsorted(end - width))
                if start < stop:
                    statistics = self._reduced(tiles.values[start:stop])
                    for i in places:
                        found[i] = short_numbers(self._readers[i](statistics))
        return found

    def fold(self, events: pd.DataFrame, codes: Indices, times: Indices) -> Iterator[tuple[int, Tiles]]:
        """Yield the tiles of each key.

        Parameters
        ----------
        events
            One row per event, at least one, with the view's columns.
        codes
            Number of the key of each event.
        times
            Event times in nanoseconds since the epoch.

        Yields
        ------
        code, tiles
            In order of the codes.

        Raises
        ------
        InputError
            If a column holds what is no number.
        """
        order = np.lexsort((times, codes))
        tile = times // self.interval
        grouped = pd.DataFrame({"code": codes[order], "tile": tile[order]})
        keys = [grouped["code"], grouped["tile"]]
        offsets = (times - tile * self.interval)[order]
        numbers = {column: self._numbers(events[column])[order] for column in dict.fromkeys(c for c, _ in self.columns)}
        cells = {
            (column, statistic): _statistic(pd.Series(numbers[column]), offsets, keys, statistic)
            for column, statistic in self.columns
        }
        frame = pd.DataFrame(cells)
        owners = frame.index.get_level_values(0).to_numpy()
        index = frame.index.get_level_values(1).to_numpy().astype(np.int64)
        values = np.ascontiguousarray(frame.to_numpy(dtype=np.float64))
        edges = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(owners)]
        for start, stop in pairwise(edges):
            yield int(owners[start]), Tiles(index[start:stop], values[start:stop])

    @np.errstate(invalid="ignore")
    def merge(self, old: Tiles, new: Tiles) -> Tiles:
        """Return one set of tiles with the events of both."""
        index = np.union1d(old.index, new.index)
        sides = [self._spread(tiles, index) for tiles in (old, new)]
        merged = np.empty((len(index), self.width))
        for i, (column, statistic) in enumerate(self.columns):
            left, right = (side[:, i] for side in sides)
            if statistic in {"count", "sum"}:
                merged[:, i] = left + right
            elif statistic == "last":
                at = self._place[column, "last_at"]
                merged[:, i] = np.where(_at_or_before(sides[0][:, at], sides[1][:, at]), right, left)
            else:
                merged[:, i] = np.fmin(left, right) if statistic == "min" else np.fmax(left, right)
        return Tiles(index, merged)

    def _numbers(self, values: pd.Series) -> Column:
        try:
            return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            is_number = pd.to_numeric(values.astype(object), errors="coerce").notna()
            odd = values[~is_number & values.notna()].iloc[0]
            where = f"column {quoted(values.name)} of view {quoted(self._view_name)}"
            what = f"{quoted(odd)} ({type(odd).__name__})"
            raise InputError(f"Cannot aggregate {what} in {where}: pass numbers.") from None

    def _spread(self, tiles: Tiles, index: Indices) -> Matrix:
        # What is not there adds nothing; NaN would be taken for a sum of both infinities.
        values = np.full((len(index), self.width), [0.0 if s in {"count", "sum"} else np.nan for _, s in self.columns])
        values[np.searchsorted(index, tiles.index)] = tiles.values
        return values

    # Infinity and its opposite add up to NaN, which is an answer and nothing to warn of.
    @np.errstate(invalid="ignore")
    def _reduced(self, part: Matrix) -> list[float]:
        if self._additive:
            return [float(total) for total in np.add.reduce(part, axis=0)]
        return [self._one(part, i, *pair) for i, pair in enumerate(self.columns)]

    def _one(self, part: Matrix, place: int, column: str, statistic: str) -> float:
        if statistic in _REDUCERS:
            return _REDUCERS[statistic](part[:, place])
        filled = np.flatnonzero(part[:, self._place[column, "count"]])
        return float(part[filled[-1], place]) if len(filled) else math.nan

    def _reader(self, aggregation: Aggregation) -> Callable[[list[float]], JsonValue]:
        count = self._place[aggregation.column, "count"]
        if aggregation.function == "count":
            return lambda statistics: str(int(statistics[count])) if statistics[count] else None
        statistic = "sum" if aggregation.function == "mean" else aggregation.function
        place = self._place[aggregation.column, statistic]
        if aggregation.function == "mean":
            return lambda statistics: statistics[place] / statistics[count] if statistics[count] else None
        return lambda statistics: statistics[place] if statistics[count] else None


def _joined(parts: Sequence[Tiles]) -> Tiles:
    return Tiles(np.concatenate([part.index for part in parts]), np.concatenate([part.values for part in parts]))


def _at_or_before(left: Column, right: Column) -> npt.NDArray[np.bool_]:
    return np.isnan(left) | (right >= left)


@np.errstate(invalid="ignore")
def _statistic(numbers: pd.Series, offsets: Indices, keys: list[pd.Series], statistic: str) -> pd.Series:
    if statistic == "last_at":
        numbers = pd.Series(np.where(numbers.isna(), np.nan, offsets.astype(np.float64)))
        statistic = "last"
    found: pd.Series = getattr(numbers.groupby(keys), statistic)()
    return found
