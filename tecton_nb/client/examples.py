"""Rows that a feature service takes, for a first request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import pandas as pd

from ..batch.plan import Rows
from ..exceptions import InputError, quoted


class ExampleRows:
    """Rows that a service takes: given by the user, sent before, or found elsewhere.

    Parameters
    ----------
    given
        Rows the user vouches for.
    find
        Returns up to n rows from elsewhere, `None` if there are none.
    """

    KEPT = 1_000

    def __init__(self, given: pd.DataFrame | None, find: Callable[[int], pd.DataFrame | None]) -> None:
        self._kept = given
        self._find = find

    def remember(self, rows: Rows) -> None:
        """Keep the last rows of a request that was sent."""
        # A copy, so that neither the caller's frame is kept whole nor a later change of it is seen.
        last = rows.tail(self.KEPT).copy() if isinstance(rows, pd.DataFrame) else _last_of(rows, self.KEPT)
        self._kept = last if len(last) else self._kept

    def head(self, n: int) -> pd.DataFrame | None:
        """Return up to `n` rows, `None` if none are known.

        Raises
        ------
        InputError
            If `n` is no number of rows.
        """
        if isinstance(n, bool) or not isinstance(n, Integral) or n < 0:
            raise InputError(f"example_rows takes a number of rows, 0 or more; got {quoted(n)} ({type(n).__name__}).")
        found = self._find(int(n))
        if found is not None or self._kept is None:
            return found
        return self._kept.head(n).reset_index(drop=True)


def _last_of(rows: Mapping[str, Any] | Sequence[Mapping[str, Any]], n: int) -> pd.DataFrame:
    # As objects: beside a None a whole number would become a float, and those above 2**53 others.
    return pd.DataFrame([rows] if isinstance(rows, Mapping) else list(rows)[-n:], dtype=object)
