"""Heads that come again are known, and judged as they were."""

from __future__ import annotations

import pytest

from tecton_nb.exceptions import ProtocolError
from tecton_nb.transport.messages import HttpAnswer, Timing
from tecton_nb.transport.reply import Reply


def _reply(*lines: bytes) -> Reply:
    reply = Reply(1_000)
    reply.lines.extend([*lines, b"\r\n"])
    return reply


def test_head_that_differs_in_one_byte_is_read_anew():
    """A head is known by all of its bytes."""
    first, again, other = (
        _reply(b"HTTP/1.1 200 OK\r\n", b"X-Row: %d\r\n" % row, b"Content-Length: 3\r\n") for row in (1, 1, 2)
    )

    assert all(reply.read_head() for reply in (first, again, other))
    assert [reply.head.headers[0] for reply in (first, again, other)] == [
        ("X-Row", "1"),
        ("X-Row", "1"),
        ("X-Row", "2"),
    ]


def test_head_that_is_refused_is_refused_every_time():
    """A bad head is no better the second time, and one that was too large for one reader may fit another."""
    for _ in range(2):
        reply = _reply(b"HTTP/1.1 200 OK\r\n", b"Content-Length: 3\r\n", b"Content-Length: 4\r\n")
        assert not reply.read_head()
        assert isinstance(reply.refusal, ProtocolError)
    roomy = Reply(10_000)
    small = _reply(b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5000\r\n")
    roomy.lines.extend(small.lines)

    assert roomy.read_head()
    assert not small.read_head()


@pytest.mark.parametrize("show", [repr, str])
def test_answer_shows_nothing_that_a_server_filled(show):
    """What a server may have filled with the API key is not shown."""
    answer = HttpAnswer(500, "KEY", (("X", "KEY"),), b"KEY", Timing(0, 0, 0, 0, 0, 0, False))

    assert "KEY" not in show(answer)


@pytest.mark.parametrize(
    ("version", "headers", "keeps"),
    [
        (b"1.1", [b"Content-Length: 3"], True),
        (b"1.1", [b"Transfer-Encoding: chunked"], True),
        (b"1.1", [b"Content-Length: 3", b"Connection: Close"], False),
        (b"1.1", [], False),
        (b"1.0", [b"Content-Length: 3"], False),
        (b"1.0", [b"Content-Length: 3", b"Connection: Keep-Alive"], True),
    ],
)
def test_head_says_whether_another_answer_may_follow(version, headers, keeps):
    """HTTP/1.1 goes on unless it says otherwise, HTTP/1.0 only where it says so; without a length there is no next."""
    reply = _reply(b"HTTP/%s 200 OK\r\n" % version, *(line + b"\r\n" for line in headers))

    assert reply.read_head()
    assert reply.head.keeps_connection is keeps
