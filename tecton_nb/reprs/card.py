"""The plain data of a card: its HTML and its text are made from the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from .cells import Cell, Kind, Status, cell_of

ROW_LIMIT = 20


@dataclass(frozen=True)
class Section:
    """A table under a heading.

    Parameters
    ----------
    title
        Heading, such as ``features``.
    header
        Column titles.
    rows
        One tuple of any values per row; the first 20 are shown and the rest is counted.
    total
        Number of rows there are, where `rows` holds only the first ones.
    is_open
        Whether the HTML shows the table at once; the text always does.
    limit
        Number of rows that are shown, for pages that have room for more.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    total: int | None = None
    is_open: bool = True
    limit: int = ROW_LIMIT

    @property
    def count(self) -> int:
        """Number of rows there are."""
        return len(self.rows) if self.total is None else self.total

    @property
    def hidden(self) -> int:
        """Number of rows that are counted and not shown."""
        return max(self.count - min(len(self.rows), self.limit), 0)

    def cells(self) -> list[list[Cell]]:
        """Return the cells of the rows that are shown."""
        return [[cell_of(value) for value in row] for row in self.rows[: self.limit]]


@dataclass(frozen=True)
class Card:
    """What an object says about itself: a title, a subtitle or verdict, facts (name and value), and sections."""

    title: str
    subtitle: str | Status = ""
    facts: tuple[tuple[str, object], ...] = ()
    sections: tuple[Section, ...] = ()


def frame_section(
    title: str,
    header: Iterable[object],
    rows: Iterable[Sequence[object]],
    *,
    total: int | None = None,
    is_open: bool = True,
    limit: int = ROW_LIMIT,
) -> Section:
    """Return a section from a frame's columns and row tuples, of which no more than `limit` are taken.

    Parameters
    ----------
    title
        Heading.
    header
        Column names, such as ``frame.columns``.
    rows
        Rows in order, such as ``frame.itertuples(index=False)``; read no further than is shown if `total` is given.
    total
        Number of rows there are; counted if it is not given.
    is_open
        Whether the HTML shows the table at once.
    limit
        Rows that are shown at most.
    """
    rest = iter(rows)
    first = tuple(tuple(row) for row in islice(rest, limit))
    count = len(first) + sum(1 for _ in rest) if total is None else total
    return Section(title, tuple(str(name) for name in header), first, count, is_open, limit)


def numeric_columns(rows: list[list[Cell]]) -> set[int]:
    """Return the positions of the columns that hold numbers and nothing else but gaps."""
    gap = Cell("", Kind.MISSING)
    kinds = [{cell.kind for cell in column} for column in zip_longest(*rows, fillvalue=gap)]
    return {place for place, found in enumerate(kinds) if Kind.NUMBER in found and found <= {Kind.NUMBER, Kind.MISSING}}
