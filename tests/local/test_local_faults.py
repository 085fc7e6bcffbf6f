"""Faults on demand: what each kind does on the wire, whom it hits, and that a run repeats."""

import json
import re
import threading
from contextlib import closing
from datetime import timedelta
from email.utils import parsedate_to_datetime
from time import monotonic

import orjson
import pandas as pd
import pytest
from raw_http import (
    BODY,
    SVC,
    THINGS,
    answer_of,
    connected,
    exchange,
    port_of,
    raw_request,
    wait_until_no_connection_is_open,
)
from riders import AUTHORIZATION, KEY, NOW, rider_data, rider_definitions

from tecton_nb.exceptions import SettingsError
from tecton_nb.local import FeatureServer
from tecton_nb.local.clock import FixedClock
from tecton_nb.local.faults import (
    AddedFeature,
    AddedLatency,
    DoubleAnswer,
    Drip,
    EarlyClose,
    ErrorStatus,
    Fault,
    Faults,
    Garbage,
    Lognormal,
    MissingFeatures,
    Redirect,
    RemovedFeature,
    RenamedFeature,
    Reset,
    RetypedFeature,
    StaleValues,
    Stall,
    Uniform,
    WrongLength,
)
from tecton_nb.local.faults.fields import Arrival
from tecton_nb.local.serving.dialect import Dialect

GOOD = {"result": {"features": [2.5]}}
NAMED = (
    b'{"params":{"featureServiceName":"svc","joinKeyMap":{"id":"1"},"metadataOptions":'
    b'{"includeNames":true,"includeDataTypes":true,"includeServingStatus":true}}}'
)


@pytest.fixture(scope="module")
def server():
    """A server with one service, 'svc'."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_faults_are_left(server):
    """Every test begins and ends without faults."""
    server.faults.clear()
    yield
    server.faults.clear()


@pytest.fixture(scope="module")
def riders():
    """A server whose clock stands still, with views of every kind."""
    with FeatureServer(rider_definitions(), data=rider_data(), api_key=KEY, clock=FixedClock(NOW)) as running:
        yield running


def rows_asked(count: int) -> list[bytes]:
    """Bodies that differ in their join key."""
    return [BODY.replace(b'"1"', b'"%d"' % row) for row in range(count)]


def statuses(server: FeatureServer, bodies: list[bytes]) -> list[int]:
    """The status of the answer to each body, all on one connection."""
    with closing(connected(server)) as connection:
        found = []
        for body in bodies:
            connection.sendall(raw_request(server, body))
            found.append(answer_of(connection)[0])
        return found


def everything(server: FeatureServer, body: bytes = BODY, *, seconds: float = 0.3) -> tuple[bytes, str]:
    """All that comes back to one request, and how it ended: 'closed', 'reset', or 'open' if it is silent so long."""
    with closing(connected(server)) as connection:
        connection.settimeout(seconds)
        connection.sendall(raw_request(server, body))
        found = b""
        try:
            while part := connection.recv(65_536):
                found += part
        except TimeoutError:
            return found, "open"
        except ConnectionResetError:
            return found, "reset"
        return found, "closed"


def body_of(answer: bytes) -> bytes:
    """What follows the head."""
    return answer.partition(b"\r\n\r\n")[2]


def asked(server: FeatureServer, operation: str, **params: object) -> dict[str, object]:
    """The JSON answer of an operation."""
    request = raw_request(server, orjson.dumps({"params": params}))
    return json.loads(exchange(server, request.replace(b"/get-features", f"/{operation}".encode()))[2])


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (429, 8, "GetFeatures exceeded the concurrent request limit."),
        (500, 13, "Internal Server Error"),
        (503, 14, "503 Service Temporarily Unavailable"),
        (504, 4, "Timed out"),
        (418, 2, "I'm a Teapot"),
    ],
)
def test_error_status_comes_in_the_servers_words(server, status, code, message):
    """An error that is asked for has the documented code and text."""
    with server.faults.add(ErrorStatus(status)):
        found, head, body = exchange(server, raw_request(server))

    assert found == status
    assert json.loads(body) == {"error": message, "message": message, "code": code}
    assert b"application/json" in head
    assert b"Retry-After" not in head
    assert server.faults.counts() == {f"status {status}": 1}


def test_error_status_comes_as_a_page_or_empty(server):
    """A proxy's error is HTML or nothing at all."""
    with server.faults.add(ErrorStatus(503, "html")):
        page = exchange(server, raw_request(server))
    with server.faults.add(ErrorStatus(503, "empty")):
        nothing = exchange(server, raw_request(server))

    assert (page[0], nothing[0], nothing[2]) == (503, 503, b"")
    assert b"Content-Type: text/html" in page[1]
    assert b"<h1>503 Service Unavailable</h1>" in page[2]


@pytest.mark.parametrize(("seconds", "said"), [(2, b"2"), (0, b"0"), (0.25, b"0.25"), (10_000_000, b"10000000")])
def test_retry_after_says_seconds(server, seconds, said):
    """Retry-After comes in seconds as they were given."""
    with server.faults.add(ErrorStatus(429, retry_after=seconds)):
        head = exchange(server, raw_request(server))[1]

    assert b"Retry-After: " + said + b"\r\n" in head


def test_retry_after_says_a_date_of_the_servers_clock(server):
    """Retry-After as a date counts from the Date header, however wrong the server's clock is."""
    day = 86_400
    with server.faults.add(ErrorStatus(429, retry_after=2, retry_after_as="date", clock_skew_seconds=day)):
        head = exchange(server, raw_request(server))[1].decode()
    said = {name: parsedate_to_datetime(re.search(f"{name}: (.*)\r\n", head)[1]) for name in ("Date", "Retry-After")}

    assert timedelta(seconds=1) <= said["Retry-After"] - said["Date"] <= timedelta(seconds=3)
    assert said["Date"] - pd.Timestamp.now(tz="UTC") > timedelta(hours=23)


def test_redirect_sends_elsewhere(server):
    """A redirect names the other place."""
    with server.faults.add(Redirect("https://elsewhere.invalid/x")):
        status, head, body = exchange(server, raw_request(server))

    assert (status, body) == (307, b"")
    assert b"Location: https://elsewhere.invalid/x\r\n" in head


@pytest.mark.parametrize("after", ["nothing", "headers", "half"])
def test_reset_ends_the_connection_in_the_middle(server, after):
    """A reset comes where it was asked for."""
    with server.faults.add(Reset(after)):
        found, end = everything(server)

    assert end == "reset"
    check_part(found, after)


@pytest.mark.parametrize("after", ["nothing", "headers", "half"])
def test_early_close_ends_the_connection_in_the_middle(server, after):
    """A connection is closed in good order where it was asked for."""
    with server.faults.add(EarlyClose(after)):
        found, end = everything(server)

    assert end == "closed"
    check_part(found, after)


def check_part(found: bytes, after: str) -> None:
    """Check that so much of the good answer was sent."""
    whole = json.dumps(GOOD, separators=(",", ":")).encode()
    assert found.endswith({"nothing": b"", "headers": b"\r\n\r\n", "half": whole[: len(whole) // 2]}[after])
    assert (b"Content-Length: %d" % len(whole) in found) is (after != "nothing")


@pytest.mark.parametrize("after", ["nothing", "headers", "half"])
def test_stall_holds_the_rest_back(server, after):
    """The server falls silent where it was asked to, and others are served all the same."""
    with server.faults.add(Stall(30, after, at_most=1)):
        found, end = everything(server, seconds=0.1)
        others = [exchange(server, raw_request(server))[0] for _ in range(3)]

    assert end == "open"
    check_part(found, after)
    assert others == [200, 200, 200]


def test_stall_goes_on_when_it_is_over(server):
    """After a stall the answer comes, and the connection can be used again."""
    with server.faults.add(Stall(0.05, "half", at_most=1)):
        found = statuses(server, [BODY, BODY])

    assert found == [200, 200]


def test_client_that_leaves_during_a_stall_is_forgotten():
    """An answer is not held back for someone who has gone."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, faults=[Stall(60, "headers")]) as server:
        with closing(connected(server)) as connection:
            connection.sendall(raw_request(server))
            connection.recv(10)
        wait_until_no_connection_is_open(server)


def test_closing_the_server_does_not_wait_for_a_stall():
    """A server that holds an answer back closes at once."""
    server = FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, faults=[Stall(60, "headers")])
    with server, closing(connected(server)) as connection:
        connection.sendall(raw_request(server))
        connection.recv(10)
        began = monotonic()
        server.close()
        took = monotonic() - began

    assert took < 1.0


@pytest.mark.parametrize(
    ("content", "kind", "length"),
    [("cut-json", b"application/json", 14), ("random", b"application/json", 29), ("empty", b"application/json", 0)],
)
def test_garbage_has_the_length_it_announces_and_is_no_json(server, content, kind, length):
    """Garbage is complete HTTP and no JSON, and the next request on the connection is served."""
    with server.faults.add(Garbage(content, at_most=1)), closing(connected(server)) as connection:
        connection.sendall(raw_request(server))
        status, head, body = answer_of(connection)
        connection.sendall(raw_request(server))
        after = json.loads(answer_of(connection)[2])

    assert (status, len(body), after) == (200, length, GOOD)
    assert kind in head
    with pytest.raises(ValueError, match=r".*"):
        json.loads(body)


def test_login_page_says_200(server):
    """A login page in place of an answer is HTML with status 200."""
    with server.faults.add(Garbage("html")):
        status, head, body = exchange(server, raw_request(server))

    assert status == 200
    assert b"Content-Type: text/html" in head
    assert b"<title>Please log in</title>" in body


def test_announced_length_is_too_long_or_too_short(server):
    """More bytes are announced than come before the close, or fewer on a connection that stays open."""
    with server.faults.add(WrongLength(7)):
        longer = everything(server)
    with server.faults.add(WrongLength(-7)):
        shorter = everything(server)

    assert b"Content-Length: 36" in longer[0]
    assert b"Content-Length: 22" in shorter[0]
    assert json.loads(body_of(longer[0])) == json.loads(body_of(shorter[0])) == GOOD
    assert (longer[1], shorter[1]) == ("closed", "open")


def test_double_answer_leaves_one_over(server):
    """The same answer comes twice on a connection that stays open."""
    with server.faults.add(DoubleAnswer()):
        found, end = everything(server)

    assert end == "open"
    assert found == found[: len(found) // 2] * 2


def test_drip_comes_piece_by_piece(server):
    """A dripping answer takes its time and is complete in the end."""
    with server.faults.add(Drip(5, 0.01)):
        began = monotonic()
        body = exchange(server, raw_request(server))[2]
        took = monotonic() - began

    assert json.loads(body) == GOOD
    assert took >= 0.06


def test_interim_drip_comes_before_the_answer(server):
    """Interim answers come one by one before the real one."""
    with server.faults.add(Drip(10, 0.01, "interim")):
        found, _ = everything(server)

    assert found.startswith(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\n")
    assert found.endswith(json.dumps(GOOD, separators=(",", ":")).encode())


def test_latency_is_added_on_the_way(server):
    """The answer comes later by what is added, several latencies by their sum."""
    with server.faults.add(AddedLatency(0.05), AddedLatency(Uniform(0.05, 0.06))):
        began = monotonic()
        answer = exchange(server, raw_request(server))
        took = monotonic() - began

    assert json.loads(answer[2]) == GOOD
    assert took >= 0.1


def test_latency_of_a_view_stands_in_the_slo_information(server):
    """A view that is slow is slow in the numbers that the server reports."""
    body = NAMED.replace(b"includeNames", b"includeSloInfo")
    with server.faults.add(AddedLatency(0.05, view="thin*")):
        began = monotonic()
        slow = json.loads(exchange(server, raw_request(server, body))[2])["metadata"]["sloInfo"]
        took = monotonic() - began
    fast = json.loads(exchange(server, raw_request(server, body))[2])["metadata"]["sloInfo"]

    assert slow["storeMaxLatency"] >= 0.05
    assert took >= 0.05
    assert fast["storeMaxLatency"] < 0.05


def test_latency_budget_cuts_a_slow_view(riders):
    """With a latency budget a slow view is given up."""
    with riders.faults.add(AddedLatency(5, view="zone_visits")):
        answer = asked(
            riders,
            "get-features",
            featureServiceName="rider_zone_service",
            joinKeyMap={"rider_id": "R-77", "zone_id": "501"},
            metadataOptions={"includeServingStatus": True, "includeNames": True},
            requestOptions={"latencyBudgetMs": 100},
        )

    found = {item["name"].partition(".")[0]: item["status"] for item in answer["metadata"]["features"]}
    assert found == {"zone_visits": "TIME_OUT"}


def test_distributions_draw_what_they_say():
    """Draws lie where the distribution puts them, the same for the same seed."""
    sources = [Faults(AddedLatency(kind), seed=3) for kind in (Uniform(0.1, 0.2), Lognormal(0.1, 0.5))]
    draws = [[drawn(each, row) for row in range(400)] for each in sources]

    assert all(0.1 <= seconds <= 0.2 for seconds in draws[0])
    assert 0.08 < sorted(draws[1])[200] < 0.12
    assert draws[1] == [drawn(Faults(AddedLatency(Lognormal(0.1, 0.5)), seed=3), row) for row in range(400)]


def drawn(faults: Faults, row: int) -> float:
    """The latency that a row meets."""
    (hit,) = faults.draw(Arrival("get-features", None, b"%d" % row))
    return hit.fault.drawn(hit.source)


def test_stale_values_are_those_of_then(riders):
    """Stale values come with the effective times of then, and realtime views compute from them."""
    params = {
        "featureServiceName": "rider_eta_service",
        "joinKeyMap": {"rider_id": "R-77"},
        "requestContextMap": {"basket_value": 40},
        "metadataOptions": {"includeNames": True, "includeEffectiveTimes": True},
    }
    fresh = asked(riders, "get-features", **params)
    with riders.faults.add(StaleValues("7d")):
        stale = asked(riders, "get-features", **params)
    with riders.faults.add(StaleValues("100d", view="rider_history")):
        older = asked(riders, "get-features", **params)

    assert [trips(fresh), trips(stale), trips(older)] == ["9007199254740993", "11", None]
    assert [effective_time(answer) for answer in (fresh, stale, older)] == [
        "2024-05-01T00:00:00Z",
        "2024-04-20T00:00:00Z",
        None,
    ]
    assert asked(riders, "get-features", **params) == fresh


def trips(answer: dict) -> object:
    """The value of rider_history.trips."""
    names = [item["name"] for item in answer["metadata"]["features"]]
    return answer["result"]["features"][names.index("rider_history.trips")]


def effective_time(answer: dict) -> object:
    """The effective time of rider_history.trips."""
    items = answer["metadata"]["features"]
    return next(item.get("effectiveTime") for item in items if item["name"] == "rider_history.trips")


def test_stale_values_of_one_view_leave_the_others_alone(riders):
    """A fault in values touches only the views that it names."""
    params = {"featureServiceName": "rider_zone_service", "joinKeyMap": {"rider_id": "R-77", "zone_id": "501"}}
    fresh = asked(riders, "get-features", **params)
    with riders.faults.add(StaleValues("7d", view="rider_history")):
        other = asked(riders, "get-features", **params)
    with riders.faults.add(StaleValues("7d", view="zone_visits")):
        stale = asked(riders, "get-features", **params)

    assert other == fresh
    assert stale != fresh


def test_missing_features_are_null_with_their_status(riders):
    """A feature that is missing on purpose is null and says MISSING_DATA, the others are as they were."""
    params = {
        "featureServiceName": "rider_zone_service",
        "joinKeyMap": {"rider_id": "R-77", "zone_id": "501"},
        "metadataOptions": {"includeNames": True, "includeServingStatus": True},
    }
    good = asked(riders, "get-features", **params)
    with riders.faults.add(MissingFeatures("zone_visits.wait_mean_*")):
        spoiled = asked(riders, "get-features", **params)

    lost = [item["name"].startswith("zone_visits.wait_mean_") for item in good["metadata"]["features"]]
    assert any(lost)
    assert not all(lost)
    pairs = zip(good["result"]["features"], lost, strict=True)
    assert spoiled["result"]["features"] == [None if gone else value for value, gone in pairs]
    assert [item["status"] == "MISSING_DATA" for item in spoiled["metadata"]["features"]] == lost


def test_missing_features_are_missing_in_every_row_of_a_batch(riders):
    """A batch has one status per row, and all of them say so."""
    rows = [{"joinKeyMap": {"rider_id": rider, "zone_id": "501"}} for rider in ("R-77", "R-78")]
    params = {"featureServiceName": "rider_zone_service", "requestData": rows}
    with riders.faults.add(MissingFeatures("zone_visits.*")):
        answer = asked(riders, "get-features-batch", **params, metadataOptions={"includeServingStatus": True})

    assert {value for row in answer["result"] for value in row["features"]} == {None}
    assert all(item["status"] == ["MISSING_DATA"] * 2 for item in answer["metadata"]["features"])


def test_missing_features_are_missing_in_every_row_of_a_query(riders):
    """All rows behind a wildcard lose the feature and keep their join keys."""
    params = {"featureServiceName": "rider_recent_zones", "joinKeyMap": {"rider_id": "R-77"}}
    good = asked(riders, "query-features", **params)["results"]
    with riders.faults.add(MissingFeatures("*")):
        spoiled = asked(riders, "query-features", **params)["results"]

    assert [row["joinKeys"] for row in spoiled] == [row["joinKeys"] for row in good]
    assert {value for row in spoiled for value in row["features"]} == {None}


@pytest.mark.parametrize(
    ("fault", "names", "types", "values"),
    [
        (RenamedFeature("things.size", "things.length"), ["things.length"], ["float64"], [2.5]),
        (RetypedFeature("things.*", "string"), ["things.size"], ["string"], ["2.5"]),
        (RetypedFeature("things.*", "int64"), ["things.size"], ["int64"], ["2"]),
        (RetypedFeature("things.*", "boolean"), ["things.size"], ["boolean"], [True]),
        (RetypedFeature("things.*", "timestamp"), ["things.size"], ["timestamp"], [None]),
        (RemovedFeature("things.size"), [], [], []),
        (AddedFeature("new.x", "int64", "7"), ["things.size", "new.x"], ["float64", "int64"], [2.5, "7"]),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_changed_schema_is_the_same_in_answers_and_metadata(server, fault, names, types, values):
    """A changed schema shows in values, in their metadata and at the metadata endpoint alike."""
    with server.faults.add(fault):
        answer = json.loads(exchange(server, raw_request(server, NAMED))[2])
        metadata = asked(server, "metadata", featureServiceName="svc")

    assert answer["result"]["features"] == values
    for items in (answer["metadata"]["features"], metadata["featureValues"]):
        assert [item["name"] for item in items] == names
        assert [item["dataType"]["type"] for item in items] == types
    assert all(item["status"] == "PRESENT" for item in answer["metadata"]["features"])


def test_dialects_are_changed_like_the_usual_answer():
    """Another spelling of the answer's names does not keep its features from being changed."""
    dialect = Dialect(snake_case=True, flat_types=True, writes_empty_lists=True)
    renamed, missing = RenamedFeature("things.size", "things.length"), MissingFeatures("things.*")
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, dialect=dialect, faults=[missing, renamed]) as server:
        answer = json.loads(exchange(server, raw_request(server, NAMED))[2])
        metadata = asked(server, "metadata", featureServiceName="svc")

    (item,) = answer["metadata"]["features"]
    assert answer["result"]["features"] == [None]
    assert (item["name"], item["type"], item["status"]) == ("things.length", "float64", "MISSING_DATA")
    assert [feature["name"] for feature in metadata["feature_values"]] == ["things.length"]


def test_changes_of_the_schema_add_up(server):
    """Several changes are made one after the other, and one request counts for each of them."""
    renamed = RenamedFeature("things.size", "things.length")
    with server.faults.add(renamed, RetypedFeature("things.*", "string"), AddedFeature("z", "string", "new")):
        answer = json.loads(exchange(server, raw_request(server, NAMED))[2])

    assert answer["result"]["features"] == ["2.5", "new"]
    assert [item["name"] for item in answer["metadata"]["features"]] == ["things.length", "z"]
    assert server.faults.counts() == {"rename": 1, "retype": 1, "add": 1}


def test_refusal_is_not_changed_by_faults_in_values(server):
    """A request that the server refuses is refused in the same words."""
    bad = BODY.replace(b'"id"', b'"zzz"')
    before = exchange(server, raw_request(server, bad))[2]
    with server.faults.add(MissingFeatures("*"), StaleValues("1d")):
        after = exchange(server, raw_request(server, bad))[2]

    assert after == before


def test_key_is_not_echoed_while_there_are_faults(server):
    """A client that sends its key as a name does not get it back, with faults or without."""
    with server.faults.add(AddedLatency(0)):
        status, head, body = exchange(server, raw_request(server, BODY.replace(b"svc", KEY.encode())))

    assert status == 404
    assert KEY.encode() not in head + body


def test_share_of_the_requests_is_hit(server):
    """About so many requests are hit as the share says, and exactly as many as were counted."""
    server.faults.add(ErrorStatus(503, share=0.3))
    found = statuses(server, rows_asked(400))

    assert 80 <= found.count(503) <= 160
    assert found.count(503) + found.count(200) == 400
    assert server.faults.counts() == {"status 503": found.count(503)}


def test_run_repeats_with_its_seed():
    """The same seed hits the same requests, in whatever order they come; another seed hits others."""
    bodies = rows_asked(100)
    runs = []
    for seed, order in ((1, bodies), (1, bodies[::-1]), (2, bodies)):
        faults = Faults(ErrorStatus(503, share=0.4), seed=seed)
        with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, faults=faults) as server:
            runs.append(dict(zip(order, statuses(server, order), strict=True)))

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_same_request_again_is_drawn_anew(server):
    """A retry of a request that was hit is not hit for ever, and a second run on one server repeats the first."""
    runs = []
    for _ in range(2):
        with server.faults.add(ErrorStatus(503, share=0.5)):
            runs.append(statuses(server, [BODY] * 40))

    assert runs[0] == runs[1]
    assert 8 <= runs[0].count(503) <= 32


def test_parallel_clients_meet_the_faults_of_a_serial_one(server):
    """How requests of parallel clients mix does not change who is hit."""
    bodies = rows_asked(60)
    with server.faults.add(ErrorStatus(503, share=0.5)):
        serial = statuses(server, bodies)
    parallel: dict[int, list[int]] = {}
    with server.faults.add(ErrorStatus(503, share=0.5)):
        workers = [
            threading.Thread(target=lambda part=part: parallel.update({part: statuses(server, bodies[part::4])}))
            for part in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    assert [serial[part::4] for part in range(4)] == [parallel[part] for part in range(4)]


def test_another_fault_does_not_change_whom_the_first_one_hits(server):
    """Draws of different faults are independent."""
    bodies = rows_asked(60)
    with server.faults.add(ErrorStatus(503, share=0.5)):
        alone = statuses(server, bodies)
    with server.faults.add(ErrorStatus(503, share=0.5), AddedLatency(0, share=0.5), ErrorStatus(500, share=0.5)):
        together = statuses(server, bodies)

    assert [status == 503 for status in together] == [status == 503 for status in alone]
    assert together.count(500) > 5


def test_two_equal_faults_are_drawn_apart(server):
    """Twice the same fault is not the same draw twice."""
    bodies = rows_asked(200)
    with server.faults.add(ErrorStatus(503, share=0.5), ErrorStatus(503, share=0.5)):
        found = statuses(server, bodies)

    assert 120 <= found.count(503) <= 180


def test_fault_is_over_after_so_many_hits(server):
    """The next n requests are hit, and then no more."""
    server.faults.add(ErrorStatus(503, at_most=3))
    found = statuses(server, rows_asked(6))

    assert found == [503, 503, 503, 200, 200, 200]
    assert server.faults.counts() == {"status 503": 3}
    assert server.faults.active == ()


def test_only_the_first_of_two_endings_hits(server):
    """An answer can go out in one way only, and the fault that did nothing is not used up."""
    server.faults.add(ErrorStatus(503, at_most=2), ErrorStatus(500, at_most=2))
    found = statuses(server, rows_asked(5))

    assert found == [503, 503, 500, 500, 200]
    assert server.faults.counts() == {"status 503": 2, "status 500": 2}


def test_faults_hit_the_services_and_requests_they_name(riders):
    """Service, operation and view are names or patterns; the metrics page is hit only by its name."""
    eta = {"featureServiceName": "rider_eta_service", "joinKeyMap": {"rider_id": "R-77"}}
    zone = {"featureServiceName": "rider_zone_service", "joinKeyMap": {"rider_id": "R-77", "zone_id": "501"}}
    riders.faults.clear()
    for fault, hit in [
        (ErrorStatus(503, service="*_zone_*"), [False, True, False]),
        (ErrorStatus(503, operation="metadata"), [False, False, True]),
        (ErrorStatus(503, operation="get-features*"), [True, True, False]),
        (ErrorStatus(503, view="zone_visits"), [False, True, False]),
        (ErrorStatus(503), [True, True, True]),
    ]:
        with riders.faults.add(fault):
            answers = [
                asked(riders, "get-features", **eta, requestContextMap={"basket_value": 1}),
                asked(riders, "get-features", **zone),
                asked(riders, "metadata", featureServiceName="rider_eta_service"),
            ]
        assert [answer.get("code") == 14 for answer in answers] == hit


def test_service_is_recognised_by_its_id(riders):
    """A request by id is a request for the service of that id."""
    (service,) = [service for service in riders.services if service.name == "rider_zone_service"]
    with riders.faults.add(ErrorStatus(503, service="rider_zone_service")):
        answer = asked(riders, "metadata", featureServiceId=service.id)

    assert answer["code"] == 14


def test_metrics_page_is_hit_only_by_its_name(server):
    """A scrape is not disturbed by faults that mean the services."""
    head = f"GET /api/v1/observability/metrics HTTP/1.1\r\nHost: 127.0.0.1:{port_of(server)}\r\n"
    scrape = f"{head}Authorization: {AUTHORIZATION[0]}\r\n\r\n".encode()
    with server.faults.add(ErrorStatus(503)):
        spared = exchange(server, scrape)[0]
    with server.faults.add(ErrorStatus(503, operation="metrics")):
        hit = exchange(server, scrape)[0]

    assert (spared, hit) == (200, 503)


def test_errors_on_purpose_stand_on_the_metrics_page():
    """A monitor sees the errors that were asked for."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, faults=[ErrorStatus(504, share=0.5)]) as server:
        statuses(server, rows_asked(40))
        head = f"GET /api/v1/observability/metrics HTTP/1.1\r\nHost: 127.0.0.1:{port_of(server)}\r\n"
        page = exchange(server, f"{head}Authorization: {AUTHORIZATION[0]}\r\n\r\n".encode())[2].decode()

    shares = dict(re.findall(r'^feature_server_errors_rate\{[^}]*status="(\d+)"[^}]*\} (\S+)', page, re.MULTILINE))
    assert float(shares["504"]) > 0


def test_requests_without_a_key_meet_no_faults(server):
    """Who has no key learns nothing, not even of faults."""
    with server.faults.add(ErrorStatus(503)):
        status = exchange(server, raw_request(server).replace(KEY.encode(), b"wrong"))[0]

    assert status == 401


def test_faults_change_while_a_connection_is_open(server):
    """Faults come and go between two requests of one connection."""
    with closing(connected(server)) as connection:
        found = []
        for fault in (None, ErrorStatus(503), None, ErrorStatus(500), None):
            added = server.faults.add(*[fault] if fault else [])
            connection.sendall(raw_request(server))
            found.append(answer_of(connection)[0])
            added.remove()
            added.remove()

    assert found == [200, 503, 200, 500, 200]


def test_faults_change_under_traffic_without_an_error(server):
    """Adding and clearing faults from another thread disturbs no answer."""
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            with server.faults.add(ErrorStatus(503, share=0.5)):
                over.wait(0.001)
            server.faults.clear()

    changer = threading.Thread(target=change)
    changer.start()
    found = statuses(server, rows_asked(300))
    over.set()
    changer.join()

    assert set(found) <= {200, 503}


def test_faults_that_broke_connections_leave_the_server_clean(server):
    """After a hundred broken connections none is kept, and the next client is served."""
    with server.faults.add(Reset("half", share=0.5), EarlyClose("headers")):
        ends = [everything(server, body, seconds=5)[1] for body in rows_asked(100)]

    assert set(ends) == {"reset", "closed"}
    assert exchange(server, raw_request(server))[0] == 200


def test_counts_go_by_name_and_stay_after_the_block(server):
    """A fault is counted under its name, or its kind; leaving the block keeps the numbers, clearing does not."""
    with server.faults.add(ErrorStatus(503, name="outage", at_most=1), AddedLatency(0)) as added:
        statuses(server, rows_asked(2))
    kept = server.faults.counts()
    added.remove()
    server.faults.clear()

    assert kept == {"outage": 1, "latency": 2}
    assert server.faults.counts() == {}


def test_repr_names_what_is_active():
    """The faults of a server say what they are."""
    faults = Faults(ErrorStatus(503), Reset(name="cut"), seed=5)

    assert repr(faults) == "<Faults: status 503, cut; seed 5>"
    assert repr(Faults()) == "<Faults: none; seed 0>"
    assert faults.seed == 5


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ErrorStatus(200), "The fault 'status' has `status` = '200'; it takes a status from 400 to 599."),
        (
            lambda: ErrorStatus(503, "hmtl"),
            "The fault 'status' has `body` = 'hmtl'; it takes one of 'json', 'html', 'empty'. Did you mean 'html'?",
        ),
        (lambda: Reset(share=1.5), "The fault 'reset' has `share` = '1.5'; it takes a number from 0 to 1."),
        (lambda: Reset(share=True), "The fault 'reset' has `share` = 'True'; it takes a number from 0 to 1."),
        (lambda: Reset(at_most=0), "The fault 'reset' has `at_most` = '0'; it takes a whole number above 0."),
        (lambda: Stall(float("nan")), "The fault 'stall' has `seconds` = 'nan'; it takes seconds, 0 or more."),
        (
            lambda: StaleValues("1w"),
            "The fault 'stale' has `age` = '1w'; it takes a whole number and a unit, such as '10m', '1h' or '7d'.",
        ),
        (
            lambda: Redirect("http://a/\r\nX: y"),
            "The fault 'redirect' has `location` = 'http://a/\\r\\nX: y'; it takes an ASCII address.",
        ),
        (
            lambda: Uniform(1, -1),
            "The distribution 'uniform' has `high` = '-1'; it takes seconds, 0 or more.",
        ),
        (
            lambda: AddedLatency("50ms"),
            "The fault 'latency' has `seconds` = '50ms'; it takes seconds, 0 or more, or the distribution 'uniform' "
            "or 'lognormal'.",
        ),
    ],
)
def test_value_that_no_fault_takes_is_refused_in_words(make, sentence):
    """A mistake in a fault is told with the field, its value and what it takes."""
    with pytest.raises(SettingsError) as caught:
        make()

    assert str(caught.value) == sentence


def test_name_that_nobody_serves_is_refused_in_words(server):
    """A fault that could never hit anything is refused, with what there is."""
    for fault, sentence in [
        (Reset(service="svk"), "The fault 'reset': no service fits 'svk'; there are 'svc'. Did you mean 'svc'?"),
        (Reset(view="x*"), "The fault 'reset': no view fits 'x*'; there are 'things'."),
        (
            MissingFeatures("things.siz"),
            "The fault 'missing': no feature fits 'things.siz'; there are 'things.size'. Did you mean 'things.size'?",
        ),
    ]:
        with pytest.raises(SettingsError) as caught:
            server.faults.add(fault)

        assert str(caught.value) == sentence
    assert server.faults.active == ()
