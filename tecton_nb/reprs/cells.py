"""One value of a card: the words that stand for it, and what kind of words they are."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from enum import StrEnum

from ..columns import FAILED, MISSING_DATA, NOT_FETCHED, PRESENT, TIME_OUT, UNKNOWN_STATUS
from ..exceptions import shown
from .human import MISSING, is_missing

CELL_LIMIT = 240

_NUMBER_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class Kind(StrEnum):
    """What a cell holds; the HTML class of the cell is made from it."""

    TEXT = "text"
    NUMBER = "number"
    MISSING = "missing"
    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Status:
    """A word that says how something went; shown with a sign and a colour, such as ``✓ PRESENT``."""

    word: str


_GOOD = ("✓", Kind.GOOD)
_BAD = ("✗", Kind.BAD)
_UNSURE = ("?", Kind.UNSURE)
_STATUSES = {
    PRESENT: _GOOD,
    "CACHED_PRESENT": _GOOD,
    "OK": _GOOD,
    MISSING_DATA: ("∅", Kind.UNSURE),
    "CACHED_MISSING_DATA": ("∅", Kind.UNSURE),
    UNKNOWN_STATUS: _UNSURE,
    TIME_OUT: _BAD,
    FAILED: _BAD,
    NOT_FETCHED: ("…", Kind.UNSURE),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Words for one value: `text` is what is shown, `full` the longer form where `text` is cut."""

    text: str
    kind: Kind = Kind.TEXT
    full: str = ""


def cell_of(value: object) -> Cell:
    """Return the words for any value.

    None, NA and NaT are ``missing``; NaN and the infinities are numbers and keep their names;
    control and bidi characters are escaped; more than `CELL_LIMIT` characters are cut.
    """
    if isinstance(value, Status):
        return _status_cell(value)
    if is_missing(value):
        return Cell(MISSING, Kind.MISSING)
    if isinstance(value, numbers.Number) and not isinstance(value, bool):
        return Cell(_NUMBER_WORDS.get(str(value), str(value)), Kind.NUMBER)
    return _text_cell(str(value))


def _status_cell(status: Status) -> Cell:
    sign, kind = _STATUSES.get(status.word, _UNSURE)
    return Cell(f"{sign} {shown(status.word, CELL_LIMIT)}", kind)


def _text_cell(raw: str) -> Cell:
    if not raw:
        return Cell("''")
    if len(raw) <= CELL_LIMIT:
        return Cell(shown(raw))
    return Cell(shown(raw, CELL_LIMIT), full=shown(raw))
