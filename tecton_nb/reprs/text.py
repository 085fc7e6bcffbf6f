"""Cards as text: the same rows as the HTML, in aligned columns for a monospace font."""

from __future__ import annotations

import unicodedata
from itertools import zip_longest

from ..exceptions import shown
from .card import Card, Section, numeric_columns
from .cells import cell_of

_GAP = "  "


def card_text(card: Card) -> str:
    """Return the card as lines of text without trailing spaces."""
    subtitle = cell_of(card.subtitle).text if card.subtitle else ""
    head = f"{shown(card.title)}{_GAP}{subtitle}".rstrip()
    blocks = [head, *_facts(card), *(line for section in card.sections for line in _section(section))]
    return "\n".join(line.rstrip() for line in blocks)


def _facts(card: Card) -> list[str]:
    names = [shown(name) for name, _ in card.facts]
    width = max(map(_width, names), default=0)
    values = [cell_of(value).text for _, value in card.facts]
    return [f"{_GAP}{_padded(name, width)}{_GAP}{value}" for name, value in zip(names, values, strict=True)]


def _section(section: Section) -> list[str]:
    more = [f"{_GAP}and {section.hidden:,} more"] if section.hidden else []
    return ["", f"{shown(section.title)} ({section.count:,})", *_table(section), *more]


def _table(section: Section) -> list[str]:
    rows = section.cells()
    numeric = numeric_columns(rows)
    lines = [[shown(title) for title in section.header], *([cell.text for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip_longest(*lines, fillvalue="")]
    return [
        _GAP + _GAP.join(_padded(text, widths[place], place in numeric) for place, text in enumerate(line))
        for line in lines
    ]


def _padded(text: str, width: int, on_right: bool = False) -> str:
    space = " " * (width - _width(text))
    return space + text if on_right else text + space


def _width(text: str) -> int:
    # A terminal gives East Asian wide characters two columns and combining marks none.
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
