"""What the metadata of regular answers says of their values, read once for each different text of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, TypeAlias, TypeVar

# Servers differ in white space; most have none, which is found faster.
_USUAL_START: Final = b'"metadata":{"features":'
_START: Final = re.compile(rb'"metadata"\s*:\s*\{\s*"features"\s*:\s*')
# One that needs no decoding, written as servers write it.
_TIME: Final = re.compile(r'"effectiveTime": ?"([0-9T:.Z+-]{1,40})"')
# What takes its place; no answer can hold it.
_NO_TIME: Final = f"no time {secrets.token_hex(16)}"
_WITHOUT_TIME: Final = f'"effectiveTime":"{_NO_TIME}"'
# Texts remembered for one schema, in bytes: servers answer with few different ones, or with another one each time.
_MOST_BYTES: Final = 4_000_000
# What is made of one and counts beside it.
_OVERHEAD_BYTES: Final = 1_000

_Said = TypeVar("_Said")
_Key = TypeVar("_Key")
# Raw texts, one per feature; `None` where there is none.
Texts: TypeAlias = tuple[str | None, ...]


class Annotations:
    """What the metadata says of the values of a row; compared by identity, which costs nothing.

    Answers that say the same share one object, so far as is remembered.

    Parameters
    ----------
    statuses, effective_times
        Raw texts, one per feature; `None` where there is none.
    """

    __slots__ = ("effective_times", "statuses")

    def __init__(self, statuses: Texts, effective_times: Texts) -> None:
        self.statuses = statuses
        self.effective_times = effective_times


class _Memory(Generic[_Key, _Said]):
    """What was said by texts, until they are too many bytes: foreign text may be large."""

    def __init__(self) -> None:
        self._said: dict[_Key, _Said] = {}
        self._bytes = 0
        self.get = self._said.get

    def keep(self, key: _Key, said: _Said, size: int) -> None:
        """Remember it."""
        self._bytes += size + _OVERHEAD_BYTES
        if self._bytes > _MOST_BYTES:
            self._said.clear()
            self._bytes = size + _OVERHEAD_BYTES
        self._said[key] = said


class Cutter(Generic[_Said]):
    """Cuts the metadata's features out of answers and says what they say.

    Parameters
    ----------
    read
        Reads the text of the metadata's features.
    stand_in
        What takes its place in an answer, as JSON; no answer can hold it.
    followers
        Members of the metadata that may stand behind its features and hold lists, as JSON.
    """

    def __init__(self, read: Callable[[bytes], _Said], stand_in: bytes, followers: Sequence[bytes]) -> None:
        self._read = read
        self._stand_in = stand_in
        self._followers = followers
        self._seen: _Memory[bytes, tuple[bytes, _Said]] = _Memory()
        self._usual: tuple[bytes, _Said] | None = None

    def cut(self, body: bytes) -> tuple[bytes, _Said] | None:
        """Return the answer without the metadata's features, and what they say; `None` if they are not found.

        That they do stand there shows in decoding the rest with a text in their place.

        Raises
        ------
        ValueError, msgspec.MsgspecError, RecursionError
            If `read` raises it.
        """
        start = _start_of(body)
        if start < 0:
            return None
        usual = self._usual
        text, said = usual if usual is not None and body.startswith(usual[0], start) else self._look_up(body, start)
        return body[:start] + self._stand_in + body[start + len(text) :], said

    def _look_up(self, body: bytes, start: int) -> tuple[bytes, _Said]:
        end = body.rfind(b"]", start, self._end_of(body, start)) + 1
        # A small part of the text tells most texts apart, and hashing all of it would take long.
        key = body[start:end:16]
        seen = self._seen.get(key)
        if seen is None or end - start != len(seen[0]) or not body.startswith(seen[0], start):
            text = body[start:end]
            seen = text, self._read(text)
            self._seen.keep(key, seen, len(text))
            # The text of an answer without missing values comes most often.
            if self._usual is None or b"null" not in body[:start]:
                self._usual = seen
        return seen

    def _end_of(self, body: bytes, start: int) -> int:
        behind = [at for at in [body.rfind(name, start) for name in self._followers] if at >= 0]
        return min(behind) if behind else len(body)


class OneRow:
    """Reads the metadata's features of get-features answers.

    Often nothing but the effective times differs from answer to answer, so these are taken out and the rest is
    decoded once.

    Parameters
    ----------
    decode
        Makes items of the text.
    """

    def __init__(self, decode: Callable[[bytes], Sequence[Any]]) -> None:
        self._decode = decode
        self._learned: _Memory[str, tuple[Texts, Texts, list[int]]] = _Memory()

    def __call__(self, text: bytes) -> Annotations:
        """Return what the text says."""
        parts = _TIME.split(text.decode())
        found = parts[1::2]
        rest = _WITHOUT_TIME.join(parts[::2])
        statuses, times, places = self._learned.get(rest) or self._learn(rest)
        if len(places) != len(found):
            # Some stand elsewhere than in the items, or twice.
            items = self._decode(text)
            return Annotations(tuple([item.status for item in items]), times_of(items))
        if len(found) == len(times):
            return Annotations(statuses, tuple(found))
        filled = [*times]
        for place, time in zip(places, found, strict=True):
            filled[place] = time
        return Annotations(statuses, tuple(filled))

    def _learn(self, text: str) -> tuple[Texts, Texts, list[int]]:
        items = self._decode(text.encode())
        times = times_of(items)
        places = [i for i, time in enumerate(times) if time == _NO_TIME]
        learned = tuple([item.status for item in items]), times, places
        self._learned.keep(text, learned, len(text))
        return learned


class ManyRows:
    """Reads the metadata's features of get-features-batch answers: a status per feature and row, or one for all rows.

    Parameters
    ----------
    decode
        Makes items of the text.
    """

    def __init__(self, decode: Callable[[bytes], Sequence[Any]]) -> None:
        self._decode = decode

    def __call__(self, text: bytes) -> Callable[[int], list[Annotations]]:
        """Return what makes the annotations of so many rows; it raises a ValueError if there are not so many."""
        items = self._decode(text)
        times = times_of(items)

        @lru_cache(maxsize=8)
        def rows(count: int) -> list[Annotations]:
            statuses = zip(*(_per_row(item.status, count) for item in items), strict=True) if items else [()] * count
            return [Annotations(row, times) for _, row in zip(range(count), statuses, strict=True)]

        return rows


def _start_of(body: bytes) -> int:
    if (at := body.find(_USUAL_START)) >= 0:
        return at + len(_USUAL_START)
    found = _START.search(body)
    return found.end() if found else -1


def times_of(items: Sequence[Any]) -> Texts:
    """Return the effective times of items."""
    return tuple([item.effective_time for item in items])


def _per_row(status: list[str] | str | None, count: int) -> Sequence[str | None]:
    return status if isinstance(status, list) else [status] * count
