"""A card as an HTML page of its own, in one file."""

from __future__ import annotations

from .card import Card
from .cells import cell_of
from .html import card_html, escaped

# Even if something were not escaped, a browser would neither run nor fetch it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page_html(card: Card) -> str:
    """Return a whole document that needs nothing else and holds no scripts."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escaped(card.title)}: {escaped(cell_of(card.subtitle).text)}</title></head>"
        f"<body>{card_html(card)}</body></html>\n"
    )
