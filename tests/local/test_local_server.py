"""The server on a socket: start and stop, limits, hostile requests, example rows."""

import gc
import json
import pprint
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest
from raw_http import BODY, SVC, THINGS, answer_of, connected, exchange, port_of, raw_request
from riders import AUTHORIZATION, KEY, rider_data, rider_definitions

from tecton_nb.exceptions import SettingsError
from tecton_nb.local import Definitions, Feature, FeatureServer, FeatureService, Field, RealtimeView
from tecton_nb.local.http.connection import Limits
from tecton_nb.wire.types import BOOLEAN, FLOAT64, INT64, STRING, TIMESTAMP, ArrayType

REQUESTS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "corpora" / "server-requests.jsonl").read_text().splitlines()
]
LIMITS = Limits(request_seconds=0.4, idle_seconds=0.4)


@pytest.fixture(scope="module")
def server():
    """A server with one service, 'svc'."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY) as running:
        yield running


EXPECTED = {
    "200": {200},
    "400": {400},
    "401": {401},
    "404": {404},
    "same": {400, 403, 421},
    "refused": {400, 403, 421},
    "400 or 401": {400, 401},
    "400 or 404": {400, 404},
    "400 or documented": {400},
    "no Access-Control-Allow-Origin": {200},
    "413 at once, no read, memory flat": {413},
    "100 then 200": {200},
    "405, no echo of Authorization": {405},
    "200 or 505": {200, 505},
    "200 or 431": {200, 431},
}


@pytest.mark.parametrize("case", [c for c in REQUESTS if c["expect"] in EXPECTED], ids=lambda case: case["id"])
def test_hostile_request_is_answered_in_json_and_the_server_lives(server, case):
    """Whatever a client sends, it gets JSON without the key or a traceback, and the next client is served."""
    text = case["request_latin1"].replace("{port}", str(port_of(server))).replace("{key:-1}", KEY[:-1])
    status, head, body = exchange(server, text.replace("{key}", KEY).encode("latin-1"))

    assert status in EXPECTED[case["expect"]]
    assert isinstance(json.loads(body), dict)
    assert b"application/json" in head
    assert b"nosniff" in head
    assert b"access-control" not in head.lower()
    assert KEY.encode() not in head + body
    assert b"Traceback" not in body
    assert exchange(server, raw_request(server))[0] == 200


def test_every_case_of_the_corpus_is_tested():
    """The corpus has no case that the tests here pass over."""
    others = {case["id"] for case in REQUESTS if case["expect"] not in EXPECTED}

    assert others == {"slowloris", "100-idle-connections"}


def test_slow_headers_are_cut_off_while_others_are_served():
    """A client that sends its headers byte by byte is cut off; the others do not notice."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, limits=LIMITS) as server:
        with closing(connected(server)) as slow:
            slow.sendall(b"POST /api/v1/feature-service/get-features HTTP/1.1\r\n")
            others = [exchange(server, raw_request(server))[0] for _ in range(3)]
            dripped = drip(slow)

        assert others == [200, 200, 200]
        assert 0 < dripped < 200


def drip(connection: socket.socket) -> int:
    """Send a header byte whenever nothing comes back for a moment; return how many went until it was closed."""
    connection.settimeout(0.05)
    for count in range(200):
        try:
            if connection.recv(100) == b"":
                return count
        except TimeoutError:
            connection.sendall(b"a")
        except ConnectionError:
            return count
    return 200


def test_idle_connections_are_closed_while_others_are_served():
    """A hundred connections that send nothing keep no one else out, and are closed."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, limits=LIMITS) as server:
        idle = [connected(server) for _ in range(100)]
        served = exchange(server, raw_request(server))[0]
        closed = [connection.recv(1) for connection in idle]
        for connection in idle:
            connection.close()

    assert served == 200
    assert closed == [b""] * 100


def test_body_that_does_not_come_is_408():
    """A client that announces a body and does not send it is told so."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, limits=LIMITS) as server:
        status, _, body = exchange(server, raw_request(server)[:-5])

    assert (status, json.loads(body)["message"]) == (408, "The body did not come in time.")


def test_connection_is_kept_for_the_next_request(server):
    """Requests follow each other on one connection."""
    with closing(connected(server)) as connection:
        statuses = []
        for _ in range(3):
            connection.sendall(raw_request(server))
            statuses.append(answer_of(connection)[0])

    assert statuses == [200, 200, 200]


def test_keep_alive_connection_is_closed_when_it_idles():
    """After an answer the connection is closed once it idles too long."""
    with (
        FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, limits=LIMITS) as server,
        closing(connected(server)) as connection,
    ):
        connection.sendall(raw_request(server))
        status = answer_of(connection)[0]
        rest = connection.recv(1)

    assert (status, rest) == (200, b"")


def test_body_of_one_mebibyte_is_read_and_a_byte_more_is_413(server):
    """The largest body is 1 MiB, announced or in chunks."""
    full = BODY + b" " * (1024 * 1024 - len(BODY))
    chunked = b"100001\r\n" + full + b" \r\n0\r\n\r\n"
    head = raw_request(server, b"", "Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")

    assert exchange(server, raw_request(server, full))[0] == 200
    assert exchange(server, raw_request(server, full + b" "))[0] == 413
    assert exchange(server, head + chunked)[0] == 413


def test_request_without_a_host_is_refused(server):
    """A request must say whom it means, in HTTP/1.0 too."""
    request = raw_request(server).replace(b"HTTP/1.1", b"HTTP/1.0")
    status, _, body = exchange(server, request.replace(f"Host: 127.0.0.1:{port_of(server)}\r\n".encode(), b""))

    assert (status, json.loads(body)["message"]) == (400, "The request must have exactly one Host header.")


def test_body_that_breaks_off_in_garbage_is_refused():
    """A chunked body that turns out to be none is refused in JSON as soon as it does."""
    with (
        FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, limits=LIMITS) as server,
        closing(connected(server)) as connection,
    ):
        head = raw_request(server, b"", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n")
        connection.sendall(head.replace(b"Content-Length: 0\r\n", b""))
        interim = connection.recv(100)
        connection.sendall(b"ZZ\r\n")
        status, _, body = answer_of(connection)

    assert interim.startswith(b"HTTP/1.1 100 ")
    assert status == 400
    assert json.loads(body)["code"] == 3


def test_failure_of_the_front_is_500_in_json(server, monkeypatch):
    """Whatever breaks inside, the client gets JSON without a traceback."""
    monkeypatch.setattr(server.responder, "admit", lambda *_: 1 / 0)
    status, _, body = exchange(server, raw_request(server))

    assert (status, json.loads(body)["message"]) == (500, "Internal error")


def test_compressed_body_is_refused(server):
    """A compressed body is not unpacked."""
    status, _, body = exchange(server, raw_request(server, extra="Content-Encoding: gzip\r\n"))

    assert (status, json.loads(body)["message"]) == (415, "The body must not be compressed.")


def test_body_is_json_whatever_the_content_type_says(server):
    """curl -d says form data, and the body is JSON all the same."""
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin-1"):
        status, _, body = exchange(server, raw_request(server, extra=f"Content-Type: {kind}\r\n"))

        assert (status, json.loads(body)) == (200, {"result": {"features": [2.5]}})


def test_headers_that_are_too_long_are_431(server):
    """A header line of 20 KB is refused without showing it."""
    status, _, body = exchange(server, raw_request(server, extra=f"X-Long: {'a' * 20_000}\r\n"))

    assert (status, json.loads(body)["message"]) == (431, "The request has too many or too long headers.")


def test_metrics_page_is_served_over_http(server):
    """The metrics endpoint answers with Prometheus text."""
    head = f"GET /api/v1/observability/metrics HTTP/1.1\r\nHost: localhost:{port_of(server)}\r\n"
    status, head_of_answer, body = exchange(server, f"{head}Authorization: {AUTHORIZATION[0]}\r\n\r\n".encode())

    assert status == 200
    assert b"Content-Type: text/plain; version=0.0.4" in head_of_answer
    assert b'feature_service_name="svc"' in body


def test_closing_leaves_no_thread_and_no_connection():
    """After close no thread runs, open connections have ended and the port is free for the next server."""
    before = set(threading.enumerate())
    server = FeatureServer(SVC, data={"things": THINGS}, api_key=KEY).start()
    port = port_of(server)
    with closing(connected(server)) as connection:
        connection.sendall(raw_request(server))
        answer_of(connection)
        server.close()
        server.close()
        end = connection.recv(1)

    assert end == b""
    assert set(threading.enumerate()) == before
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, port=port) as again:
        assert exchange(again, raw_request(again))[0] == 200


def test_server_that_nobody_holds_is_closed():
    """A server that went out of sight ends by itself."""
    before = set(threading.enumerate())
    server = FeatureServer(SVC, api_key=KEY).start()
    del server
    gc.collect()

    assert set(threading.enumerate()) == before


def test_server_starts_once():
    """A server is started once; entering a started one is fine."""
    with FeatureServer(SVC).start() as server:
        with pytest.raises(SettingsError, match="can be started once"):
            server.start()
        assert server.url.startswith("http://127.0.0.1:")
    with pytest.raises(SettingsError, match="can be started once"):
        FeatureServer.start(server)


def test_address_before_the_start_is_refused_in_words():
    """Before it listens a server has no address."""
    server = FeatureServer(SVC)

    with pytest.raises(SettingsError) as caught:
        _ = server.url
    server.close()

    assert str(caught.value) == "The feature server has no address yet; call start() first."


def test_port_that_is_taken_is_refused_in_words(server):
    """A port in use is told, with the way out."""
    other = FeatureServer(SVC, port=port_of(server))

    with pytest.raises(SettingsError, match="Choose another port, or 0 for a free one"):
        other.start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.com", ""])  # noqa: S104
def test_only_loopback_addresses_are_listened_on(host):
    """The server cannot be opened to the network."""
    with pytest.raises(SettingsError, match=r"listens on '127.0.0.1', 'localhost', '::1' only"):
        FeatureServer(SVC, host=host)


def test_repr_tells_the_state_and_never_the_key():
    """repr, str and vars tell where the server is and never its key."""
    server = FeatureServer(SVC, data={"things": THINGS}, api_key=KEY)
    texts = [repr(server)]
    with server:
        texts += [repr(server), pprint.pformat(vars(server)), pprint.pformat(vars(server.responder))]
        url = server.url
    texts.append(repr(server))

    assert texts[0] == "<FeatureServer not started, 1 feature service>"
    assert texts[1] == f"<FeatureServer {url}, 1 feature service>"
    assert texts[-1] == "<FeatureServer closed, 1 feature service>"
    assert not any(KEY in text for text in texts)


def test_random_key_is_made_when_none_is_given():
    """Every server without a key of its own gets another one."""
    first, second = FeatureServer(SVC), FeatureServer(SVC)
    keys = {first.api_key, second.api_key}
    for server in (first, second):
        server.close()

    assert len(keys) == 2
    assert min(map(len, keys)) >= 32


def test_example_rows_come_from_the_stored_keys():
    """Without recorded rows the keys of the store are combined, with made-up context of the right types."""
    server = FeatureServer(rider_definitions(), data=rider_data())
    zones = server.example_rows("rider_zone_service")
    riders = server.example_rows("rider_eta_service", 1)
    wildcard = server.example_rows("rider_recent_zones")
    server.close()

    assert {name: str(dtype) for name, dtype in zones.dtypes.items()} == {"rider_id": "string", "zone_id": "Int64"}
    assert zones.values.tolist() == [["R-77", 501], ["R-77", 502], ["R-77", 9007199254740993], ["R-78", 501]]
    assert riders.to_dict("list") == {"rider_id": ["R-77"], "basket_value": [1.0]}
    assert str(riders.dtypes["basket_value"]) == "Float64"
    assert wildcard.to_dict("list") == {"rider_id": ["R-77", "R-78"]}


def test_example_rows_make_up_context_of_every_type():
    """A service with context only gets n rows with a value of each scalar type."""
    kinds = {"s": STRING, "i": INT64, "f": FLOAT64, "b": BOOLEAN, "t": TIMESTAMP, "a": ArrayType(INT64)}
    context = tuple(Field(name, kind) for name, kind in kinds.items())
    view = RealtimeView("live", (Feature("x", INT64),), dict, context)
    server = FeatureServer(Definitions((view,), (FeatureService("live", ("live",)),)))
    rows = server.example_rows("live", 2)
    server.close()

    assert [str(dtype) for dtype in rows.dtypes] == [
        "string",
        "Int64",
        "Float64",
        "boolean",
        "datetime64[ns, UTC]",
        "object",
    ]
    assert rows["i"].tolist() == [1, 2]
    assert rows["a"].tolist() == [None, None]


def test_example_rows_of_a_service_without_data_are_empty():
    """Where nothing is stored there are no keys to show."""
    server = FeatureServer(SVC)
    rows = server.example_rows("svc")
    server.close()

    assert rows.empty
    assert list(rows.columns) == ["id"]


def test_example_rows_of_an_unknown_service_are_refused_in_words(server):
    """An unknown service is told, with the known ones."""
    with pytest.raises(SettingsError) as caught:
        server.example_rows("svk")

    assert str(caught.value) == (
        "The embedded server has no feature service 'svk' in workspace 'prod'; it has 'svc'. Did you mean 'svc'?"
    )


def test_mistake_in_definitions_stops_the_server_before_it_starts():
    """Definitions that cannot be served are refused when the server is made."""
    with pytest.raises(SettingsError, match="names the view 'things', which is not defined"):
        FeatureServer(Definitions((), (FeatureService("svc", ("things",)),)))
