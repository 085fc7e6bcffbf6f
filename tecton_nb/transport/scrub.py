"""Strikes the API key from whatever a sentence may repeat of it.

Servers, proxies and libraries echo what they were sent. Sentences show only the beginning of a value, so a piece of
the key may stand where a value was cut.
"""

from __future__ import annotations

import copy
import json
import re
import string
from collections.abc import Iterator
from itertools import takewhile
from operator import eq
from typing import Final, TypeVar

from .secret import Secret

E = TypeVar("E", bound=BaseException)
_STRUCK: Final = "****"
# A shorter piece tells nothing, and would be found in words.
_LEAST_PIECE: Final = 4
# What stands behind a value that was cut, by us, by libcurl or by nobody: the end of a packet is one, too.
_END: Final = re.compile(r"""…|\.{0,3}(?:['"`)\]}>]|\s*\Z)|\.\.\.""")
# Read backwards, what stands before one.
_BEGINNING: Final = re.compile(r"""…|\.\.\.|['"`(\[{<]""")
# Some headers are shown in lower case.
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def scrubbed(text: str, key: Secret | None) -> str:
    """Return the text without the key: whole anywhere, in pieces of 4 or more characters where a value is cut."""
    if key is None:
        return text
    for form in _forms(key):
        text = _without_pieces(_without_whole(text, form), form, _END)
        text = _without_pieces(text[::-1], form[::-1], _BEGINNING)[::-1]
    return text


def without_key(error: E, key: Secret | None) -> E:
    """Return the error as its user may see it: of the same class and with the same attributes, but scrubbed.

    It has no traceback yet, for the frames behind it hold what came as it came; nor have the errors of other
    libraries that caused it, whose text is scrubbed in place.
    """
    clean = copy.copy(error)
    _scrub(clean, key)
    for cause in _behind(error):
        _scrub(cause, key)
        cause.__traceback__ = None
    # Where tblib is installed, as with Dask, copies have the traceback of their original.
    clean.__traceback__ = clean.__context__ = None
    clean.__cause__ = error.__cause__
    return clean


def _scrub(error: BaseException, key: Secret | None) -> None:
    error.args = tuple(scrubbed(part, key) if isinstance(part, str) else part for part in error.args)
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, scrubbed(value, key))


def _forms(key: Secret) -> list[str]:
    # As it is, as Python and JSON quote it; nearly always the same.
    text = key.reveal()
    return list(dict.fromkeys((text, repr(text)[1:-1], json.dumps(text)[1:-1])))


def _without_whole(text: str, key: str) -> str:
    if key.translate(_LOWER) not in text.translate(_LOWER):
        return text
    # A key of a letter or three, as examples have them, is also in words.
    edges = ("", "") if len(key) >= _LEAST_PIECE else ("(?<![A-Za-z0-9])", "(?![A-Za-z0-9])")
    return re.sub(re.escape(key).join(edges), _STRUCK, text, flags=re.IGNORECASE | re.ASCII)


def _without_pieces(text: str, key: str, cut: re.Pattern[str]) -> str:
    low, begin = text.translate(_LOWER), key.translate(_LOWER)
    kept: list[str] = []
    done = 0
    at = low.find(begin[:_LEAST_PIECE]) if len(begin) > _LEAST_PIECE else -1
    while at >= 0:
        end = at + _in_common(low[at : at + len(begin)], begin)
        is_cut = cut.match(text, end) is not None
        if is_cut:
            kept += [text[done:at], _STRUCK]
            done = end
        at = low.find(begin[:_LEAST_PIECE], end if is_cut else at + 1)
    return "".join((*kept, text[done:]))


def _in_common(one: str, other: str) -> int:
    return sum(takewhile(bool, map(eq, one, other)))


def _behind(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    waiting = [error.__cause__, error.__context__]
    for each in waiting:
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]
