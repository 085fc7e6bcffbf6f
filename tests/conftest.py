from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from canned import KEY, Asked, CannedServer, Reply
from fault_server import FaultServer

import tecton_nb as tnb


@pytest.fixture(scope="session")
def demo() -> Iterator[tnb.local.FeatureServer]:
    """The embedded server with its demo data, its clock standing still."""
    with tnb.local.demo_server(now="2024-05-01T12:00:00Z", seed=7) as server:
        yield server


@pytest.fixture(scope="session")
def client(demo: tnb.local.FeatureServer) -> Iterator[tnb.TectonClient]:
    """A client of the demo server."""
    with tnb.connect(demo) as client:
        yield client


@pytest.fixture
def canned() -> Iterator[Callable[..., CannedServer]]:
    """Start a server that gives one reply to everything, or asks a function what to reply."""
    with ExitStack() as stack:

        def start(reply: Any) -> CannedServer:
            plan = reply if callable(reply) else lambda _: reply if isinstance(reply, Reply) else Reply(reply)
            return stack.enter_context(CannedServer(plan))

        yield start


@pytest.fixture
def ours(canned: Callable[..., CannedServer]) -> Iterator[Callable[..., tnb.TectonClient]]:
    """Make a client, over our own engine, of a canned server; both are closed when the test ends."""
    with ExitStack() as stack:

        def start(reply: Any, **options: Any) -> tnb.TectonClient:
            server = canned(reply)
            client = stack.enter_context(tnb.TectonClient(server.url, KEY, "prod", **options))
            client.server = server  # type: ignore[attr-defined]
            return client

        yield start


@pytest.fixture
def service(ours: Callable[..., tnb.TectonClient]) -> Callable[..., tnb.FeatureService]:
    """Take a feature service in hand whose metadata and answers are canned.

    `answer` is a body, a `Reply`, or a function from what was asked to either.
    """

    def start(answer: Any, features: list[Any], keys: list[Any], context: list[Any] = (), **more: Any) -> Any:
        metadata = {"inputJoinKeys": keys, "inputRequestContextKeys": list(context), "featureValues": features, **more}

        def plan(asked: Asked) -> Reply:
            if asked.operation == "metadata":
                return Reply(metadata)
            said = answer(asked) if callable(answer) else answer
            return said if isinstance(said, Reply) else Reply(said)

        client = ours(plan)
        found = client.feature_service("s")
        found.client = client  # keeps the client, and lets a test see what the server was asked
        return found

    return start


@pytest.fixture
def resources() -> Callable[[], tuple[int, int]]:
    """Count the threads and open files of this process."""

    def count() -> tuple[int, int]:
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    return count


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultServer]]:
    """Start a fault server with a plan; it stops when the test ends."""
    with ExitStack() as stack:

        def start(plan: Any, **options: Any) -> FaultServer:
            return stack.enter_context(FaultServer(plan, **options))

        yield start
