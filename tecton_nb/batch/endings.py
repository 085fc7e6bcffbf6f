"""Why rows have no values though no call for them failed."""

from __future__ import annotations

from typing import Final

from ..exceptions import BatchStoppedError, ProtocolError

CUT_OFF: Final = BatchStoppedError("The run was cancelled before the answer came. Run again for the row.")
CANCELLED: Final = BatchStoppedError("Not asked for: the run was cancelled. Run again for the row.")
GOES_ON: Final = BatchStoppedError("There is no answer yet: the run goes on.")
DOUBTED: Final = ProtocolError(
    "The server sent more answers than it was asked for, so the answer for this row may have been another row's. "
    "Run again for the row; if it goes on, tell whoever runs the server or the proxy before it."
)
