"""What is said where a server says more than it was asked, and nobody asks again by itself."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Final

from ..exceptions import quoted

# A server that said more than it was asked gets a new connection for every request for so long.
DISTRUST_SECONDS: Final = 60.0
_WORDS: Final = (
    "%s, or a proxy before it, sent bytes that nobody asked for, perhaps a second answer: one of the last answers of "
    "that connection may be another request's. Ask again for what single calls returned before this message (batches "
    "do so by themselves). For %g s each request has a connection of its own."
)
_log = logging.getLogger(__name__)


def nobody_asks_again() -> None:
    """Take the place of whoever would ask again for an answer in doubt: a warning says so instead."""


def warn_of(host: str) -> None:
    """Warn that answers of a host are in doubt, on a thread of its own: handlers of the log may wait, or raise."""
    # At the end of the program there are no more threads.
    with contextlib.suppress(RuntimeError):
        threading.Thread(
            target=_log.warning, args=(_WORDS, quoted(host), DISTRUST_SECONDS), name="tecton_nb warning", daemon=True
        ).start()
