"""Waiting for sockets, by whatever the system has."""

from __future__ import annotations

import socket

import pytest

from tecton_nb.transport.engine import Engine
from tecton_nb.transport.messages import HttpRequest
from tecton_nb.transport.watch import READ, WRITE, SelectorWatch, new_watch


@pytest.fixture(params=[new_watch, SelectorWatch])
def watch(request):
    """The system's own watch, and the one for systems without epoll."""
    watch = request.param()
    yield watch
    watch.close()


@pytest.fixture
def pair():
    """Two sockets that are connected."""
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def test_socket_is_ready_for_what_it_is_watched_for_and_no_longer_than_that(watch, pair):
    """What was sent is told, as often as one asks, until nobody wants to know."""
    here, there = pair
    there.send(b"x")

    watch.set(here.fileno(), READ)
    reading = [watch.wait(5) for _ in range(2)]
    watch.set(here.fileno(), READ | WRITE)
    both = watch.wait(5)
    watch.set(here.fileno(), WRITE)
    writing = watch.wait(5)
    watch.drop(here.fileno())

    assert reading == [[(here.fileno(), READ)]] * 2
    assert both == [(here.fileno(), READ | WRITE)]
    assert writing == [(here.fileno(), WRITE)]
    assert watch.wait(0) == []


def test_hang_up_is_ready_to_be_read(watch, pair):
    """A connection that the other side closed is told at once."""
    here, there = pair
    watch.set(here.fileno(), READ)

    there.close()

    assert watch.wait(5) == [(here.fileno(), READ)]


def test_dropping_what_is_not_watched_or_closed_already_does_nothing(watch, pair):
    """Nobody has to remember what is watched; a new socket of the same number starts anew."""
    here, _ = pair
    number = here.fileno()

    watch.drop(number)
    watch.set(number, READ)
    watch.drop(number)
    watch.drop(number)
    watch.set(number, WRITE)

    assert watch.wait(5) == [(number, WRITE)]


def test_engine_works_without_epoll(canned, monkeypatch):
    """Where there is no epoll requests are sent and answered all the same, over kept connections too."""
    monkeypatch.setattr("tecton_nb.transport.loop.new_watch", SelectorWatch)
    server = canned({"said": "yes"})

    with Engine() as engine:
        request = HttpRequest("GET", f"{server.url}/x")
        answers = [engine.submit(request, deadline_seconds=20).result(20) for _ in range(3)]

    assert [answer.body for answer in answers] == [b'{"said": "yes"}'] * 3
    # The first two may have rested too little for the third, but never both.
    assert not all(answer.timing.is_new_connection for answer in answers)
