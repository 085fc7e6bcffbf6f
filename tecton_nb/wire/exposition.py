"""Metrics text and plain samples: what a metrics endpoint prints and what a scraper reads.

Tecton's endpoint prints the Prometheus text form with timestamps in milliseconds, although its
document speaks of OpenMetrics (where they are seconds and ``# EOF`` ends the page); both are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

from ..exceptions import ScrapeFormatError, quoted

# What the two parsers raise on pages that are none; OverflowError is round() of an infinite timestamp.
_PARSER_ERRORS = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)
_LATEST_SECONDS = 1e11
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a metrics page; `timestamp_ms` is `None` if the line has none."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its samples; `kind` is ``gauge``, ``summary``, ``counter``, ``histogram`` or ``unknown``."""

    name: str
    kind: str = "unknown"
    help: str = ""
    samples: tuple[Sample, ...] = ()


def parse_exposition(text: str | bytes, content_type: str | None = None) -> tuple[Family, ...]:
    """Return the families of a metrics page in the order of the page.

    Parameters
    ----------
    text
        The page; bytes are read as UTF-8. An empty page has no families.
    content_type
        Value of the Content-Type header. A page is tried as OpenMetrics if this says so or its last line is
        ``# EOF``, and read as Prometheus text if it is none. On a page that says it is OpenMetrics a timestamp
        above 1e11, the year 5138 in seconds, is taken for milliseconds.

    Raises
    ------
    ScrapeFormatError
        If the text is no metrics page, such as an HTML login page or JSON.
    """
    page = _page(text)
    claims_openmetrics = "openmetrics" in (content_type or "").lower() or page.rstrip().endswith("# EOF")
    if claims_openmetrics:
        with suppress(*_PARSER_ERRORS):
            return _families(openmetrics_families, page, _from_seconds)
    try:
        return _families(prometheus_families, page, _from_either if claims_openmetrics else _from_milliseconds)
    except _PARSER_ERRORS as error:
        reason = f" ({quoted(error, 200)})" if str(error) else ""
        raise ScrapeFormatError(f"The text is no metrics page{reason}. Check the address.") from None


def render_text(families: Iterable[Family]) -> str:
    """Return the families as Prometheus text (0.0.4): HELP, TYPE, then one line per sample."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def _page(text: str | bytes) -> str:
    try:
        page = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ScrapeFormatError(f"The text is no metrics page: it is not UTF-8 ({error}).") from None
    if page.lstrip()[:1] in {"<", "{", "["}:
        raise ScrapeFormatError(f"The text is no metrics page; it begins with {quoted(page.lstrip()[:40])}.")
    return page


def _families(parse: Any, page: str, stamp: Callable[[float], float]) -> tuple[Family, ...]:
    """Return the families by name; the parsers make one per line where no TYPE is stated."""
    found: dict[tuple[str, str, str], list[Sample]] = {}
    for metric in parse(page):
        found.setdefault((metric.name, metric.type, metric.documentation), []).extend(_samples(metric, stamp))
    return tuple([Family(*described, tuple(samples)) for described, samples in found.items()])


def _samples(metric: Metric, stamp: Callable[[float], float]) -> list[Sample]:
    moments = (None if s.timestamp is None else round(stamp(float(s.timestamp))) for s in metric.samples)
    pairs = zip(metric.samples, moments, strict=True)
    return [Sample(s.name, float(s.value), dict(s.labels), moment) for s, moment in pairs]


def _from_seconds(timestamp: float) -> float:
    return timestamp if timestamp > _LATEST_SECONDS else timestamp * 1000


def _from_milliseconds(timestamp: float) -> float:
    return timestamp * 1000  # the parser of Prometheus text has divided it


def _from_either(timestamp: float) -> float:
    return _from_seconds(timestamp * 1000)


def _lines(family: Family) -> Iterable[str]:
    # In this format a counter is named as its samples are.
    suffix = "_total" if family.kind == "counter" and not family.name.endswith("_total") else ""
    if family.help:
        yield f"# HELP {family.name}{suffix} " + family.help.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# TYPE {family.name}{suffix} {'untyped' if family.kind == 'unknown' else family.kind}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
        stamp = "" if sample.timestamp_ms is None else f" {sample.timestamp_ms}"
        yield f"{sample.name}{'{' + labels + '}' if labels else ''} {_number(sample.value)}{stamp}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    number = float(value)  # numpy's own repr names its type
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return repr(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
