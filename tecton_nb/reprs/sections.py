"""Tables that several cards have, each made in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .card import Section, frame_section
from .cells import Kind, Status
from .human import human_percent


def statuses_section(counts: Mapping[str, int]) -> Section:
    """Return how many values have which serving status, the commonest first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(Status(status), f"{count:,}", human_percent(count / total)) for status, count in ordered]
    return frame_section("Statuses", ("status", "values", "share"), rows)


def schema_section(title: str, header: Iterable[object], rows: Sequence[Sequence[object]]) -> Section:
    """Return names with their types, or whatever a frame says of them; ``data_type`` reads ``data type``."""
    return frame_section(title, [str(name).replace("_", " ") for name in header], rows, total=len(rows))


def raw_section(values: Sequence[object], title: str = "Raw values") -> Section:
    """Return values as the server sent them, which nobody named, by their place."""
    shown = ((place, Status("null", Kind.MISSING) if value is None else value) for place, value in enumerate(values))
    return frame_section(title, ("place", "value"), shown, total=len(values))
