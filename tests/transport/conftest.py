from __future__ import annotations

from collections.abc import Iterator

import pytest

from tecton_nb.transport.engine import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine that is closed when the test ends."""
    with Engine() as engine:
        yield engine
