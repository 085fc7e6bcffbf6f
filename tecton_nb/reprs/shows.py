"""Objects that have a card: how notebooks, terminals and `print` get at it."""

from __future__ import annotations

from .bundle import mimebundle
from .card import Card
from .text import card_text


class HasCard:
    """An object that a notebook shows as a card; `print` shows the text twin, and `repr` is one line of its own."""

    __slots__ = ()

    def _card(self) -> Card:
        raise NotImplementedError

    def __str__(self) -> str:
        return card_text(self._card())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        return mimebundle(self._card())
