"""The fault matrix, B3-B6, B8, B9, B12-B16 and B32: what comes back instead of an answer."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fault_server import Received, Steps, answer
from feature_plan import Fault, Features, features_answer, missing_rows, rows, status, wrong_rows

from tecton_nb import exceptions
from tecton_nb.transport.policy import Cause

pytestmark = pytest.mark.faults

CORPUS = Path(__file__).parents[1] / "corpora" / "responses.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
# Their waits are in test_matrix_waits; a refused key ends a run; time is what the slow ones need.
ELSEWHERE = {"429-date-skewed-clock"}
TABLE = [
    case
    for case in CASES
    if case["id"] not in ELSEWHERE and case["group"] != "slow" and case["outcome"] != "error:auth"
]
ERRORS = {
    "throttled": exceptions.ResourceExhaustedError,
    "unavailable": exceptions.TectonHttpException,
    "auth": exceptions.TectonHttpException,
    "not_found": exceptions.NotFoundError,
    "bad_request": exceptions.TectonHttpException,
    "server": exceptions.TectonHttpException,
    "protocol": exceptions.ProtocolError,
    "bad_payload": exceptions.DecodeError,
    "schema": exceptions.DecodeError,
    "value": exceptions.DecodeError,
    "redirect": exceptions.RedirectRefusedError,
    "too_large": exceptions.ResponseTooLargeError,
    "connection": exceptions.ConnectionFailedError,
}
# What is tried again less often than four times in all.
ATTEMPTS = {"200-empty": 3, "json-two-documents": 3, "gzip-truncated": 3, "http-0.9": 2}
FIRST = 1_000_000
STALL = {"sleep": 60}


def _features_of(case: dict[str, Any]) -> list[Any]:
    sent = base64.b64decode(case["steps"][0]["send_b64"])
    values, _ = json.JSONDecoder().raw_decode(sent.partition(b"\r\n\r\n")[2].decode())
    number, share, text = values["result"]["features"]
    return [int(number), share, text]


def test_every_case_of_the_corpus_spoils_its_own_row_only(serve, take):
    """Whatever a server does with some rows, each has its value or a typed error, and all the others are right."""
    cases = dict(enumerate(TABLE, FIRST))
    other = serve([answer(b"{}")])
    server = serve(Features(by_key={key: (case["steps"],) for key, case in cases.items()}), other_port=other.port)
    asked = rows(len(cases) * 25)
    asked.loc[::25, "k"] = list(cases)
    service = take(server)

    batch = service.get_features_batch(asked, concurrency=16, rows_per_call=1)

    frame, errors = batch.to_pandas().set_axis(asked["k"]), batch.errors()
    errors.index = asked["k"][errors.index]
    healthy = ~asked["k"].isin(cases)
    assert wrong_rows(frame[healthy.to_numpy()], asked[healthy]) == []
    assert missing_rows(frame[healthy.to_numpy()]) == []
    for key, case in cases.items():
        kind, _, name = case["outcome"].partition(":")
        if kind == "value":
            assert frame.loc[key].tolist() == _features_of(case), case["id"]
        elif kind == "error":
            assert issubclass(getattr(exceptions, errors["exception"][key]), ERRORS[name]), case["id"]
            wanted = ATTEMPTS.get(case["id"], 4) if case["retry"] else 1
            assert errors["attempts"][key] == wanted, case["id"]
            # A request on a kept connection that dies under it is sent once more, unseen.
            assert server.counts().asked[str(key)] >= wanted, case["id"]
        else:
            assert (key in errors.index) == frame.loc[key].isna().all(), case["id"]
    assert other.counts().requests == 0
    assert batch.report.attempts == len(batch.calls())


@pytest.mark.parametrize("code", [502, 503, 504])
@pytest.mark.parametrize("body", [b'{"message":"busy"}', b"<html><title>Busy</title></html>", b""])
def test_server_that_is_busy_for_a_moment_costs_no_row(serve, take, code, body):
    """A 502, 503 or 504 is asked again, whatever its body is; the status stands in the error where it stays."""
    busy = [status(code, body=body)]
    server = serve(Features(by_key={1: (busy, None), 2: (busy, busy, busy, None), 3: (busy,)}))

    batch = take(server).get_features_batch(rows(5), rows_per_call=1)

    assert missing_rows(batch.to_pandas()) == [3]
    assert batch.errors()["status"].tolist() == [code]
    assert batch.errors()["attempts"].tolist() == [4]
    assert server.counts().asked == {"0": 1, "1": 2, "2": 4, "3": 4, "4": 1}


def test_internal_error_is_tried_once_more(serve, take):
    """A 500 gets one retry: two requests, and the row has its status."""
    server = serve(Features(by_key={1: ([status(500)],), 2: ([status(500)], None)}))

    batch = take(server).get_features_batch(rows(4), rows_per_call=1)

    assert batch.errors()["exception"].tolist() == ["InternalServerError"]
    assert server.counts().asked == {"0": 1, "1": 2, "2": 2, "3": 1}


@pytest.mark.parametrize("code", [400, 404, 405, 409, 418, 422, 499])
@pytest.mark.parametrize("body", [b'{"message":"x","code":3}', b"<html>", b"", b"\xff\xfe", b"[1]", b'{"message":7}'])
def test_refusal_is_told_as_it_is_and_not_repeated(serve, take, code, body):
    """A 4xx is the answer: one request, and no body hides the status."""
    server = serve(Features(by_key={1: ([status(code, body=body)],)}))

    batch = take(server).get_features_batch(rows(3), rows_per_call=1)

    assert batch.errors()["status"].tolist() == [code]
    assert missing_rows(batch.to_pandas()) == [1]
    assert set(server.counts().asked.values()) == {1}


@pytest.mark.parametrize("case", [c for c in CASES if c["outcome"] == "error:auth"], ids=lambda case: case["id"])
def test_refused_key_ends_the_run(serve, take, case):
    """A 401 or 403 at the first of 10,000 rows costs no more requests than are in flight, whatever its body is."""
    server = serve(Features(faults=(Fault(1.0, case["steps"]),)))

    batch = take(server).get_features_batch(rows(10_000), concurrency=32, rows_per_call=1)

    kinds = batch.errors()["exception"].value_counts().to_dict()
    assert server.counts().requests <= 32
    assert sum(kinds.values()) == 10_000
    assert kinds["BatchStoppedError"] >= 10_000 - 32
    assert batch.report.is_stopped
    assert (batch.statuses().iloc[-1] == "NOT_FETCHED").all()


HANGS: tuple[Steps, ...] = (
    *(case["steps"] for case in CASES if case["id"] in {"stall-body", "drip-1xx"}),
    [STALL],
    [{"right": 1, "cut": 60}, STALL],
    [{"right": 1, "cut": 200}, {"repeat": {"send": b" ", "times": 1_000, "every": 0.02}}],
    [{"repeat": {"send": b"HTTP/1.1 103 Early Hints\r\n\r\n", "times": 1_000, "every": 0.02}}],
)


def test_rows_that_hang_are_given_up_and_harm_no_other(serve, take):
    """However slowly a server answers, the deadline is for a whole attempt; every other row is right."""
    hanging = dict(enumerate(HANGS, 3))
    server = serve(Features(by_key={key: (steps,) for key, steps in hanging.items()}))

    batch = take(server).get_features_batch(rows(60), concurrency=8, rows_per_call=1, deadline_seconds=0.5)

    assert missing_rows(batch.to_pandas()) == list(hanging)
    assert wrong_rows(batch.to_pandas(), rows(60)) == []
    assert set(batch.errors()["exception"]) == {"DeadlineExceededError"}
    assert batch.errors()["attempts"].tolist() == [4] * len(hanging)
    assert batch.calls()["client_time_seconds"].max() < 5


def test_answer_that_comes_too_late_reaches_no_other_row(serve, take):
    """What arrives after its deadline is read by nobody, however many rows follow."""
    late = [{"sleep": 0.5}, {"right": 1}, {"right": 1}]
    server = serve(Features(by_key=dict.fromkeys(range(0, 400, 40), (late, None))))

    batch = take(server).get_features_batch(rows(400), concurrency=4, rows_per_call=1, deadline_seconds=0.3)

    assert wrong_rows(batch.to_pandas(), rows(400)) == []
    assert missing_rows(batch.to_pandas()) == []


def test_server_that_never_reads_is_given_up(serve, take):
    """A server that accepts and does nothing ends every row with a typed error, in time."""
    server = serve(Features())
    service = take(server)
    server.change([{"no_read": True}, STALL])

    batch = service.get_features_batch(rows(8), concurrency=8, rows_per_call=1, deadline_seconds=0.2)

    assert batch.errors()["exception"].tolist() == ["DeadlineExceededError"] * 8


def test_connections_that_swallow_requests_are_replaced(serve, take):
    """When every kept connection is dead but open, as after a change of network, the rows still come."""
    server = serve(Features(before_each=[{"gather": 8}]))
    service = take(server)
    service.get_features_batch(rows(8), concurrency=8, rows_per_call=1)
    server.change(Swallowing(old=server.counts().connections))

    batch = service.get_features_batch(rows(8), concurrency=1, rows_per_call=1, deadline_seconds=0.5)

    assert missing_rows(batch.to_pandas()) == []
    assert wrong_rows(batch.to_pandas(), rows(8)) == []
    # After two that never answered the other six are not tried.
    assert batch.report.retries == {Cause.TIMEOUT: 2}


@dataclass
class Swallowing:
    """Answers on connections opened since, never on those that were there."""

    old: int
    right: Features = field(default_factory=Features)

    def __call__(self, asked: Received) -> Steps:
        """Return the steps for a request."""
        return self.right(asked) if asked.connection >= self.old else [STALL]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([answer(b"<html><head><title>Sign in - Example</title></head></html>")], "Sign in - Example"),
        ([answer(b'{"error":"x","message":"wrong cluster","code":5}')], "wrong cluster"),
        ([answer(b'["a"]')], "object"),
    ],
    ids=["login page", "error body", "wrong type"],
)
def test_page_instead_of_an_answer_is_shown_and_not_repeated(serve, take, steps, words):
    """A login page or an error that comes as a success is told by what it says, after one request."""
    server = serve(Features(by_key={1: (steps,)}))

    batch = take(server).get_features_batch(rows(3), rows_per_call=1)

    assert words in batch.errors()["message"].iloc[0]
    assert server.counts().asked == {"0": 1, "1": 1, "2": 1}


POISON = {
    "nan token": b'"result":{"features":["1",NaN,"x"]}',
    "1e400": b'"result":{"features":["1",1e400,"x"]}',
    "2**63": b'"result":{"features":["9223372036854775808",0.5,"x"]}',
    "number for int64 beyond float": b'"result":{"features":[1e3,0.5,"x"]}',
    "5000 digits": b'"result":{"features":[' + b"9" * 5_000 + b',0.5,"x"]}',
    "lone surrogate": b'"result":{"features":["1",0.5,"\\ud800"]}',
    "duplicate keys": b'"result":{"features":["1",0.5,"x"]},"result":{"features":["2",0.5,"y"]}',
    "short vector": b'"result":{"features":["1",0.5]}',
    "long vector": b'"result":{"features":["1",0.5,"x","y"]}',
    "object": b'"result":{"features":["1",{"a":1},"x"]}',
    "deep": b'"result":{"features":["1",' + b"[" * 20_000 + b"]" * 20_000 + b',"x"]}',
    "text for a number": b'"result":{"features":["1","half","x"]}',
    "null result": b'"result":null',
}


def test_poisoned_answers_spoil_their_own_rows_only(serve, take):
    """A value that means nothing is a typed error of its row, never a shift, a guess or the end of a batch."""
    keys = {7 * i + 3: body for i, body in enumerate(POISON.values())}
    plan = Features(by_key={key: ([answer(_whole(body))],) for key, body in keys.items()})

    batch = take(serve(plan)).get_features_batch(rows(200), rows_per_call=1)

    found = batch.to_pandas()
    poisoned = [key for key, body in keys.items() if body != POISON["duplicate keys"]]
    assert set(poisoned) <= set(missing_rows(found))
    assert set(wrong_rows(found, rows(200))) <= set(keys)
    assert set(missing_rows(found)) == set(batch.errors().index) <= set(keys)
    assert set(batch.errors()["exception"]) == {"DecodeError"}


def _whole(result: bytes) -> bytes:
    metadata = features_answer(["1"], "get-features").partition(b'"metadata": ')[2]
    return b"{" + result + b', "metadata": ' + metadata


def _packed(times: int) -> bytes:
    body = bytes(200 * 2**20)
    for _ in range(times):
        body = gzip.compress(body, 9)
    return body


def _bombs() -> dict[str, Steps]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    return {
        "gzip": [answer(_packed(1), "200 OK", "Content-Encoding: gzip")],
        "stacked gzip": [answer(_packed(2), "200 OK", "Content-Encoding: gzip, gzip")],
        "endless": [{"send": head + b"\r\n"}, {"repeat": {"send": b" " * 65_536, "times": 4_096}}],
        "endless chunks": [
            {"send": head + b"Transfer-Encoding: chunked\r\n\r\n"},
            {"repeat": {"send": b"1000\r\n" + b" " * 4_096 + b"\r\n", "times": 65_536}},
        ],
        "huge length": [{"send": head + b"Content-Length: 99999999999999\r\n\r\n{}"}, STALL],
        "large header": [answer(b"{}", "200 OK", "X: " + "x" * 400_000)],
    }


def test_bombs_are_refused_in_little_memory(far, program):
    """Answers that would fill the memory are typed errors; the whole process grows by less than 32 MiB."""
    bombs = _bombs()
    server = far(Features(by_key={key: (steps,) for key, steps in enumerate(bombs.values(), 1)}))

    said = program(
        """
import resource
with tnb.TectonClient(<url>, "k" * 20, "prod") as client:
    service = client.feature_service(SERVICE)
    service.get_features_batch(rows(1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    batch = service.get_features_batch(rows(9), concurrency=1, rows_per_call=1, deadline_seconds=30)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    print(missing_rows(batch.to_pandas()))
    print(*batch.errors()["exception"])
""",
        url=server.url,
    ).over()

    grown, missing, exceptions_ = said.splitlines()
    assert int(grown) < 32 * 1_024
    assert missing == "[1, 2, 3, 4, 5, 6]"
    wanted = {"stacked gzip": "DecodeError"}
    assert exceptions_.split() == [wanted.get(name, "ResponseTooLargeError") for name in bombs]
    assert server.counts().asked == {"0": 2} | {str(key): 1 for key in range(1, 9)}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["{other}/steal", "//127.0.0.1:{port}/steal", "/elsewhere", ""])
def test_redirect_is_refused_and_says_where_to(serve, take, code, target):
    """Nothing is sent to where a redirect points: the other server sees no request, the error names it."""
    other = serve([answer(b"{}")])
    location = target.format(other=other.url, port=other.port)
    server = serve(Features(by_key={1: ([answer(b"", f"{code} X", f"Location: {location}")],)}))

    batch = take(server).get_features_batch(rows(3), rows_per_call=1)

    assert batch.errors()["exception"].tolist() == ["RedirectRefusedError"]
    assert location in batch.errors()["message"].iloc[0]
    assert server.counts().asked == {"0": 1, "1": 1, "2": 1}
    assert other.counts().connections == 0


def test_corpus_is_covered_whole():
    """No case of the corpus is left out: those not in the table have a test of their own."""
    slow = {case["id"] for case in CASES if case["group"] == "slow"}
    auth = {case["id"] for case in CASES if case["outcome"] == "error:auth"}

    assert {case["id"] for case in TABLE} | slow | auth | ELSEWHERE == {case["id"] for case in CASES}
