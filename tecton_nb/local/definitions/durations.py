"""Lengths of time as definitions write them: ``10m``, ``1h``, ``7d``."""

from __future__ import annotations

import re

from ...exceptions import SettingsError, quoted

SECOND = 1_000_000_000
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": 86_400 * SECOND}
# Event times are nanoseconds in 64 bits; a longer one does not fit.
_LONGEST = 106_751 * _UNITS["d"]
_TEXT = re.compile(r"([1-9]\d{0,5})([smhd])", re.ASCII)


def nanoseconds(text: str, *, where: str) -> int:
    """Return the length of time in nanoseconds.

    Parameters
    ----------
    text
        A whole number and one of ``s``, ``m``, ``h``, ``d``, such as ``30d``.
    where
        What the text describes; used in the error only.

    Raises
    ------
    SettingsError
        If the text is no such length, or more than 64 bits of nanoseconds.
    """
    match = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise SettingsError(
            f"Cannot read {quoted(text)} as the {where}: write a whole number and a unit, such as '10m', '1h' or '7d'."
        )
    length = int(match[1]) * _UNITS[match[2]]
    if length > _LONGEST:
        raise SettingsError(f"Cannot read {quoted(text)} as the {where}: the longest possible is '106751d'.")
    return length
