"""Prometheus text, line by line: prometheus_client parses what it has not seen, the rest is split at the value.

Names and labels of a page hardly change from one scrape to the next, so the text before the value is
remembered with what prometheus_client made of it, and only the numbers are read again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_fd_to_metric_families

from .metrics_page import Heading, Page, Series

# Up to the first number sign outside quotes, where an exemplar begins.
_BEFORE_EXEMPLAR = re.compile(r'(?:[^"#]++|"(?:[^"\\]++|\\.)*+")*+')
# What the parser raises on lines that are none; OverflowError is a number that no float holds.
PARSER_ERRORS = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)
# The parser takes time by the square of a line's length.
_LONGEST_LINE = 16_384
# Milliseconds between these two are January to March of the years 1970 to 1973, seconds 1990 to 5138.
_SECONDS = (631_152_000, 100_000_000_000)
_MOST_SERIES = 200_000
_MOST_CHARACTERS = 2**25


class LineError(ValueError):
    """A line that cannot be read; `number` counts from 1."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.number = number
        self.reason = reason


class SeriesMemory:
    """Series by the text before their value; forgets everything when it is full."""

    def __init__(self) -> None:
        self.known: dict[str, Series] = {}
        self._characters = 0

    def add(self, head: str, series: Series) -> None:
        """Remember a series."""
        if len(self.known) >= _MOST_SERIES or self._characters > _MOST_CHARACTERS:
            # A new dictionary: another thread may be reading with the old one.
            self.known, self._characters = {}, 0
        self.known[head] = series
        self._characters += len(head)


_MEMORY = SeriesMemory()


@dataclass(slots=True)
class _Lines:
    """The sample lines of a page: where each stands, its series as far as known, and the text of its numbers."""

    numbers: list[int] = field(default_factory=list)
    series: list[Series | None] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    stamps: list[str | None] = field(default_factory=list)
    # Place in the lists above and text of the lines that the parser must read.
    unknown: list[tuple[int, str]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)


def read_text(page: str, memory: SeriesMemory = _MEMORY) -> Page:
    """Return a page of Prometheus text.

    Raises
    ------
    LineError
        At the first line that is none.
    """
    lines = _split(page, memory.known)
    headings = _headings(lines.comments)
    series = _all_series(lines, memory)
    return Page(headings, series, _values(lines), _stamps(lines))


def _split(page: str, known: dict[str, Series]) -> _Lines:
    lines = _Lines()
    for number, raw in enumerate(page.split("\n"), 1):
        line = raw.strip()
        if not line:
            continue
        if line[0] == "#":
            lines.comments.append((number, line))
            continue
        # This loop runs for every line of every scrape; what is known costs a search, a look-up and a split.
        end = line.rfind("}") + 1 or _end_of_name(line)
        series, tail = known.get(line[:end]), line[end:].split()
        if series is None or not 1 <= len(tail) <= 2:
            series, tail = None, ["", ""]
            lines.unknown.append((len(lines.numbers), line))
        lines.numbers.append(number)
        lines.series.append(series)
        lines.values.append(tail[0])
        lines.stamps.append(tail[1] if len(tail) == 2 else None)
    return lines


def _end_of_name(line: str) -> int:
    return len(line.split(None, 1)[0])


def _all_series(lines: _Lines, memory: SeriesMemory) -> list[Series]:
    heads: list[tuple[int, str]] = []
    for place, line in lines.unknown:
        number = lines.numbers[place]
        check_length(line, number)
        plain = _without_exemplar(line)
        end = plain.rfind("}") + 1 or _end_of_name(plain)
        tail = plain[end:].split()
        if not 1 <= len(tail) <= 2:
            raise LineError(number, "it is not a series, a value and at most one timestamp")
        heads.append((number, plain[:end]))
        lines.values[place], lines.stamps[place] = tail[0], tail[1] if len(tail) == 2 else None
    # Any value will do: numbers are read below, of lines that are new and of those that are not.
    metrics = _parsed((number, f"{head} 1") for number, head in heads)
    for (place, _), (number, head), metric in zip(lines.unknown, heads, metrics, strict=True):
        (sample,) = metric.samples
        if sample.value != 1 or sample.timestamp is not None:
            raise LineError(number, "something stands between the labels and the value")
        lines.series[place] = series = Series(sample.name, sample.labels)
        memory.add(head, series)
    return [series for series in lines.series if series is not None]


def check_length(line: str, number: int) -> None:
    """Refuse a line that would cost the parser too much time."""
    if len(line) > _LONGEST_LINE:
        raise LineError(number, f"it is longer than {_LONGEST_LINE:,} characters")


def _without_exemplar(line: str) -> str:
    if "#" not in line:
        return line
    found = _BEFORE_EXEMPLAR.match(line)
    return line[: found.end()].rstrip() if found and line[found.end() : found.end() + 1] == "#" else line


def _parsed(lines: Iterable[tuple[int, str]]) -> Iterator[Metric]:
    """Yield what prometheus_client reads; without comments between them every line is a metric of its own."""
    current = 0

    def texts() -> Iterator[str]:
        nonlocal current
        for current, line in lines:  # noqa: B007  # read below when the parser stops
            yield line

    try:
        yield from text_fd_to_metric_families(texts())  # type: ignore[arg-type]  # it only iterates
    except PARSER_ERRORS as error:
        raise LineError(current, str(error)) from None


def _headings(comments: list[tuple[int, str]]) -> tuple[Heading, ...]:
    for number, line in comments:
        check_length(line, number)
    found: dict[str, Heading] = {}
    for metric in _parsed(comments):
        new = Heading(metric.name, metric.type, metric.documentation)
        old = found.get(new.name, new)
        # HELP and TYPE may stand apart.
        kind = new.kind if old.kind == "unknown" else old.kind
        found[new.name] = Heading(new.name, kind, old.help or new.help)
    return tuple(found.values())


def _values(lines: _Lines) -> list[float]:
    try:
        values = list(map(float, lines.values))
    except (ValueError, OverflowError):
        values = [math.inf]
    # Python reads "1_000" and makes infinity of a number that is too large; neither is a number of a page.
    if "_" in "".join(lines.values) or any(map(math.isinf, values)):
        values = [_number(text, number) for text, number in zip(lines.values, lines.numbers, strict=True)]
    return values


def _number(text: str, number: int) -> float:
    try:
        value = float(text)
    except (ValueError, OverflowError):
        raise LineError(number, f"{text!r} is no number") from None
    if "_" in text or (math.isinf(value) and "inf" not in text.lower()):
        raise LineError(number, f"{text!r} is no number")
    return value


def _stamps(lines: _Lines) -> list[int | None]:
    read: dict[str | None, int | None] = {None: None}
    for text, number in zip(lines.stamps, lines.numbers, strict=True):
        # Most lines of a page have the same.
        if text not in read:
            read[text] = _milliseconds(str(text), number)
    return [read[text] for text in lines.stamps]


def _milliseconds(text: str, number: int) -> int:
    try:
        stamp = int(text) if "_" not in text else math.nan
    except ValueError:
        stamp = _number(text, number)
    if not math.isfinite(stamp):
        raise LineError(number, f"{text!r} is no timestamp")
    return round(stamp * 1000 if _SECONDS[0] <= stamp < _SECONDS[1] else stamp)
