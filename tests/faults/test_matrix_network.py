"""The fault matrix, B7, B10 and B11: connections that break, names that are unknown, servers that prove nothing."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from canned import KEY
from fault_server import FaultServer, Received, Step, Steps, answer
from feature_plan import SERVICE, Features, missing_rows, rows, wrong_rows

import tecton_nb as tnb
from tecton_nb.exceptions import TectonError

pytestmark = pytest.mark.faults

AUTHORITY = trustme.CA()


def test_server_that_closes_after_each_answer_costs_nothing(far, take):
    """1,000 rows from a server that closes every connection after its answer: no error, no retry that counts."""
    server = far(Closing({"close": True}))

    batch = take(server).get_features_batch(rows(1_000), concurrency=8, rows_per_call=1)

    assert missing_rows(batch.to_pandas()) == wrong_rows(batch.to_pandas(), rows(1_000)) == []
    assert (batch.report.attempts, batch.report.retries) == (1_000, {})
    assert server.counts().requests == 1_000


def test_server_that_closes_as_the_next_request_arrives_costs_nothing(far, take):
    """A kept connection that ends under the next request is replaced unseen: 1,000 rows, no error, no retry."""
    server = far(Closing({"close_on_next_byte": True}))

    batch = take(server).get_features_batch(rows(1_000), concurrency=8, rows_per_call=1)

    assert missing_rows(batch.to_pandas()) == wrong_rows(batch.to_pandas(), rows(1_000)) == []
    assert (batch.report.attempts, batch.report.retries) == (1_000, {})


@dataclass(frozen=True)
class Closing:
    """Answers right, and ends the connection in some way."""

    ending: Step

    def __call__(self, asked: Received) -> Steps:
        """Return the steps for a request."""
        return [*Features()(asked), self.ending]


def test_refused_connection_is_tried_three_times(serve, take):
    """An address where nothing listens any more: two retries, then a sentence that names it."""
    server = serve(Features())
    service = take(server)
    server.close()

    batch = service.get_features_batch(rows(3), rows_per_call=1)

    assert batch.errors()["attempts"].tolist() == [3, 3, 3]
    assert batch.errors()["exception"].tolist() == ["ConnectionFailedError"] * 3
    assert f"Cannot reach 127.0.0.1:{server.port}: the connection was refused" in batch.errors()["message"].iloc[0]


def test_unknown_name_is_told_as_that():
    """A host that does not exist is named, with what to do."""
    with tnb.TectonClient("https://no-such-host.invalid", KEY, "prod") as client, pytest.raises(TectonError) as caught:
        client.feature_service(SERVICE)

    assert "no-such-host.invalid" in str(caught.value)


# A network of its own, with a name server that never answers: there is no other way to make a look-up slow.
DEAF_NAME_SERVER = """
import fcntl, os, socket, struct
from own_mounts import bind, separate
if not separate(network=True):
    print("refused", flush=True)
    sys.exit()
with socket.socket() as plain:
    fcntl.ioctl(plain, 0x8914, struct.pack("16sh14x", b"lo", 1))  # up
deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.bind(("127.0.0.1", 53))
with open(<file>, "w") as file:
    file.write("nameserver 127.0.0.1\\noptions timeout:20 attempts:1\\n")
bind(<file>, "/etc/resolv.conf")
"""


def test_deadline_holds_while_a_name_is_looked_up(program, tmp_path):
    """A name server that never answers holds up a request no longer than its deadline."""
    run = program(
        """
import time
from tecton_nb.transport.engine import Engine
from tecton_nb.transport.messages import HttpRequest
print("separate", flush=True)
begun = time.monotonic()
with Engine() as engine:
    request = HttpRequest("GET", "https://slow.example/")
    errors = [engine.submit(request, deadline_seconds=0.5).exception() for _ in range(2)]
    seconds = time.monotonic() - begun
print(seconds)
for error in errors:
    print(type(error).__name__, error)
deaf.close()
""",
        first=DEAF_NAME_SERVER,
        file=str(tmp_path / "resolv.conf"),
    )
    if run.line() == "refused":
        pytest.skip("This machine lets nobody have a network of his own.")

    seconds, *errors = run.over().splitlines()

    assert float(seconds) < 5
    assert len(errors) == 2
    assert all(error.startswith("DeadlineExceededError No complete answer from slow.example") for error in errors)
    assert all("looking up the name" in error for error in errors)


def _context(authority: trustme.CA, host: str = "127.0.0.1", **options: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, **options).configure_cert(context)
    return context


# What a server says that knows no version of TLS the client would take, and one that knows no TLS at all.
OUTDATED = [{"unasked": True}, {"sleep": 0.05}, {"send": b"\x15\x03\x01\x00\x02\x02\x46"}, {"close": True}]
PLAIN = [{"unasked": True}, answer(b"plain"), {"close": True}]


@pytest.fixture
def trusting(tmp_path, monkeypatch) -> Callable[[FaultServer], tnb.TectonClient]:
    """Make clients that trust the authority of the tests."""
    bundle = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    return lambda server: tnb.TectonClient(f"https://127.0.0.1:{server.port}", KEY, "prod")


@pytest.mark.parametrize(
    ("context", "plan", "words"),
    [
        (lambda: _context(trustme.CA()), Features(), "an authority this computer does not know"),
        (lambda: _context(AUTHORITY, "other.example"), Features(), "for another host"),
        (lambda: _context(AUTHORITY, not_after=datetime.now(UTC) - timedelta(days=1)), Features(), "out of date"),
        (lambda: None, OUTDATED, "an outdated version of TLS"),
        (lambda: None, PLAIN, "does not speak TLS"),
    ],
    ids=["unknown authority", "wrong host", "expired", "old TLS", "plain http"],
)
def test_server_that_proves_nothing_ends_the_run_at_its_first_connection(serve, trusting, context, plan, words):
    """A bad certificate is no accident: one connection, no retry, every row an error, and checks stay on."""
    server = serve(Features(), tls=_context(AUTHORITY))
    with trusting(server) as client:
        service = client.feature_service(SERVICE)
        server.pretend(context())
        server.change(plan)
        server.forget()
        batch = service.get_features_batch(rows(50), concurrency=1)

    first = batch.errors().iloc[0]
    assert server.counts().connections == 1
    assert first["exception"] == "CertificateError"
    assert words in first["message"]
    assert set(batch.errors()["exception"][1:]) == {"BatchStoppedError"}
    assert not any(word in first["message"] for word in ("verify", "insecure", "disable", "switch"))
