"""What our objects show of themselves in a notebook and in a terminal."""

from __future__ import annotations

from .bundle import mimebundle
from .card import Card, Section, frame_section
from .cells import Age, Kind, Status, counted
from .html import card_html, escaped
from .human import human_age, human_bytes, human_percent, human_seconds
from .shows import HasCard
from .text import card_text

__all__ = [
    "Age",
    "Card",
    "HasCard",
    "Kind",
    "Section",
    "Status",
    "card_html",
    "card_text",
    "counted",
    "escaped",
    "frame_section",
    "human_age",
    "human_bytes",
    "human_percent",
    "human_seconds",
    "mimebundle",
]
