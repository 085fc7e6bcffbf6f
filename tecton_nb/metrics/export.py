"""A history as OpenMetrics text with times, of which ``promtool tsdb create-blocks-from openmetrics`` makes blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..exceptions import SettingsError, full_stop, quoted
from ..wire.exposition import help_text, name_text, number_text, series_text
from .choosing import Chosen
from .described import help_with_stage
from .identity import labels_json
from .points import Points

# Labels that tell apart the samples of one point of a summary or a histogram.
_WITHIN = {"summary": "quantile", "histogram": "le", "gaugehistogram": "le"}


def write_openmetrics(
    write: Callable[[str], object],
    families: Iterable[Sequence[Chosen]],
    read: Callable[[Sequence[Chosen]], Mapping[int, Points]],
) -> int:
    """Write the families and return how many samples that were.

    Parameters
    ----------
    write
        Takes text.
    families
        The series of each metric; a metric is read when its turn comes.
    read
        Returns their samples.
    """
    count = 0
    for series in families:
        found = read(series)
        if not any(len(piece.times) for piece in found.values()):
            continue
        for line in _family_lines(series, found):
            write(line)
        count += sum(len(piece.times) for piece in found.values())
    write("# EOF\n")
    return count


@contextmanager
def written(path: Path) -> Iterator[Callable[[str], object]]:
    """Yield what writes text to a file; the file is there once everything is in it.

    Raises
    ------
    SettingsError
        If it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as handle:
            yield handle.write
        partial.replace(path)
    except OSError as error:
        raise SettingsError(f"Cannot write {quoted(path, 200)}: {full_stop(str(error.strerror))}") from error
    finally:
        partial.unlink(missing_ok=True)


def _family_lines(series: Sequence[Chosen], found: Mapping[int, Points]) -> Iterator[str]:
    heading, name = series[0].owner.heading, name_text(series[0].owner.heading.name)
    yield f"# TYPE {name} {heading.kind}\n"
    if said := help_with_stage(series[0].owner):
        yield f"# HELP {name} {help_text(said)}\n"
    for group in _groups(series):
        if len(group) == 1:
            yield from _lines(group[0], found[group[0].number])
        else:
            yield from _point_lines(group, found)


def _groups(series: Sequence[Chosen]) -> list[list[Chosen]]:
    """Return the series that belong to the same points: quantiles or buckets, sum and count."""
    within = _WITHIN.get(series[0].owner.heading.kind)
    groups: defaultdict[str, list[Chosen]] = defaultdict(list)
    for one in series:
        shared = {name: value for name, value in one.series.labels.items() if name != within}
        groups[labels_json(shared)].append(one)
    return [sorted(group, key=_place) for group in groups.values()]


def _place(one: Chosen) -> tuple[bool, float, str]:
    bound = one.series.labels.get(_WITHIN.get(one.owner.heading.kind, ""))
    try:
        return bound is None, float(bound or 0), one.series.name
    except ValueError:
        return bound is None, 0.0, one.series.name


def _lines(one: Chosen, piece: Points) -> Iterator[str]:
    head = _head(one)
    for time, value in zip(piece.times.tolist(), piece.values.tolist(), strict=True):
        yield f"{head} {number_text(value)} {_seconds(time)}\n"


def _point_lines(group: Sequence[Chosen], found: Mapping[int, Points]) -> Iterator[str]:
    """Yield the lines point by point: the samples of one point stand together, and times never go back."""
    heads = [_head(one) for one in group]
    lines = [
        (time, place, value)
        for place, one in enumerate(group)
        for time, value in zip(found[one.number].times.tolist(), found[one.number].values.tolist(), strict=True)
    ]
    for time, place, value in sorted(lines, key=lambda line: line[:2]):
        yield f"{heads[place]} {number_text(value)} {_seconds(time)}\n"


def _head(one: Chosen) -> str:
    heading, name = one.owner.heading, one.series.name
    name = f"{name}_total" if heading.kind == "counter" and name == heading.name else name
    return series_text(name, {label: value for label, value in one.series.labels.items() if value})


def _seconds(milliseconds: int) -> str:
    whole, rest = divmod(abs(milliseconds), 1000)
    return f"{'-' if milliseconds < 0 else ''}{whole}" + (f".{rest:03d}" if rest else "")
