"""Asking a Prometheus: what is sent, and what becomes of every kind of answer."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from canned import Asked, Reply

from tecton_nb import columns
from tecton_nb.exceptions import (
    BadRequestError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    InputError,
    ResponseTooLargeError,
    SettingsError,
    TectonHttpException,
    UnauthorizedError,
)
from tecton_nb.metrics import PrometheusSource

START = datetime(2024, 5, 1, tzinfo=UTC)
SECRET = "Bearer CANARY-TOKEN-0123456789"
HEADERS = {"Authorization": SECRET, "X-Scope-OrgID": "team"}


def matrix(*series: tuple[dict[str, str], list[Any]]) -> Reply:
    """Return the answer of a range query."""
    result = [{"metric": labels, "values": values} for labels, values in series]
    return Reply({"status": "success", "data": {"resultType": "matrix", "result": result}})


def question(asked: Asked) -> dict[str, str]:
    """Return the fields of what was asked."""
    return {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}


@pytest.fixture
def source(canned):
    """A source at a canned Prometheus."""
    opened = []

    def start(reply: Any, **options: Any) -> Any:
        server = canned(reply)
        opened.append(PrometheusSource(server.url, headers=HEADERS, **options))
        opened[-1].server = server
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_question_is_bounded_aligned_and_carries_the_headers(source):
    """Each question has fewer points than Prometheus refuses, begins on the grid, and none is left out."""
    prometheus = source(matrix())
    prometheus.frame("feature_server_utilization", START + timedelta(seconds=7), START + timedelta(days=4))
    asked = prometheus.server.asked
    questions = [question(one) for one in asked]

    starts, ends = ([float(one[name]) for one in questions] for name in ("start", "end"))
    assert all((end - start) / 15 + 1 < 11_000 for start, end in zip(starts, ends, strict=True))
    assert starts[0] == START.timestamp()
    assert all(start % 15 == 0 for start in starts)
    assert [start - 15 for start in starts[1:]] == ends[:-1]
    assert ends[-1] == (START + timedelta(days=4)).timestamp()
    assert {one["step"] for one in questions} == {"15.0"}
    assert {one.method for one in asked} == {"POST"}
    assert {one.path for one in asked} == {"/api/v1/query_range"}
    assert {one.headers["authorization"] for one in asked} == {SECRET}
    assert {one.headers["x-scope-orgid"] for one in asked} == {"team"}


def test_prefix_stands_before_the_api(source):
    """Mimir has its API below a prefix; slashes are as one likes."""
    for prefix in ("prometheus", "/prometheus/"):
        prometheus = source(matrix(), prefix=prefix)
        prometheus.frame("feature_server_utilization", START, START)

        assert prometheus.server.asked[0].path == "/prometheus/api/v1/query_range"


def test_names_and_labels_are_quoted(source):
    """A label's text is data in the question, whatever stands in it."""
    prometheus = source(matrix())
    prometheus.frame("feature_server_utilization", START, START, aws_region='x"} or up{a="\\')

    assert question(prometheus.server.asked[0])["query"].startswith(
        '{__name__="feature_server_utilization",aws_region="x\\"} or up{a=\\"\\\\"} or '
    )


@pytest.mark.parametrize(("metric", "labels"), [("a\ud800", {}), ("a", {"aws_region": "x\udfff"})])
def test_half_of_a_character_is_refused_in_words(source, metric, labels):
    """A lone surrogate, as broken text holds it, is an InputError that shows it, and nothing is asked."""
    prometheus = source(matrix())

    with pytest.raises(InputError, match=r"'[ax]\\ud[89f]\w+'.* lone surrogate") as caught:
        prometheus.frame(metric, START, START, **labels)

    assert prometheus.server.asked == []
    assert str(caught.value).isascii()


def test_samples_have_their_own_times_and_are_not_filled_in(source):
    """A sample that shows at several points of the grid is one row, at the time it was scraped."""
    at, labels = START.timestamp(), {"aws_region": "us", "zone": "b"}
    values = [[at, "1"], [at + 15, "1"], [at + 30, "NaN"], [at + 45, "+Inf"]]
    times = [[at, str(at - 0.5)], [at + 15, str(at - 0.5)], [at + 30, str(at + 29.123)], [at + 45, str(at + 40)]]
    prometheus = source(
        matrix(
            ({"__name__": "feature_server_utilization", **labels}, values),
            ({**labels, "tecton_nb_time": "1"}, times),
        )
    )
    frame = prometheus.frame("feature_server_utilization", START - timedelta(minutes=1), START + timedelta(minutes=1))

    assert {str(n): str(t) for n, t in frame.dtypes.items()} == columns.by_name(columns.METRIC_HISTORY)
    assert frame["timestamp"].tolist() == [START + timedelta(milliseconds=ms) for ms in (-500, 29_123, 40_000)]
    assert frame["value"][0] == 1
    assert math.isnan(frame["value"][1])
    assert frame["value"].isna().sum() == 0
    assert frame["value"][2] == math.inf
    assert set(frame["labels"]) == {'{"zone":"b"}'}
    assert set(frame["stage"]) == {"GA"}


def test_answer_without_times_is_taken_at_the_grid(source):
    """Where a server leaves out the times of the samples, the points of the grid are their times."""
    at = START.timestamp()
    prometheus = source(matrix(({"__name__": "feature_server_utilization"}, [[at, "1"], [at + 15, "2"]])))
    frame = prometheus.frame("feature_server_utilization", START, START + timedelta(minutes=1))

    assert frame["timestamp"].tolist() == [START, START + timedelta(seconds=15)]


@pytest.mark.parametrize("name", ["requests", "feature_service_latency"])
def test_lines_of_a_metric_are_asked_for_one_by_one(source, name):
    """A metric's sum, count and quantiles are its own; of an unknown metric every kind of line is looked for."""
    prometheus = source(matrix())
    prometheus.frame(name, START, START)
    queries = [question(one)["query"] for one in prometheus.server.asked]

    found = {query.split('"')[1].removeprefix(name) for query in queries}
    assert {"", "_sum", "_count"} <= found
    assert ("_bucket" in found) == (name == "requests")


def test_durations_end_now(source):
    """`since="1h"` is the last hour, and an hour of grid is asked for."""
    prometheus = source(matrix())
    prometheus.frame("feature_server_utilization", "1h")
    (one,) = [question(asked) for asked in prometheus.server.asked]

    assert 3600 <= float(one["end"]) - float(one["start"]) <= 3630
    assert abs(float(one["end"]) - datetime.now(UTC).timestamp()) < 60


def test_begin_must_be_said(source):
    """A history begins somewhere, a Prometheus does not tell where: the sentence asks for it."""
    with pytest.raises(InputError, match=r"Say since when"):
        source(matrix()).frame("feature_server_utilization")


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply({"status": "error", "error": "bad syntax"}, 400), BadRequestError, ["400 Bad Request", "bad syntax"]),
        (Reply(b"no " + SECRET.encode(), 401), UnauthorizedError, ["401 Unauthorized", "no ****"]),
        (Reply(b"<html>down</html>", 502), TectonHttpException, ["502 Bad Gateway", "<html>down"]),
        (Reply(b"", 302, {"Location": "http://127.0.0.1:1/"}), TectonHttpException, ["302 Found"]),
        (Reply(b"<html>Sign in</html>"), DecodeError, ["no result of a range query", "Sign in"]),
        (Reply({"status": "success", "data": {"resultType": "vector", "result": []}}), DecodeError, ["no result"]),
        (Reply([1]), DecodeError, ["no result"]),
        (matrix(({"a": "b"}, [["x", "1"]])), DecodeError, ["without labels, times and numbers"]),
        (matrix(({"a": "b"}, [[1, "one"]])), DecodeError, ["without labels, times and numbers"]),
        (matrix(({"a": "b"}, [[1e300, "1"]])), DecodeError, ["without labels, times and numbers"]),
        (Reply(b"x", 200, {"Content-Encoding": "gzip"}), DecodeError, ["content encoding"]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_answer_that_is_none_is_told_without_the_secret(source, reply, error, words):
    """Errors name the place and what came; the token of a header is in none of them."""
    prometheus = source(reply)
    with pytest.raises(error) as caught:
        prometheus.frame("feature_server_utilization", START, START)

    sentence = str(caught.value)
    assert all(word in sentence for word in ["Prometheus", *words])
    assert "CANARY" not in sentence + repr(caught.value) + repr(prometheus)
    assert "\n" not in sentence


TOKEN = "CANARY-TOKEN-0123456789"


@pytest.mark.parametrize(
    ("headers", "reply"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, Reply({"error": f"bad token {TOKEN}"}, 401)),
        ({"Authorization": f"Bearer {TOKEN}"}, Reply(b"x" * 190 + TOKEN.encode(), 401)),
        ({"Authorization": f"Bearer {TOKEN}"}, Reply(b"", 401, reason=f"no {TOKEN}")),
        ({"Authorization": f"Bearer {TOKEN}"}, Reply({"status": TOKEN, "error": f"[{TOKEN}]"})),
        ({"Cookie": f"session={TOKEN}; path=/"}, Reply({"error": f"no session {TOKEN}"}, 403)),
        ({"Authorization": "Basic bWU6Q0FOQVJZ"}, Reply({"error": "wrong password CANARY"}, 401)),
    ],
    ids=["token alone", "cut in two", "status line", "not an error", "cookie", "password"],
)
def test_part_of_a_header_is_told_by_no_error(canned, headers, reply):
    """A server may repeat the token without its scheme, a cookie's value, or the password: none of it is shown."""
    with (
        PrometheusSource(canned(reply).url, headers=headers) as prometheus,
        pytest.raises((TectonHttpException, DecodeError)) as caught,
    ):
        prometheus.frame("feature_server_utilization", START, START)

    assert "CANAR" not in str(caught.value) + repr(caught.value)
    assert "****" in str(caught.value)


def test_scheme_and_short_words_stay_readable(canned):
    """Only what can be a secret is hidden: a sentence of the server's is not torn to pieces."""
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Mode": "a b"}
    reply = Reply({"error": "a Bearer token is needed"}, 401)

    with (
        PrometheusSource(canned(reply).url, headers=headers) as prometheus,
        pytest.raises(UnauthorizedError, match="a Bearer token is needed"),
    ):
        prometheus.frame("feature_server_utilization", START, START)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}\n"},
        {"Authorization": f" {TOKEN}"},
        {"Authorization": f"{TOKEN} "},
        {"Authorization": f"{TOKEN}é"},
        {"Authorization": f"{TOKEN}\r\nX-Other: 1"},
        {"Authorization": ""},
        {"Authorization": TOKEN.encode()},
        {f"Bearer {TOKEN}": "Authorization"},
    ],
)
def test_header_that_cannot_be_sent_is_refused_without_its_value(headers):
    """A line feed of a file, a space or an accent is told when the source is made, and the value is not shown."""
    with pytest.raises(InputError, match=r"cannot be sent") as caught:
        PrometheusSource("http://127.0.0.1:9", headers=headers)

    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None


def test_answer_that_is_too_large_is_cut_short(source, monkeypatch):
    """A server that sends without end is stopped, and the sentence says what to do."""
    monkeypatch.setattr("tecton_nb.metrics.prometheus._LARGEST", 1_000)

    with pytest.raises(ResponseTooLargeError, match=r"more than 1,000 bytes\. Ask for fewer series"):
        source(Reply(b"x" * 5_000)).frame("feature_server_utilization", START, START)


def test_silence_has_an_end(source, canned):
    """Where no answer comes the deadline ends it."""
    server = canned(lambda _: server.silence())

    with (
        PrometheusSource(server.url, deadline_seconds=0.2) as prometheus,
        pytest.raises(DeadlineExceededError, match="did not answer in time"),
    ):
        prometheus.frame("feature_server_utilization", START, START)


def test_answer_in_drops_has_an_end(source, monkeypatch):
    """The deadline is for the whole answer: one that comes piece by piece, each of them in time, ends as well."""
    clock = itertools.count(step=40)
    monkeypatch.setattr("tecton_nb.metrics.prometheus.time", SimpleNamespace(monotonic=lambda: next(clock)))

    with pytest.raises(DeadlineExceededError, match="did not answer in time"):
        source(Reply(b"x" * 2**20), deadline_seconds=60).frame("feature_server_utilization", START, START)


def test_question_of_decades_is_refused_before_anything_is_asked(source):
    """A begin in the year 2000 would be thousands of questions: the sentence says how many, and what to change."""
    prometheus = source(matrix())

    with pytest.raises(InputError, match=r"2\d,\d{3} questions .* steps of 15 s; at most 2,000 .* later `since`"):
        prometheus.frame("feature_server_utilization", "2000-01-01", "2017-01-01")
    assert prometheus.server.asked == []


def test_longest_question_that_is_allowed_is_asked_whole(source, monkeypatch):
    """The bound is on the questions that are really sent."""
    monkeypatch.setattr("tecton_nb.metrics.prometheus._MOST_QUESTIONS", 2)
    prometheus = source(matrix())
    whole = timedelta(seconds=15) * 1_440

    prometheus.frame("feature_server_utilization", START, START + whole * 2 - timedelta(seconds=15))

    assert len(prometheus.server.asked) == 2
    with pytest.raises(InputError, match=r"3 questions"):
        prometheus.frame("feature_server_utilization", START, START + whole * 2)


def test_nobody_there_is_told():
    """A port where nothing listens is a sentence with the address."""
    with (
        PrometheusSource("http://127.0.0.1:9") as prometheus,
        pytest.raises(ConnectionFailedError, match=r"No answer from the Prometheus at 'http://127\.0\.0\.1:9/"),
    ):
        prometheus.frame("feature_server_utilization", START, START)


@pytest.mark.parametrize("url", ["", "prometheus:9090", "ftp://x", "http://", "file:///etc", 5])
def test_address_that_is_none_is_refused(url):
    """A word, a path or another protocol is no address of a Prometheus."""
    with pytest.raises(SettingsError, match=r"is no address; write such as 'http://127\.0\.0\.1:9090'"):
        PrometheusSource(url)


def test_password_in_an_address_is_not_shown():
    """What stands before the host in an address is in no repr."""
    with PrometheusSource("http://me:CANARY-PASSWORD@127.0.0.1:9") as prometheus:
        assert "CANARY" not in repr(prometheus)
        with pytest.raises(ConnectionFailedError) as caught:
            prometheus.frame("feature_server_utilization", START, START)
        assert "CANARY" not in str(caught.value)
