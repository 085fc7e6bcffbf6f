from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fault_server import FaultServer

from tecton_nb.transport.engine import Engine


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultServer]]:
    """Start a fault server with a plan; it stops when the test ends."""
    with ExitStack() as stack:

        def start(plan: Any, **options: Any) -> FaultServer:
            return stack.enter_context(FaultServer(plan, **options))

        yield start


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine that is closed when the test ends."""
    with Engine() as engine:
        yield engine
