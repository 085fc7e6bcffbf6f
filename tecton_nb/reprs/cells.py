"""One value of a card: the words that stand for it, and what kind of words they are."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..columns import FAILED, MISSING_DATA, NOT_FETCHED, PRESENT, TIME_OUT, UNKNOWN_STATUS
from ..exceptions import quoted, shown
from .human import MISSING, human_age, is_missing

CELL_LIMIT = 240
# Raw values may be nested deeper than Python can follow.
_DEEPEST = 20

_NUMBER_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class Kind(StrEnum):
    """What a cell holds; the HTML class of the cell is made from it."""

    TEXT = "text"
    NUMBER = "number"
    MOMENT = "moment"
    MISSING = "missing"
    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Status:
    """Words that say how something went; shown with a sign and a colour, such as ``✓ PRESENT``.

    Parameters
    ----------
    word
        What is shown behind the sign.
    kind
        What sign and colour say; `None` for what `word` means, as a serving status does.
    """

    word: str
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something was; shown in words such as ``3 days ago``."""

    seconds: float


_GOOD = ("✓", Kind.GOOD)
_BAD = ("✗", Kind.BAD)
_UNSURE = ("?", Kind.UNSURE)
_SIGNS = {Kind.GOOD: "✓", Kind.BAD: "✗", Kind.UNSURE: "?", Kind.MISSING: "∅"}
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
    "running": ("…", Kind.UNSURE),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Words for one value: `text` is what is shown, `full` the longer form where `text` is cut."""

    text: str
    kind: Kind = Kind.TEXT
    full: str = ""


def cell_of(value: object) -> Cell:
    """Return the words for any value.

    None, NA and NaT are ``missing``, and ``null`` within a list or a dict; NaN and the infinities are numbers and
    keep their names; moments are told to the second where they are whole; control and bidi characters are escaped;
    more than `CELL_LIMIT` characters are cut.
    """
    if isinstance(value, Status):
        return _status_cell(value)
    if is_missing(value):
        return Cell(MISSING, Kind.MISSING)
    if isinstance(value, numbers.Number) and not isinstance(value, bool):
        return Cell(_NUMBER_WORDS.get(str(value), str(value)), Kind.NUMBER)
    if isinstance(value, Age):
        return Cell(human_age(value.seconds), Kind.MOMENT)
    if isinstance(value, datetime):
        return Cell(_moment(value), Kind.MOMENT)
    return _text_cell(_nested(value) if isinstance(value, list | dict) else str(value))


def counted(count: int, kind: Kind | None = None) -> str | Status:
    """Return a count as words; of a kind, such as `Kind.BAD`, if it is above 0."""
    words = f"{count:,}"
    return Status(words, kind) if count and kind else words


def _moment(value: datetime) -> str:
    return str(value).replace("+00:00", " UTC")


def _nested(value: object, depth: int = 0) -> str:
    """Return a value of a list or a dict: text in quotes, so that it is not taken for null or a number."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, list):
        return f"[{', '.join(_nested(item, depth + 1) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_nested(item, depth + 1)}' for key, item in value.items())}}}"
    if isinstance(value, str):
        return quoted(value)
    if is_missing(value):
        return "null"
    return _moment(value) if isinstance(value, datetime) else _NUMBER_WORDS.get(str(value), str(value))


def _status_cell(status: Status) -> Cell:
    sign, kind = _STATUSES.get(status.word, _UNSURE) if status.kind is None else (_SIGNS[status.kind], status.kind)
    return Cell(f"{sign} {shown(status.word, CELL_LIMIT)}", kind)


def _text_cell(raw: str) -> Cell:
    if not raw:
        return Cell("''")
    if len(raw) <= CELL_LIMIT:
        return Cell(shown(raw))
    return Cell(shown(raw, CELL_LIMIT), full=shown(raw))
