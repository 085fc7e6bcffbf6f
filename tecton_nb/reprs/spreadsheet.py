"""Foreign text in files that spreadsheets open: a text that might be taken for a formula is made inert."""

from __future__ import annotations

import re

# What starts a formula or a command in some spreadsheet (also in full width), what separates cells, and the
# apostrophe itself, so that dropping one always gives the text again. ASVS 1.2.10 names = + - @, tab, CR and NUL.
_RISKY = frozenset("=+-@＝＋－＠﹢﹣﹦﹫−|%;,'\"")
_IN_XML = re.compile(r"_x[0-9A-Fa-f]{4}_")
_SHEET_CELL = 32_767


def csv_text(text: str) -> str:
    """Return a text for a cell of a CSV file: with an apostrophe before it if it might be taken for a formula."""
    return f"'{text}" if _is_risky(text) else text


def sheet_text(text: str) -> str:
    """Return a text for a cell of a workbook, which keeps texts and formulas apart by itself.

    Characters that XML cannot hold are escaped as the format says (``_x0000_``), and so is a text that looks
    like such an escape. What is longer than a cell is cut, and says so.
    """
    escaped = _IN_XML.sub(lambda found: f"_x005F_{found.group()[1:]}", text)
    safe = "".join(c if _fits_xml(c) else f"_x{ord(c):04X}_" for c in escaped)
    if len(safe) <= _SHEET_CELL:
        return safe
    note = f"… (cut; {len(text):,} characters in all)"
    return safe[: _SHEET_CELL - len(note)] + note


def _is_risky(text: str) -> bool:
    if not text:
        return False
    # Some readers drop blanks and control characters before they look.
    first = next((c for c in text if not (c.isspace() or not c.isprintable())), "")
    return text[0] < " " or first in _RISKY


def _fits_xml(character: str) -> bool:
    return character in "\t\n" or (
        character >= " " and not "\ud800" <= character <= "\udfff" and character not in "\ufffe\uffff"
    )
