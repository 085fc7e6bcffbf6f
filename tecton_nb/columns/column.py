"""How a column is described."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `dtype` is the pandas dtype as text, `unit` is empty where there is none."""

    name: str
    dtype: str
    meaning: str
    unit: str = ""


def by_name(columns: tuple[Column, ...]) -> dict[str, str]:
    """Return dtype by name, in order."""
    return {column.name: column.dtype for column in columns}
