"""Hostile requests beyond the corpus: framing tricks, foreign protocols, floods, clients that never end."""

import gzip
import json
import socket
from contextlib import ExitStack, closing

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
from riders import KEY

from tecton_nb.local import BatchView, Definitions, Feature, FeatureServer, FeatureService, Field
from tecton_nb.local.http.connection import Limits
from tecton_nb.wire.types import STRING

LINE = "POST /api/v1/feature-service/get-features HTTP/1.1\r\n"
HOST = "Host: 127.0.0.1:{port}\r\n"
KEY_LINE = "Authorization: Tecton-key {key}\r\n"
HEAD = LINE + HOST + KEY_LINE
TEXT, LENGTH = BODY.decode(), len(BODY)
PLAIN = f"Content-Length: {LENGTH}\r\n\r\n{TEXT}".replace("{", "{{").replace("}", "}}")
CHUNKED = f"{LENGTH:x}\r\n{TEXT}\r\n0\r\n\r\n".replace("{", "{{").replace("}", "}}")
TE = "Transfer-Encoding: chunked\r\n\r\n"

# What is sent, and the statuses one of which comes back; none where the connection may just be closed.
REQUESTS = {
    "length-and-chunked": (HEAD + "Content-Length: 4\r\n" + TE + CHUNKED, {400}),
    "chunked-and-length": (HEAD + "Transfer-Encoding: chunked\r\n" + PLAIN, {400}),
    "two-lengths": (HEAD + "Content-Length: 4\r\n" + PLAIN, {400}),
    "same-length-twice": (HEAD + f"Content-Length: {LENGTH}\r\n" + PLAIN, {400}),
    "length-as-a-list": (HEAD + f"Content-Length: {LENGTH}, {LENGTH}\r\n\r\n", {400}),
    "length-with-plus": (HEAD + f"Content-Length: +{LENGTH}\r\n\r\n", {400}),
    "length-in-hex": (HEAD + f"Content-Length: 0x{LENGTH:x}\r\n\r\n", {400}),
    "length-with-space": (HEAD + "Content-Length: 6 2\r\n\r\n", {400}),
    "length-with-underscore": (HEAD + "Content-Length: 6_2\r\n\r\n", {400}),
    "length-of-40-digits": (HEAD + f"Content-Length: {'9' * 40}\r\n\r\n", {400}),
    "length-empty": (HEAD + "Content-Length: \r\n\r\n", {400}),
    "space-before-colon": (HEAD + f"Content-Length : {LENGTH}\r\n\r\n", {400}),
    "chunked-twice": (HEAD + "Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKED, {400}),
    "chunked-then-identity": (HEAD + "Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKED, {400}),
    "gzip-then-chunked": (HEAD + "Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED, {400}),
    "xchunked": (HEAD + "Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED, {400}),
    "chunked-after-vertical-tab": (HEAD + "Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKED, {400}),
    "chunked-in-http-1.0": (HEAD.replace("1.1", "1.0") + TE + CHUNKED, {400}),
    "negative-chunk": (HEAD + TE + "-1\r\n\r\n", {400}),
    "chunk-beyond-64-bits": (HEAD + TE + "f" * 18 + "\r\n", {400}),
    "chunk-extension-of-100-KB": (HEAD + TE + f"1;{'a' * 100_000}\r\nx\r\n0\r\n\r\n", {400}),
    "30000-small-chunks": (HEAD + TE + "1\r\n \r\n" * 30_000 + CHUNKED, {200}),
    "2000-chunk-extensions": (HEAD + TE + "1;a=b;c\r\n \r\n" * 2_000 + CHUNKED, {200}),
    "trailers-with-a-host": (HEAD + TE + CHUNKED[:-2] + "Host: evil.example\r\n\r\n", {200, 400}),
    "50000-trailers": (HEAD + TE + CHUNKED[:-2] + "X: y\r\n" * 50_000 + "\r\n", {400, 431}),
    "folded-header": (HEAD + "X: a\r\n b\r\n" + PLAIN, {400}),
    "nul-in-the-path": ("GET /api/v1/\x00 HTTP/1.1\r\n" + HOST + KEY_LINE + "\r\n", {400}),
    "encoded-nul-in-the-path": ("GET /api/v1/%00 HTTP/1.1\r\n" + HOST + KEY_LINE + "\r\n", {404}),
    "nul-in-a-header": (HEAD + "X: a\x00b\r\n" + PLAIN, {400}),
    "bare-line-feeds": ((HEAD + PLAIN).replace("\r\n", "\n"), {400}),
    "bare-carriage-return": (HEAD + "X: a\rb\r\n" + PLAIN, {400}),
    "no-colon": (HEAD + "Nonsense\r\n" + PLAIN, {400}),
    "header-without-a-name": (HEAD + ": x\r\n" + PLAIN, {400}),
    "absolute-address-of-another": (HEAD.replace("/api", "http://evil.example/api") + PLAIN, {421}),
    "absolute-address-of-another-port": (HEAD.replace("/api", "http://127.0.0.1:1/api") + PLAIN, {421}),
    "own-absolute-address": (HEAD.replace("/api", "http://127.0.0.1:{port}/api") + PLAIN, {200}),
    "own-absolute-address-other-host": (
        LINE.replace("/api", "http://127.0.0.1:{port}/api") + "Host: evil.example\r\n" + KEY_LINE + PLAIN,
        {421},
    ),
    "path-with-two-slashes": (HEAD.replace("/api", "//evil.example/api") + PLAIN, {404}),
    "connect": ("CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + KEY_LINE + "\r\n", {404, 405, 421}),
    "options-star": ("OPTIONS * HTTP/1.1\r\n" + HOST + KEY_LINE + "\r\n", {404, 405}),
    "path-of-9-KB": (f"GET /{'a' * 9_000} HTTP/1.1\r\n" + HOST + KEY_LINE + "\r\n", {414, 431}),
    "query-of-7-KB": (HEAD.replace(" HTTP", f"?{'a' * 7_000} HTTP") + PLAIN, {200}),
    "header-name-of-9-KB": (HEAD + f"{'X' * 9_000}: a\r\n" + PLAIN, {431}),
    "3000-headers": (HEAD + "X: a\r\n" * 3_000 + PLAIN, {431}),
    "bad-percent-encoding": ("GET /api/v1/%zz%f HTTP/1.1\r\n" + HOST + KEY_LINE + "\r\n", {404}),
    "path-of-no-utf-8": ("GET /api/v1/\xff\xfe HTTP/1.1\r\n" + HOST + KEY_LINE + "\r\n", {400, 404}),
    "http-2-preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "http-2-version": (HEAD.replace("1.1", "2.0") + PLAIN, {400}),
    "http-9-version": (HEAD.replace("1.1", "9.9") + PLAIN, {400}),
    "http-0.9": ("GET /api/v1/\r\n\r\n", {400}),
    "tls-hello": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "a" * 500, {400}),
    "random-bytes": ("\xff\xfe\x00\x01" * 50, {400}),
    "websocket-upgrade": (HEAD + "Upgrade: websocket\r\nConnection: Upgrade\r\n" + PLAIN, {200}),
    "http-2-upgrade": (HEAD + "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n" + PLAIN, {200}),
    "host-of-no-ascii": (LINE + "Host: l\xf6calhost:{port}\r\n" + KEY_LINE + PLAIN, {421}),
    "host-without-port": (LINE + "Host: 127.0.0.1\r\n" + KEY_LINE + PLAIN, {421}),
    "host-with-another-port": (LINE + "Host: 127.0.0.1:80\r\n" + KEY_LINE + PLAIN, {421}),
    "host-empty": (LINE + "Host: \r\n" + KEY_LINE + PLAIN, {421}),
    "host-with-user": (LINE + "Host: a@127.0.0.1:{port}\r\n" + KEY_LINE + PLAIN, {421}),
    "host-with-final-dot": (LINE + "Host: localhost.:{port}\r\n" + KEY_LINE + PLAIN, {421}),
    "host-another-address": (LINE + "Host: 192.0.2.7:{port}\r\n" + KEY_LINE + PLAIN, {421}),
    "host-twice": (LINE + HOST + "Host: evil.example\r\n" + KEY_LINE + PLAIN, {400}),
    "key-of-8-KB": (LINE + HOST + f"Authorization: Tecton-key {'k' * 8_000}\r\n" + PLAIN, {401}),
    "key-of-no-utf-8": (LINE + HOST + "Authorization: Tecton-key \xff\xfe\r\n" + PLAIN, {401}),
    "two-keys": (HEAD + KEY_LINE + PLAIN, {400, 401}),
    "compressed-behind-identity": (HEAD + "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n" + PLAIN, {415}),
    "stacked-compression": (HEAD + "Content-Encoding: gzip, gzip\r\n" + PLAIN, {415}),
    "unknown-expectation": (HEAD + "Expect: 200-ok\r\n" + PLAIN, {200, 417}),
    "garbage-behind-the-body": (HEAD + PLAIN + "\x00\x01\x02", {200, 400}),
}
_PARAMS = b'{"params":{"featureServiceName":"svc","joinKeyMap":{"id":'
BODIES = {
    "100000-open-brackets": (b"[" * 100_000, {400}),
    "500-deep-join-key": (_PARAMS + b"[" * 500 + b"]" * 500 + b"}}}", {400}),
    "1500-deep-object": (b'{"a":' * 1_500 + b"1" + b"}" * 1_500, {400}),
    "500000-digits": (_PARAMS + b"9" * 500_000 + b"}}}", {400}),
    "exponent-of-6-digits": (_PARAMS + b"1e999999}}}", {400}),
    "join-key-of-900-KB": (_PARAMS + b'"' + b"x" * 900_000 + b'"}}}', {200}),
    "name-of-900-KB": (b'{"params":{"featureServiceName":"' + b"x" * 900_000 + b'"}}', {404}),
    "60000-join-keys": (_PARAMS[:-5] + b",".join(b'"k%d":1' % i for i in range(60_000)) + b"}}}", {400}),
    "join-key-twice": (_PARAMS + b'"1","id":"2"}}}', {200, 400}),
    "params-twice": (BODY[:-1] + b',"params":{}}', {400}),
    "nan-token": (_PARAMS + b"NaN}}}", {400}),
    "infinity-token": (_PARAMS + b"-Infinity}}}", {400}),
    "byte-order-mark": (b"\xef\xbb\xbf" + BODY, {200, 400}),
    "utf-16": (TEXT.encode("utf-16"), {400}),
    "no-utf-8": (BODY.replace(b"svc", b"\xff\xfe"), {400}),
    "lone-surrogate-in-the-name": (BODY.replace(b"svc", b"\\ud800"), {400, 404}),
    "lone-surrogate-in-a-key": (_PARAMS + b'"\\ud800"}}}', {400}),
    "control-characters-in-the-name": (BODY.replace(b"svc", b"\\u0000\\u001b[31m\\u202e<script>"), {404}),
    "the-key-as-the-name": (BODY.replace(b"svc", KEY.encode()), {404}),
    "the-key-as-a-join-key": (_PARAMS + b'"1","' + KEY.encode() + b'":"2"}}}', {400}),
    "the-key-as-the-whole-body": (KEY.encode(), {400}),
    "workspace-is-a-number": (b'{"params":{"featureServiceName":"svc","workspaceName":7}}', {400}),
    "params-is-a-list": (b'{"params":[1]}', {400}),
    "null": (b"null", {400}),
    "two-documents": (BODY + b"{}", {400}),
    "final-nul": (BODY + b"\x00", {400}),
    "gzip-without-saying-so": (gzip.compress(b" " * 20_000_000), {400}),
    "budget-beyond-64-bits": (BODY[:-2] + b',"requestOptions":{"latencyBudgetMs":99999999999999999999}}}', {400}),
}


@pytest.fixture(scope="module")
def server():
    """A server with one service, 'svc'."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY) as running:
        yield running


def check_refusal(server: FeatureServer, status: int, head: bytes, body: bytes, expected: set[int]) -> None:
    """Check what holds for every answer, and that the next client is served."""
    assert status in expected
    assert isinstance(json.loads(body), dict)
    assert b"application/json" in head
    assert b"nosniff" in head
    assert b"no-store" in head
    assert b"access-control" not in head.lower()
    assert KEY.encode() not in head + body
    assert b"Traceback" not in body
    assert exchange(server, raw_request(server))[0] == 200


@pytest.mark.parametrize("name", REQUESTS)
def test_hostile_request_gets_json_and_the_next_client_is_served(server, name):
    """No request, however malformed, gets anything but JSON without the key, or harms the next client."""
    text, expected = REQUESTS[name]
    status, head, body = exchange(server, text.format(port=port_of(server), key=KEY).encode("latin-1"))

    check_refusal(server, status, head, body, expected)


@pytest.mark.parametrize("name", REQUESTS)
def test_hostile_request_on_a_used_connection_gets_the_same(server, name):
    """A connection that was well-behaved so far gets no more trust than a new one."""
    text, expected = REQUESTS[name]
    with closing(connected(server)) as connection:
        before = []
        for _ in range(3):
            connection.sendall(plain_request(server))
            before.append(answer_of(connection)[0])
        connection.sendall(text.format(port=port_of(server), key=KEY).encode("latin-1"))
        status, head, body = answer_of(connection)

    assert before == [200, 200, 200]
    check_refusal(server, status, head, body, expected)


def plain_request(server: FeatureServer) -> bytes:
    """A good request with the very head that the hostile ones begin with."""
    return (HEAD + PLAIN).format(port=port_of(server), key=KEY).encode()


def test_pieces_of_a_known_request_are_put_together(server):
    """However a request is cut into pieces, on a connection that has sent it before, it is one request."""
    request = plain_request(server)
    with closing(connected(server)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = []
        for cut in (len(request), 10, len(request) - LENGTH, len(request) - 1, len(request)):
            connection.sendall(request[:cut])
            connection.sendall(request[cut:])
            found.append(answer_of(connection)[::2])

    assert found == [(200, b'{"result":{"features":[2.5]}}')] * 5


def test_requests_behind_a_known_one_are_answered_in_order(server):
    """What follows a known request in the same piece is the next request, not a part of it."""
    request = plain_request(server)
    other = request.replace(b"svc", b"sv2")
    with closing(connected(server)) as connection:
        for _ in range(2):
            connection.sendall(request)
            answer_of(connection)
        connection.sendall(request + other + request)
        found = statuses_of(connection, 3)

    assert found == [200, 404, 200]


@pytest.mark.parametrize("name", BODIES)
def test_hostile_body_gets_json_and_the_next_client_is_served(server, name):
    """No body, however deep, long or ambiguous, gets anything but JSON without the key, or harms the next client."""
    sent, expected = BODIES[name]
    status, head, body = exchange(server, raw_request(server, sent))

    check_refusal(server, status, head, body, expected)


def test_batch_of_200000_rows_is_refused_in_words(server):
    """A batch is counted before it is served."""
    rows = b'{"params":{"featureServiceName":"svc","requestData":[' + b",".join([b"{}"] * 200_000) + b"]}}"
    status, _, body = exchange(server, raw_request(server, rows).replace(b"get-features", b"get-features-batch"))

    assert (status, json.loads(body)["message"]) == (400, "Batch size 200000 exceeds maximum of 10.")


def test_pipelined_requests_are_answered_in_order(server):
    """Requests that come in one piece get their answers one by one, an unknown service its own."""
    other = raw_request(server, BODY.replace(b"svc", b"other"))
    with closing(connected(server)) as connection:
        connection.sendall(raw_request(server) + other + raw_request(server))
        statuses = statuses_of(connection, 3)

    assert statuses == [200, 404, 200]


def statuses_of(connection: socket.socket, count: int) -> list[int]:
    """The statuses of answers that may come in one piece."""
    with connection.makefile("rb") as stream:
        statuses = []
        for _ in range(count):
            head = list(iter(stream.readline, b"\r\n"))
            length = next(int(line[15:]) for line in head if line.lower().startswith(b"content-length"))
            stream.read(length)
            statuses.append(int(head[0].split()[1]))
    return statuses


@pytest.mark.parametrize("framing", ["Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3e8\r\n"])
def test_body_that_drips_is_cut_off_in_time(framing):
    """A client that sends its body byte by byte has as long as one that sends nothing."""
    with (
        FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, limits=Limits(request_seconds=0.3)) as server,
        closing(connected(server)) as connection,
    ):
        connection.sendall((HEAD + framing).format(port=port_of(server), key=KEY).encode())
        sent = 0
        connection.settimeout(0.02)
        while sent < 1_000 and not has_answer(connection):
            connection.sendall(b" ")
            sent += 1
        connection.settimeout(10)
        status = answer_of(connection)[0]

    assert status == 408
    assert sent < 500


def has_answer(connection: socket.socket) -> bool:
    """Whether anything has come back."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


@pytest.mark.parametrize("kept", [30, len(LINE) + 10, -5, -1])
def test_client_that_breaks_off_harms_nobody(server, kept):
    """A client that leaves in the middle of its request, or says nothing more, is forgotten."""
    with closing(connected(server)) as connection:
        connection.sendall(raw_request(server)[:kept])
        connection.shutdown(socket.SHUT_WR)
        rest = connection.recv(1)

    assert rest == b""
    assert exchange(server, raw_request(server))[0] == 200


def test_bad_chunk_after_a_good_one_is_refused_at_once(server):
    """A body that turns out to be none is refused when it does, not when its time is over."""
    with closing(connected(server)) as connection:
        head = raw_request(server, b"", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n")
        connection.sendall(head.replace(b"Content-Length: 0\r\n", b""))
        interim = connection.recv(100)
        connection.sendall(b"1\r\n{\r\n")
        connection.sendall(b"ZZ\r\n")
        connection.settimeout(4)
        status, _, body = answer_of(connection)

    assert interim.startswith(b"HTTP/1.1 100 ")
    assert (status, json.loads(body)["message"]) == (400, "The request is not valid HTTP.")


def test_newest_connection_takes_the_place_of_the_longest_idle_one():
    """Whoever holds connections open without asking anything cannot keep others out."""
    with (
        FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, limits=Limits(connections=20)) as server,
        ExitStack() as stack,
    ):
        idle = [stack.enter_context(closing(connected(server))) for _ in range(60)]
        served = exchange(server, raw_request(server))[0]
        first_is_closed = idle[0].recv(1)
        idle[-1].sendall(raw_request(server))
        last = answer_of(idle[-1])[0]

    assert (served, first_is_closed, last) == (200, b"", 200)


def test_connection_beyond_the_limit_is_told_so_while_all_others_are_at_work():
    """When every connection is busy a further one gets an error in JSON, and is served once there is room."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, limits=Limits(connections=2)) as server:
        with ExitStack() as stack:
            busy = [stack.enter_context(closing(connected(server))) for _ in range(2)]
            for connection in busy:
                connection.sendall(raw_request(server, extra="Expect: 100-continue\r\n")[: -len(BODY)])
                connection.recv(100)
            with closing(connected(server)) as one_more:
                status, head, body = answer_of(one_more)
            for connection in busy:
                connection.sendall(BODY)
            served = [answer_of(connection)[0] for connection in busy]
        later = exchange(server, raw_request(server))[0]

    assert (status, json.loads(body)["message"]) == (503, "The server has too many connections.")
    assert b"application/json" in head
    assert served == [200, 200]
    assert later == 200


def test_client_that_does_not_take_its_answers_is_dropped():
    """An answer that nobody reads is not kept for ever."""
    big = BatchView("things", (Field("id", STRING),), (Feature("text", STRING),))
    frame = pd.DataFrame(
        {"id": ["1"], "text": ["x" * 2_000_000], "timestamp": pd.to_datetime(["2024-01-01T00:00:00Z"])}
    )
    limits = Limits(idle_seconds=0.3)
    with (
        FeatureServer(
            Definitions((big,), (FeatureService("svc", ("things",)),)),
            data={"things": frame},
            api_key=KEY,
            limits=limits,
        ) as server,
        closing(socket.socket()) as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", port_of(server)))
        connection.sendall(raw_request(server) * 4)
        connection.recv(1)
        wait_until_no_connection_is_open(server)
        taken = received(connection)

    assert taken < 4 * 2_000_000 - 1


def received(connection: socket.socket) -> int:
    """How many bytes come until the end, whatever it is."""
    total = 0
    try:
        while part := connection.recv(65_536):
            total += len(part)
    except ConnectionError:
        pass
    return total
