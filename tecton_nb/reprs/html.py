"""Cards as HTML: no JavaScript, no ids, everything escaped by one function."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import files

from markupsafe import escape

from ..exceptions import shown
from .card import Card, Section, numeric_columns
from .cells import Cell, Kind, cell_of

# The notebook's own formula renderer would turn "$...$" in a name into a formula; these two classes tell it not to.
_CLASSES = "tnb-card tex2jax_ignore mathjax_ignore"


def card_html(card: Card) -> str:
    """Return the card as one HTML element that carries its own style and follows the theme."""
    return (
        f'<div class="{_CLASSES}"><style>{_style()}</style>'
        f"{_head(card)}{_facts(card)}{''.join(_section(section) for section in card.sections)}</div>"
    )


def escaped(text: object) -> str:
    """Return any text as it may stand in HTML, in an element as well as in a quoted attribute."""
    return str(escape(shown(text)))


@cache
def _style() -> str:
    return files(__package__).joinpath("card.css").read_text("utf-8")


def _head(card: Card) -> str:
    subtitle = f" {_element('span', cell_of(card.subtitle), 'tnb-subtitle ')}" if card.subtitle else ""
    return f'<div class="tnb-head"><span class="tnb-title">{escaped(card.title)}</span>{subtitle}</div>'


def _facts(card: Card) -> str:
    items = "".join(f"<dt>{escaped(name)}</dt>{_element('dd', cell_of(value))}" for name, value in card.facts)
    return f'<dl class="tnb-facts">{items}</dl>' if items else ""


def _section(section: Section) -> str:
    opened = " open" if section.is_open else ""
    heading = f'{escaped(section.title)} <span class="tnb-count">{section.count:,}</span>'
    more = f'<p class="tnb-more">and {section.hidden:,} more</p>' if section.hidden else ""
    return (
        f'<details class="tnb-section"{opened}><summary>{heading}</summary>'
        f'<div class="tnb-scroll">{_table(section)}</div>{more}</details>'
    )


def _table(section: Section) -> str:
    rows = section.cells()
    numeric = numeric_columns(rows)
    titles = (
        f'<th scope="col"{_number_class(place in numeric)}>{escaped(title)}</th>'
        for place, title in enumerate(section.header)
    )
    body = "".join(_row(row, numeric) for row in rows)
    return (
        f'<table class="tnb-table"><caption>{escaped(section.title)}</caption>'
        f"<thead><tr>{''.join(titles)}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(row: list[Cell], numeric: set[int]) -> str:
    # A number among texts stands at the left, as they do.
    kinds = (Kind.TEXT if c.kind is Kind.NUMBER and place not in numeric else c.kind for place, c in enumerate(row))
    cells = "".join(_element("td", replace(cell, kind=kind)) for cell, kind in zip(row, kinds, strict=True))
    return f"<tr>{cells}</tr>"


def _element(tag: str, cell: Cell, classes: str = "") -> str:
    title = f' title="{escaped(cell.full)}"' if cell.full else ""
    return f'<{tag} class="{classes}tnb-{cell.kind}"{title}>{escaped(cell.text)}</{tag}>'


def _number_class(is_number: bool) -> str:
    return ' class="tnb-number"' if is_number else ""
