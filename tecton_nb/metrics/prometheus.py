"""The same frames from an existing Prometheus, or whatever speaks its HTTP API: Thanos, Mimir, VictoriaMetrics."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
import orjson
import pandas as pd

from ..exceptions import (
    HTTP_ERRORS,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    InputError,
    ResponseTooLargeError,
    SettingsError,
    TectonHttpException,
    full_stop,
    quoted,
    shown,
)
from ..wire.metrics_page import Heading, Series
from .choosing import Chosen, Label, Moment, chosen, duration_ms, milliseconds
from .described import Described, described, described_heading, metric_names
from .points import Points
from .tables import history_frame

# Points of a series in one question. Prometheus refuses more than 11,000, and its timestamp() takes time by the
# square of them: three days of 8 series in 6.6 s at 10,000 points, in 2.0 s at these (measured with 2.42).
_POINTS = 1_440
# More than a year in steps of 15 s.
_MOST_QUESTIONS = 2_000
_LARGEST = 2**26
# Set on the series that carry the times of the samples instead of their values.
_TIME_MARK = "tecton_nb_time"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"(?! )[ -~]+(?<! )", re.ASCII)
_BETWEEN_WORDS = re.compile(r"[\s,;=\"]+")
# A word of a header that is shorter is no secret, and would be found within other words.
_SHORTEST_SECRET = 4
_SCHEMES = {"basic", "bearer", "digest", "token"}


class PrometheusSource:
    """Metrics from a Prometheus, in the frames of a `MetricsHistory`.

    Parameters
    ----------
    url
        Its address, such as ``http://127.0.0.1:9090``.
    headers
        Sent along, such as ``{"Authorization": "Bearer ..."}`` or Mimir's ``X-Scope-OrgID``. They are in no repr
        and no error.
    prefix
        What stands before ``/api/v1`` in its paths; ``/prometheus`` for Mimir.
    step
        At most the time between two samples; what comes more often is thinned out. Half of the scrape
        interval loses nothing where scrapes come a little early or late.
    deadline_seconds
        For each answer; one whose body comes in drops is given up by twice that time.

    Raises
    ------
    SettingsError
        If the address is none.
    InputError
        If `step` is no duration, or a header cannot be sent.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        prefix: str = "",
        step: str | timedelta = "15s",
        deadline_seconds: float = 60.0,
    ) -> None:
        self._url = _address(url, prefix)
        self._step_ms = duration_ms(step, "step")
        self._deadline = deadline_seconds
        sent = dict(headers or {})
        _check_headers(sent)
        self._secrets = _secrets_of(sent, self._url)
        # No compression: a small answer could unpack to any size.
        self._http = httpx.Client(headers={**sent, "Accept-Encoding": "identity"}, timeout=deadline_seconds)

    def frame(self, metric: str, since: Moment = None, until: Moment = None, **labels: Label) -> pd.DataFrame:
        """Return the samples of a metric, as ``MetricsHistory.frame`` does; see ``columns.METRIC_HISTORY``.

        Samples have the times at which they were scraped, not those of a grid, and nothing is filled in.
        Of a metric that Tecton's documents do not list, lines that end with ``_total``, ``_sum``,
        ``_count`` or ``_bucket`` belong to it.

        Parameters
        ----------
        metric
            Name of the metric, or of one of its lines such as ``feature_service_latency_count``.
        since, until
            First and last moment, both included: a time (naive is UTC) or a duration such as ``"24h"``
            before now. `since` must be given; `until` is now by default.
        labels
            Only series with these labels; a list means any of its values.

        Raises
        ------
        InputError
            If `since` is missing or too long ago for `step`, a time cannot be read, or no series has such a label.
        TectonHttpException
            If it answers with an error status; the subclass follows from the status.
        ConnectionFailedError, DeadlineExceededError, DecodeError
            If there is no answer, none in time, or none that can be read.
        """
        now = pd.Timestamp.now(tz="UTC")
        first, last = milliseconds(since, before=now), milliseconds(until, before=now)
        if first is None:
            raise InputError("Say since when: a Prometheus does not tell where its samples begin.")
        last = int(now.value // 1_000_000) if last is None else last
        found: dict[int, Points] = {}
        series: list[Chosen] = []
        for name, owner in _lines_of(metric).items():
            for one, piece in self._series(name, labels, first, last):
                found[len(series)] = piece
                series.append(Chosen(len(series), one, owner))
        return history_frame(chosen(series, labels), found)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<PrometheusSource {self._name}>"

    @property
    def _name(self) -> str:
        # Without what may stand before the host: a password.
        return quoted(self._url.copy_with(userinfo=b""), 200)

    def _series(self, name: str, labels: Mapping[str, Label], first: int, last: int) -> Iterator[tuple[Series, Points]]:
        """Yield the series of one line name that have samples between two times."""
        selector = _selector(name, labels)
        query = f'{selector} or label_replace(timestamp({selector}), "{_TIME_MARK}", "1", "", "")'
        parts: dict[tuple[tuple[str, str], ...], list[Points]] = {}
        for answer in self._chunks(query, first, last):
            for key, piece in _pieces(answer):
                parts.setdefault(key, []).append(piece)
        for key, pieces in parts.items():
            times, places = np.unique(np.concatenate([piece.times for piece in pieces]), return_index=True)
            values = np.concatenate([piece.values for piece in pieces])[places]
            is_asked = (times >= first) & (times <= last)
            if is_asked.any():
                yield Series(name, dict(key)), Points(times[is_asked], values[is_asked])

    def _chunks(self, query: str, first: int, last: int) -> Iterator[Any]:
        # Aligned, so that caches in between are of use; a sample shows at the next point of the grid.
        step = self._step_ms
        end = -(-last // step) * step
        for start in self._starts(first, end):
            stop = min(start + (_POINTS - 1) * step, end)
            yield self._ask({"query": query, "start": start / 1000, "end": stop / 1000, "step": step / 1000})

    def _starts(self, first: int, end: int) -> range:
        step = self._step_ms
        starts = range(first // step * step, end + 1, _POINTS * step)
        if len(starts) > _MOST_QUESTIONS:
            raise InputError(
                f"That would be {len(starts):,} questions for each series name, of {_POINTS:,} steps of "
                f"{step / 1000:g} s; at most {_MOST_QUESTIONS:,} are asked. Choose a later `since`, "
                "an earlier `until`, or a larger `step` of the source."
            )
        return starts

    def _ask(self, question: Mapping[str, str | float]) -> Any:
        end = time.monotonic() + self._deadline
        try:
            with self._http.stream("POST", self._url, data=dict(question)) as answer:
                body = self._body(answer, end)
        except httpx.TimeoutException:
            raise DeadlineExceededError(f"{self._told} did not answer in time. Ask for less, or try again.") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = shown(self._scrubbed(str(error)), 200) or type(error).__name__
            raise ConnectionFailedError(
                f"No answer from the {self._told[4:]}: {full_stop(said)} Check the address."
            ) from None
        return self._result(answer, body)

    def _body(self, answer: httpx.Response, end: float) -> bytes:
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise DecodeError(f"{self._told} answered with a content encoding that nobody asked for.")
        body = bytearray()
        for piece in answer.iter_bytes():
            body += piece
            # httpx has a limit for each piece only.
            if time.monotonic() > end:
                raise httpx.ReadTimeout("The deadline is over.")
            if len(body) > _LARGEST:
                raise ResponseTooLargeError(
                    f"{self._told} sends more than {_LARGEST:,} bytes. Ask for fewer series or a shorter time."
                )
        return bytes(body)

    def _result(self, answer: httpx.Response, body: bytes) -> Any:
        try:
            said = orjson.loads(body)
            if answer.is_success and said["status"] == "success" and said["data"]["resultType"] == "matrix":
                return said["data"]["result"]
            message = str(said.get("error", ""))
        except (ValueError, TypeError, KeyError, AttributeError):
            message = body.decode("utf-8", "replace")
        # A secret that is cut in two would not be found any more.
        message, reason = shown(self._scrubbed(message), 500), self._scrubbed(answer.reason_phrase)
        if answer.is_success:
            raise DecodeError(f"{self._told} answered what is no result of a range query: {quoted(message)}.")
        kind = HTTP_ERRORS.get(answer.status_code, TectonHttpException)
        told = shown(f"{answer.status_code} {reason}", 80)
        sentence = f"{self._told} answered {full_stop(f'{told}: {message}' if message else told)}"
        raise kind(answer.status_code, reason, message, sentence=sentence)

    @property
    def _told(self) -> str:
        return f"The Prometheus at {self._name}"

    def _scrubbed(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "****")
        return text


def _address(url: str, prefix: str) -> httpx.URL:
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        found = httpx.URL("")
    if found.scheme not in {"http", "https"} or not found.host:
        raise SettingsError(f"{quoted(url, 200)} is no address; write such as 'http://127.0.0.1:9090'.")
    path = f"{found.path.rstrip('/')}/{prefix.strip('/')}".rstrip("/")
    return found.copy_with(path=f"{path}/api/v1/query_range", query=None, fragment=None)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        # What is no name may be a secret in the wrong place.
        told = quoted(name) if isinstance(name, str) and _HEADER.fullmatch(name) else None
        if told is None:
            raise InputError("A header has a name that cannot be sent; write such as 'Authorization'.")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise InputError(
                f"The value of the header {told} cannot be sent (it is not shown). Write printable ASCII characters, "
                "without spaces or line feeds around them."
            )


def _secrets_of(headers: Mapping[str, str], url: httpx.URL) -> tuple[str, ...]:
    """Return what no sentence may hold, the longest first: values of headers, their words, a password."""
    words = [word for value in headers.values() for word in _BETWEEN_WORDS.split(value)]
    packed = base64.b64encode(f"{url.username}:{url.password}".encode()).decode() if url.userinfo else ""
    long = [word for word in (*words, packed) if len(word) >= _SHORTEST_SECRET]
    passwords = [url.password, *(_basic_password(value) for value in headers.values())]
    found = {*headers.values(), *passwords, *(word for word in long if word.lower() not in _SCHEMES)}
    return tuple(sorted(found - {""}, key=len, reverse=True))


def _basic_password(value: str) -> str:
    scheme, _, packed = value.partition(" ")
    try:
        told = base64.b64decode(packed, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        return ""
    return told.partition(":")[2]


def _lines_of(metric: str) -> dict[str, Described]:
    """Return the names of the lines of a metric, each with the metric that it belongs to."""
    owner = described([], [metric])[metric]
    if owner.heading.name != metric:
        return {metric: owner}
    if metric in metric_names():
        return dict.fromkeys(owner.heading.parts(), owner)
    # Whatever it is, its lines are among those of the three kinds that have more than one.
    kinds = [described_heading(Heading(metric, kind)) for kind in ("counter", "summary", "histogram")]
    return {name: one for one in reversed(kinds) for name in one.heading.parts()}


def _selector(name: str, labels: Mapping[str, Label]) -> str:
    """Return what selects the series; what cannot be said here is left out of the frame afterwards."""
    exact = {label: value for label, value in labels.items() if isinstance(value, str) and _LABEL.fullmatch(label)}
    for label in ("__name__", "sample", "quantile", "le"):
        exact.pop(label, None)
    pairs = {"__name__": name, **exact}
    return "{" + ",".join(f"{label}={_literal(value)}" for label, value in pairs.items()) + "}"


def _literal(text: str) -> str:
    try:
        return orjson.dumps(text).decode()
    except TypeError:
        raise InputError(
            f"Cannot ask a Prometheus for {quoted(text)}: a half of a character (a lone surrogate) is no text. "
            "Write the whole name or label."
        ) from None


def _pieces(result: Any) -> Iterator[tuple[tuple[tuple[str, str], ...], Points]]:
    """Yield the labels of every series of an answer, and its samples with their own times."""
    try:
        values: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
        times: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
        for one in result:
            labels = {str(name): str(value) for name, value in one["metric"].items() if name != "__name__"}
            table = values if labels.pop(_TIME_MARK, None) is None else times
            key = tuple(sorted(labels.items()))
            table[key] = {round(moment * 1000): float(value) for moment, value in one["values"]}
        for key, points in values.items():
            own = times.get(key, {})
            stamps = [round(own.get(moment, moment / 1000) * 1000) for moment in points]
            yield key, Points(np.array(stamps, np.int64), np.array(list(points.values())))
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        raise DecodeError("The Prometheus answered series without labels, times and numbers.") from None
