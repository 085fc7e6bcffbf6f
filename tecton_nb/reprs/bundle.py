"""Both twins of a card, as notebooks ask for them."""

from __future__ import annotations

from .card import Card
from .html import card_html
from .text import card_text


def mimebundle(card: Card) -> dict[str, str]:
    """Return the text and the HTML of the card by MIME type, for ``_repr_mimebundle_``."""
    return {"text/plain": card_text(card), "text/html": card_html(card)}
