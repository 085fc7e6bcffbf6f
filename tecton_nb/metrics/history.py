"""A history of scrapes in one file: what the metrics page said, when, and when nobody could read it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pandas as pd

from ..exceptions import InputError, SettingsError, did_you_mean, listed, quoted
from ..reprs import Card, HasCard, Kind, Status
from ..wire.metrics_page import Heading
from . import points
from .choosing import Chosen, Label, Moment, chosen, duration_ms, milliseconds, series_of
from .collecting import Scraped, collect
from .database import Database
from .described import Described, described, metric_names
from .export import write_openmetrics, written
from .gaps import Outcome, find_gaps, gaps_frame
from .history_card import history_card
from .packing import check_codec
from .points import EVER, Points
from .recorder import Recorder
from .scrape import Scrape
from .tables import families_frame, history_frame, rollup_frame, scrapes_frame, wide_frame


class MetricsHistory(HasCard):
    """Scrapes kept in one file, which survives the end of the process at any moment.

    Any number of processes may read it while one records. Close it, or use it in a ``with`` block.

    Parameters
    ----------
    path
        The file, made if it is missing.
    keep
        How long samples and scrapes are kept, such as ``"60d"``; whole days are deleted, when the next
        one begins. `None` keeps everything.
    codec
        How sealed days are packed: ``zlib``, or ``pcodec`` (about a fifth less), which then must be
        installed wherever the file is read.

    Raises
    ------
    SettingsError
        If the file cannot be used, or the codec cannot.
    InputError
        If `keep` is no duration.
    """

    def __init__(self, path: str | Path, *, keep: str | timedelta | None = None, codec: str = "zlib") -> None:
        check_codec(codec)
        self._codec = codec
        self._keep_ms = None if keep is None else duration_ms(keep, "keep")
        self._database = Database(path)
        self._recorder: Recorder | None = None

    def record(self, scrape: Scrape) -> int:
        """Keep a scrape; return how many of its samples were new.

        A sample is known by its series and its time: what was recorded before is not recorded again.

        Raises
        ------
        SettingsError
            If somebody else records into the file, or it cannot be written.
        """
        return self._open_recorder().record(scrape)

    def collect(
        self,
        client: Scraped,
        *,
        every: str | timedelta = "30s",
        count: int | None = None,
        until: Moment = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Scrape at a steady pace and keep every scrape, the failed ones too.

        An interrupt (Ctrl-C, or the notebook's stop button) ends it in good order.

        Parameters
        ----------
        client
            Whom to ask, such as a `TectonClient`.
        every
            Time from one scrape to the next. One that comes too late is left out.
        count
            How many scrapes; `None` for any number.
        until
            When to stop: a time, or a duration such as ``"2h"`` from now.
        progress
            Show a bar.

        Returns
        -------
        pd.DataFrame
            The scrapes of this run; see ``columns.METRIC_SCRAPES``.

        Raises
        ------
        InputError
            If `every` or `until` cannot be read.
        SettingsError
            As `record`.
        """
        step = duration_ms(every, "every") / 1000
        until_ms = milliseconds(until, after=pd.Timestamp.now(tz="UTC"))
        started = collect(client, self._open_recorder(), step, count, until_ms, progress=progress)
        scrapes = self.scrapes()
        return scrapes[scrapes["started_at"].isin(started)].reset_index(drop=True)

    def frame(self, metric: str, since: Moment = None, until: Moment = None, **labels: Label) -> pd.DataFrame:
        """Return the samples of a metric, series by series in order of time; see ``columns.METRIC_HISTORY``.

        Parameters
        ----------
        metric
            Name of the metric, or of one of its lines such as ``feature_service_latency_count``.
        since, until
            First and last moment, both included: a time (naive is UTC) or a duration such as ``"24h"``
            before the newest sample (before the newest scrape, if a sample claims to be from later).
            `None` is the begin or the end of the history.
        labels
            Only series with these labels, such as ``feature_service_name="a"``, ``quantile=0.99`` or
            ``sample="count"``; a list means any of its values.

        Raises
        ------
        InputError
            If history and documents know no such metric, its series have no such label, or a time
            cannot be read.
        SettingsError
            If the file is damaged or cannot be read.
        """
        series, found = self._asked(metric, since, until, labels)
        return history_frame(series, found)

    def wide(self, metric: str, since: Moment = None, until: Moment = None, **labels: Label) -> pd.DataFrame:
        """Return a metric with a row per time and a column per series, named by the labels that tell them apart.

        Missing means that there is no sample; NaN is a number of the server. Each gap has a row in which
        everything is missing, so that a line drawn through the frame breaks there. There are values only: the
        release stage stands in `frame` and `families`. Arguments and errors as `frame`.
        """
        with self._database.reading() as connection:
            first, last = _between(connection, since, until)
            series, found = self._asked(metric, since, until, labels)
            moments = [moment for gap in find_gaps(_outcomes(connection)) for moment in gap.breaks()]
            breaks = np.array([moment for moment in moments if first <= moment <= last], np.int64)
        return wide_frame(series, found, breaks)

    def rollup(
        self,
        metric: str,
        since: Moment = None,
        until: Moment = None,
        *,
        every: str | timedelta = "1h",
        quantiles: Sequence[float] = (0.5, 0.95, 0.99),
        **labels: Label,
    ) -> pd.DataFrame:
        """Return quantiles over time, one row per series and period; see ``columns.METRIC_ROLLUP``.

        They say how the values of a series were spread within a period (columns ``p50``, ``p95``, ``p99``);
        NaN is left out, a period of nothing else is missing. Of a summary's quantile they make no quantile
        of the requests: percentiles cannot be averaged. Other arguments and errors as `frame`.
        """
        if not quantiles or not all(0 <= quantile <= 1 for quantile in quantiles):
            raise InputError(f"Quantiles lie between 0 and 1, and one is needed; got {listed(quantiles)}.")
        series, found = self._asked(metric, since, until, labels)
        return rollup_frame(series, found, duration_ms(every, "every"), tuple(quantiles))

    def families(self) -> pd.DataFrame:
        """Return one row per metric that was recorded; see ``columns.METRIC_HISTORY_FAMILIES``."""
        with self._database.reading() as connection:
            found: dict[Described, int] = {}
            for one in _candidates(connection, _owners(connection)):
                found[one.owner] = found.get(one.owner, 0) + 1
        return families_frame(found, "series")

    def scrapes(self) -> pd.DataFrame:
        """Return one row per scrape, failed ones too, in order of time; see ``columns.METRIC_SCRAPES``."""
        with self._database.reading() as connection:
            told = "started, duration, outcome, status, samples, new_samples, error"
            return scrapes_frame(connection.execute(f"SELECT {told} FROM scrapes ORDER BY started").fetchall())  # noqa: S608

    def gaps(self, *, longer_than: str | timedelta | None = None) -> pd.DataFrame:
        """Return one row per stretch of time without a good scrape; see ``columns.METRIC_GAPS``.

        Parameters
        ----------
        longer_than
            Time between two good scrapes that is no gap yet; `None` is 2.5 times the usual interval.
        """
        limit = None if longer_than is None else float(duration_ms(longer_than, "longer_than"))
        with self._database.reading() as connection:
            return gaps_frame(find_gaps(_outcomes(connection), limit))

    def export_openmetrics(self, path: str | Path, since: Moment = None, until: Moment = None) -> Path:
        """Write everything as OpenMetrics text with times, and return the path.

        ``promtool tsdb create-blocks-from openmetrics PATH DATA_FOLDER`` makes blocks of it for an existing
        Prometheus. Arguments and errors as `frame`.

        Raises
        ------
        SettingsError
            If the file cannot be written.
        """
        target = Path(path)
        with self._database.reading() as connection:
            families: dict[str, list[Chosen]] = {}
            for one in chosen(_candidates(connection, _owners(connection)), {}):
                families.setdefault(one.owner.heading.name, []).append(one)
            first, last = _between(connection, since, until)

            def read(series: Sequence[Chosen]) -> dict[int, Points]:
                return points.points(connection, [one.number for one in series], first, last)

            with written(target) as write:
                write_openmetrics(write, families.values(), read)
        return target

    def close(self) -> None:
        """Close the file and let others record; it cannot be used afterwards."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MetricsHistory {quoted(self._database.path.name)}>"

    def _open_recorder(self) -> Recorder:
        if self._recorder is None:
            self._database.claim(datetime.now(UTC).isoformat(timespec="seconds"))
            self._recorder = Recorder(self._database, self._codec, self._keep_ms)
        return self._recorder

    def _asked(
        self, metric: str, since: Moment, until: Moment, labels: Mapping[str, Label]
    ) -> tuple[list[Chosen], dict[int, Points]]:
        """Return the series of a question and their samples."""
        with self._database.reading() as connection:
            first, last = _between(connection, since, until)
            series = chosen(_series_of_metric(connection, metric), labels)
            return series, points.points(connection, [one.number for one in series], first, last)

    def _card(self) -> Card:
        name = self._database.path.name
        try:
            found = self.families(), self.scrapes(), self.gaps()
            return history_card(name, *found, self._database.size_bytes())
        except (SettingsError, OSError) as error:
            return Card("MetricsHistory", name, (("readable", Status(f"no: {error}", Kind.BAD)),))


def _owners(connection: sqlite3.Connection) -> dict[str, Described]:
    """Return by the name of every recorded line the metric it belongs to."""
    names = [str(name) for (name,) in connection.execute("SELECT DISTINCT name FROM series")]
    rows = connection.execute("SELECT name, kind, help, unit FROM headings")
    return described([Heading(*map(str, row)) for row in rows], names)


def _candidates(connection: sqlite3.Connection, owners: Mapping[str, Described]) -> list[Chosen]:
    query = "SELECT id, labels FROM series WHERE name = ?"
    return [
        Chosen(number, series_of(name, labels), owner)
        for name, owner in owners.items()
        for number, labels in connection.execute(query, (name,))
    ]


def _series_of_metric(connection: sqlite3.Connection, metric: str) -> list[Chosen]:
    owners = _owners(connection)
    found = {name: owner for name, owner in owners.items() if owner.heading.name == metric}
    if not found and metric in owners:
        found = {metric: owners[metric]}
    if not found and metric not in metric_names():
        known = sorted({*owners, *(owner.heading.name for owner in owners.values())})
        hint = did_you_mean(metric, known) or f" It has {listed(known)}."
        raise InputError(f"The metrics history has no metric {quoted(metric)}.{hint}")
    return _candidates(connection, found)


def _between(connection: sqlite3.Connection, since: Moment, until: Moment) -> tuple[int, int]:
    latest = points.latest(connection)
    end = None if latest is None else pd.Timestamp(latest, unit="ms", tz="UTC")
    first, last = milliseconds(since, before=end), milliseconds(until, before=end)
    return EVER[0] if first is None else first, EVER[1] if last is None else last


def _outcomes(connection: sqlite3.Connection) -> list[Outcome]:
    """Return the scrapes in order of time."""
    rows = connection.execute("SELECT started, outcome, error, stamp FROM scrapes ORDER BY started")
    return [
        Outcome(started // 1_000_000, None if outcome == "ok" else str(error), stamp)
        for started, outcome, error, stamp in rows
    ]
