"""What a server lets a request ask for, and how it speaks."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...exceptions import SettingsError
from .dialect import Dialect

# The documents' maximum; a first generation of them said 25.
BATCH_LIMIT = 10
# As much as our client reads of an answer.
SIZE_LIMIT_BYTES = 16 * 1024 * 1024
# The documents' hard limit.
TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits and dialect of the feature endpoints.

    Parameters
    ----------
    batch_limit
        Rows of one get-features-batch request.
    size_limit_bytes
        Bytes that one request may read from the store; beyond it the request is refused, or
        answered with what fits if it allows partial results.
    timeout_seconds
        After which a request is answered 504.
    dialect
        How answers are spelled.

    Raises
    ------
    SettingsError
        If a limit is not positive.
    """

    batch_limit: int = BATCH_LIMIT
    size_limit_bytes: int = SIZE_LIMIT_BYTES
    timeout_seconds: float = TIMEOUT_SECONDS
    dialect: Dialect = field(default_factory=Dialect)

    def __post_init__(self) -> None:
        for name in ("batch_limit", "size_limit_bytes", "timeout_seconds"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"The {name} must be positive; got {getattr(self, name)!r}.")
