"""A store that can be asked as of an earlier instant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ..storage.store import Store, StoredRow

_NOW: Mapping[str, int] = {}
_ages: ContextVar[Mapping[str, int]] = ContextVar("ages", default=_NOW)


@contextmanager
def as_of(ages: Mapping[str, int]) -> Iterator[None]:
    """Read views, by name, as they were so many nanoseconds ago, in this block and nowhere else."""
    token = _ages.set(ages)
    try:
        yield
    finally:
        _ages.reset(token)


class AgedStore(Store):
    """A store whose reads obey `as_of`."""

    def read(self, view_name: str, key: bytes, now: int) -> StoredRow:
        """Return what a view holds, or held, for a key."""
        return super().read(view_name, key, now - _ages.get().get(view_name, 0))
