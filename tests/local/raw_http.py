"""A server with one service, and HTTP by hand: what no client library would send, and exactly what came back."""

import socket
import threading
from contextlib import closing

import pandas as pd
import pytest
from riders import AUTHORIZATION

from tecton_nb.local import BatchView, Definitions, Feature, FeatureServer, FeatureService, Field
from tecton_nb.wire.types import FLOAT64, STRING

SVC = Definitions(
    (BatchView("things", (Field("id", STRING),), (Feature("size", FLOAT64),)),), (FeatureService("svc", ("things",)),)
)
THINGS = pd.DataFrame({"id": ["1"], "size": [2.5], "timestamp": pd.to_datetime(["2024-01-01T00:00:00Z"])})
BODY = b'{"params":{"featureServiceName":"svc","joinKeyMap":{"id":"1"}}}'


def port_of(server: FeatureServer) -> int:
    """The port a server listens on."""
    return int(server.url.rpartition(":")[2])


def connected(server: FeatureServer) -> socket.socket:
    """A raw connection to a server."""
    return socket.create_connection(("127.0.0.1", port_of(server)), timeout=20)


def answer_of(connection: socket.socket) -> tuple[int, bytes, bytes]:
    """Status, head and body of the next final answer; an interim answer is skipped."""
    with connection.makefile("rb") as stream:
        while True:
            lines = iter(stream.readline, b"")
            head = b""
            for line in lines:
                head += line
                if line == b"\r\n":
                    break
            status = int(head.split(b" ", 2)[1])
            if status != 100:
                length = next(
                    int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length")
                )
                return status, head, stream.read(length)


def raw_request(server: FeatureServer, body: bytes = BODY, extra: str = "") -> bytes:
    """A get-features request as bytes."""
    head = (
        f"POST /api/v1/feature-service/get-features HTTP/1.1\r\nHost: 127.0.0.1:{port_of(server)}\r\n"
        f"Authorization: {AUTHORIZATION[0]}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def exchange(server: FeatureServer, request: bytes) -> tuple[int, bytes, bytes]:
    """Send one request over a new connection and return the answer."""
    with closing(connected(server)) as connection:
        connection.sendall(request)
        return answer_of(connection)


def wait_until_no_connection_is_open(server: FeatureServer) -> None:
    """Return once the server has closed every connection."""
    over = threading.Event()
    for _ in range(200):
        if len(server._thread._connections) == 0:
            return
        over.wait(0.05)
    pytest.fail("The server keeps connections that nobody uses.")
