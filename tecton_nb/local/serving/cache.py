"""The serving cache: features of an entity kept for a short time, so that the store need not be asked."""

from __future__ import annotations

from .parts import Part, cached_part

_KEPT = 200_000


class FeatureCache:
    """What was read of a view for a key, by workspace: two workspaces never see each other's entries."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, bytes], tuple[int, Part]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, workspace: str, view: str, key: bytes, now: int, ttl: int) -> Part | None:
        """Return what was put not longer than `ttl` ago, with the statuses that say so; `None` if there is nothing.

        Parameters
        ----------
        key
            As `columns.packed_key` makes it.
        now, ttl
            Nanoseconds, since the epoch and long.
        """
        written_at, part = self._kept.get((workspace, view, key), (0, None))
        # A clock may be set back; an entry from the future has no age.
        return part if part is not None and 0 <= now - written_at < ttl else None

    def put(self, workspace: str, view: str, key: bytes, now: int, part: Part) -> None:
        """Keep a part, also one that says that nothing was found or that the store failed."""
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[workspace, view, key] = (now, cached_part(part))
