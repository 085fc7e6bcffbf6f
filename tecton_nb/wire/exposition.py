"""Metrics text and plain samples: what a metrics endpoint prints and what a scraper reads.

Tecton's endpoint prints the Prometheus text form with timestamps in milliseconds, although its
document speaks of OpenMetrics (where they are seconds and ``# EOF`` ends the page); both are read.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_fd_to_metric_families
from prometheus_client.samples import Sample as ParsedSample
from prometheus_client.samples import Timestamp

from ..exceptions import ScrapeFormatError, quoted
from .metrics_page import Family, Heading, Page, Sample, Series
from .metrics_text import PARSER_ERRORS, LineError, check_length, read_text

__all__ = [
    "CONTENT_TYPE",
    "Family",
    "Sample",
    "help_text",
    "name_text",
    "number_text",
    "parse_exposition",
    "read_page",
    "render_text",
    "series_text",
]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# In seconds the year 5138, in milliseconds 1973.
_LATEST_SECONDS = 100_000_000_000
_OPENMETRICS = re.compile(r"\s*application/openmetrics-text\s*(;|$)", re.IGNORECASE)
_PLAIN = re.compile(r"\s*text/plain\s*(;|$)", re.IGNORECASE)
_FOREIGN = re.compile(r"\s*(text/html|application/(\w+\+)?(json|xml)|image/)", re.IGNORECASE)
# A page without its last line feed is whole if a time in milliseconds of today's length ends it.
_WHOLE_LINE = re.compile(r"[ \t][0-9]{13}$", re.ASCII)


def read_page(text: str | bytes, content_type: str | None = None) -> Page:
    """Return a metrics page.

    Parameters
    ----------
    text
        The page; bytes are read as UTF-8. Its last line ends with a line feed, or else with a time in
        milliseconds or ``# EOF``: any other may be the half of a line.
    content_type
        Value of the Content-Type header. ``application/openmetrics-text`` is read by the strict rules of
        OpenMetrics, ``text/plain`` as Prometheus text. Any other or none: OpenMetrics if the last line is
        ``# EOF`` and the strict rules hold, else Prometheus text.

        Times are milliseconds in Prometheus text and seconds in OpenMetrics, unless that cannot be: on an
        OpenMetrics page a time above 1e11, the year 5138 in seconds, is taken for milliseconds; in
        Prometheus text one that would lie in 1970 to 1973 and in seconds after 1990 is taken for seconds.

    Raises
    ------
    ScrapeFormatError
        If the text is no metrics page, such as an HTML login page, JSON or an empty text, or is cut off; `where`
        is the line. OpenMetrics without samples has its ``# EOF``.
    """
    page = _decoded(text)
    claimed = content_type or ""
    if _OPENMETRICS.match(claimed):
        return _strictly(page)
    if not _PLAIN.match(claimed) and page.rstrip().endswith("# EOF"):
        try:
            return _read_openmetrics(page)
        except LineError:
            pass
    return _leniently(page, claimed)


def parse_exposition(text: str | bytes, content_type: str | None = None) -> tuple[Family, ...]:
    """Return the families of a metrics page; arguments and errors as `read_page`."""
    return read_page(text, content_type).families()


def render_text(families: Iterable[Family]) -> str:
    """Return the families as Prometheus text (0.0.4): HELP, TYPE, then one line per sample."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def series_text(name: str, labels: Mapping[str, str]) -> str:
    """Return name and labels as both forms of page print them; names that need it stand in quotes."""
    inside = [f'{_name(label, _LABEL)}="{_escaped(value)}"' for label, value in labels.items()]
    if not _METRIC.fullmatch(name):
        return f"{{{','.join([name_text(name), *inside])}}}"
    return f"{name}{{{','.join(inside)}}}" if inside else name


def name_text(name: str) -> str:
    """Return the name of a metric as HELP and TYPE print it, in quotes where it needs them."""
    return _name(name, _METRIC)


def help_text(text: str) -> str:
    """Return a help text with its line feeds and backslashes escaped."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def number_text(value: float) -> str:
    """Return a number as both forms of page print it, exact to the last bit."""
    number = float(value)  # numpy's own repr names its type
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    if not number.is_integer() or abs(number) >= 2**53:
        return repr(number)
    return repr(int(number)) if number or math.copysign(1.0, number) > 0 else "-0"


def _strictly(page: str) -> Page:
    try:
        return _read_openmetrics(page)
    except LineError as error:
        raise _refused(page, error) from None


def _leniently(page: str, content_type: str) -> Page:
    try:
        found = read_text(page)
    except LineError as error:
        raise _refused(page, error) from None
    if _is_cut(page):
        raise _cut(page)
    if not found.series and not found.headings:
        claim = f" and its Content-Type is {quoted(content_type)}" if _FOREIGN.match(content_type) else ""
        raise ScrapeFormatError(
            f"The text is no metrics page: there is no sample, HELP or TYPE on it{claim}. Check the address.", "line 1"
        )
    return found


def _decoded(text: str | bytes) -> str:
    try:
        return text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ScrapeFormatError(
            f"The text is no metrics page: line {line} is not UTF-8 ({error.reason}). Check the address.",
            f"line {line}",
        ) from None


def _refused(page: str, error: LineError) -> ScrapeFormatError:
    lines = page.split("\n")
    shape = {"<": " but HTML", "{": " but JSON", "[": " but JSON"}.get(page.lstrip()[:1], "")
    if not shape and error.number == len(lines) > 1 and lines[-1]:
        return _cut(page)
    line = lines[error.number - 1].strip() if 0 < error.number <= len(lines) else ""
    reason = f" ({quoted(error.reason, 200)})" if error.reason else ""
    told = f"line {error.number} is {quoted(line)}{reason}" if line else f"line {error.number}{reason}"
    return ScrapeFormatError(f"The text is no metrics page{shape}: {told}. Check the address.", f"line {error.number}")


def _is_cut(page: str) -> bool:
    last = page[page.rfind("\n") + 1 :].rstrip("\r")
    return bool(last.strip()) and not _WHOLE_LINE.search(last) and last != "# EOF"


def _cut(page: str) -> ScrapeFormatError:
    number = page.count("\n") + 1
    last = page[page.rfind("\n") + 1 :]
    return ScrapeFormatError(
        f"The metrics page is cut off: it ends inside line {number}, {quoted(last)}. Read it again.", f"line {number}"
    )


class _Numbered:
    """Lines of a text, counted while they are read."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text)
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            check_length(line, self.number)
            yield line


def _read_openmetrics(page: str) -> Page:
    lines = _Numbered(page)
    try:
        return _page(list(text_fd_to_metric_families(lines)))  # type: ignore[no-untyped-call]
    except LineError:
        raise
    except PARSER_ERRORS as error:
        raise LineError(lines.number, str(error)) from None


def _page(metrics: list[Metric]) -> Page:
    headings = tuple(Heading(m.name, m.type, m.documentation, m.unit) for m in metrics)
    samples = [plain for metric in metrics for sample in metric.samples for plain in _plain(sample)]
    return Page(
        headings,
        [Series(sample.name, sample.labels) for sample in samples],
        [float(sample.value) for sample in samples],
        [None if sample.timestamp is None else _milliseconds(sample.timestamp) for sample in samples],
    )


def _plain(sample: ParsedSample) -> Iterator[ParsedSample]:
    """Yield the sample; of a native histogram what a frame can hold, its count and its sum."""
    native = sample.native_histogram
    if native is None:
        yield sample
        return
    for part, value in (("count", native.count_value), ("sum", native.sum_value)):
        yield ParsedSample(f"{sample.name}_{part}", dict(sample.labels or {}), float(value), sample.timestamp)


def _milliseconds(stamp: Timestamp | float) -> int:
    whole, nanoseconds = (stamp.sec, stamp.nsec) if isinstance(stamp, Timestamp) else (0, 0)
    if not isinstance(stamp, Timestamp):
        whole = int(stamp)
        nanoseconds = round((stamp - whole) * 1e9)
    return whole if whole > _LATEST_SECONDS else whole * 1000 + round(nanoseconds / 1e6)


def _lines(family: Family) -> Iterable[str]:
    # In this format a counter is named as its samples are.
    suffix = "_total" if family.kind == "counter" and not family.name.endswith("_total") else ""
    if family.help:
        yield f"# HELP {family.name}{suffix} {help_text(family.help)}"
    yield f"# TYPE {family.name}{suffix} {'untyped' if family.kind == 'unknown' else family.kind}"
    for sample in family.samples:
        stamp = "" if sample.timestamp_ms is None else f" {sample.timestamp_ms}"
        yield f"{series_text(sample.name, sample.labels)} {number_text(sample.value)}{stamp}"


def _name(name: str, plain: re.Pattern[str]) -> str:
    return name if plain.fullmatch(name) else f'"{_escaped(name)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
