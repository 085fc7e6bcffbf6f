"""What stands on a metrics page: series, values, times, and what the page declares of its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# What a kind appends to its metric's name, line by line of a page.
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "counter": ("", "_total", "_created"),
    "summary": ("", "_sum", "_count", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "info": ("_info",),
}
# Those of them that make a sample another thing than the metric's value.
_PARTS = {"sum", "count", "bucket", "created", "gsum", "gcount"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a metrics page; `timestamp_ms` is `None` if the line has none."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its samples; `kind` is ``gauge``, ``summary``, ``counter``, ``histogram`` or ``unknown``.

    OpenMetrics has ``gaugehistogram``, ``info`` and ``stateset`` as well.
    """

    name: str
    kind: str = "unknown"
    help: str = ""
    samples: tuple[Sample, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Series:
    """Name and labels of one line, without its value; the same object on every page that has the same text."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Heading:
    """What HELP, TYPE and UNIT say of a metric."""

    name: str
    kind: str = "unknown"
    help: str = ""
    unit: str = ""

    def parts(self) -> dict[str, str]:
        """Return what a sample is (``value``, ``sum``, ``count``, ``bucket``, ...) by the name of its line."""
        suffixes = _SUFFIXES.get(self.kind, ("",))
        return {self.name + s: s[1:] if s[1:] in _PARTS else "value" for s in suffixes}


@dataclass(frozen=True, slots=True)
class Page:
    """A metrics page in columns: one item per sample, in the order of the page.

    Parameters
    ----------
    headings
        What the page declares, each metric once.
    series, values, timestamps_ms
        Which series, its value, and its time in milliseconds; `None` if the line has none.
    """

    headings: tuple[Heading, ...]
    series: Sequence[Series]
    values: Sequence[float]
    timestamps_ms: Sequence[int | None]

    def names(self) -> tuple[str, ...]:
        """Return the names of the lines, each once, in order of appearance."""
        return tuple(dict.fromkeys([series.name for series in self.series]))

    def families(self) -> tuple[Family, ...]:
        """Return metrics with their samples; those that the page declares come first."""
        owners = owned_names(self.headings)
        found: dict[Heading, list[Sample]] = {heading: [] for heading in self.headings}
        for series, value, stamp in zip(self.series, self.values, self.timestamps_ms, strict=True):
            heading = owners.get(series.name) or Heading(series.name)
            # A counter without its suffix is named as OpenMetrics has it.
            name = f"{series.name}_total" if heading.kind == "counter" and series.name == heading.name else series.name
            found.setdefault(heading, []).append(Sample(name, value, series.labels, stamp))
        return tuple(Family(h.name, h.kind, h.help, tuple(samples), h.unit) for h, samples in found.items())


def owned_names(headings: Iterable[Heading]) -> dict[str, Heading]:
    """Return by the name of a line the metric it belongs to; a metric of just that name goes first."""
    headings = tuple(headings)
    owners = {heading.name: heading for heading in reversed(headings) if heading.name in heading.parts()}
    for heading in headings:
        for name in heading.parts():
            owners.setdefault(name, heading)
    return owners
