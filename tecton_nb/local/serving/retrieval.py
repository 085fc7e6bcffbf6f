"""Stored views read for one key: from the serving cache where the request allows it, else from the store."""

from __future__ import annotations

import logging
from time import perf_counter

from ..definitions.plan import Read, ServicePlan
from ..observability.telemetry import CacheTraffic
from ..storage.store import Store
from .asked import Asked
from .cache import FeatureCache
from .parts import UNKNOWN_STATUS, Part, failed_part, stored_part

_log = logging.getLogger(__name__)
_REMEMBERED = 200_000


class Retrieval:
    """Reads views.

    Parameters
    ----------
    store
        Where the data lies.
    traffic
        Told of every read and write of the cache.
    """

    def __init__(self, store: Store, traffic: CacheTraffic) -> None:
        self._store = store
        self._traffic = traffic
        self._cache = FeatureCache()
        self._parts: dict[tuple[str, bytes], Part] = {}

    def part(self, plan: ServicePlan, read: Read, key: bytes, asked: Asked, now: int) -> Part:
        """Return what a view holds for a key; a store that fails is a status, not an exception.

        Parameters
        ----------
        key
            As `columns.packed_key` makes it.
        now
            Nanoseconds since the epoch.
        """
        if read.cache_ttl is None:
            return self._stored(read, key, now)
        view, workspace = read.view.name, plan.service.workspace
        if asked.reads_cache:
            began = perf_counter()
            found = self._cache.get(workspace, view, key, now, read.cache_ttl)
            self._traffic.read(plan.service_id, view, now, perf_counter() - began, is_hit=found is not None)
            if found is not None:
                return found
        part = self._stored(read, key, now)
        if asked.writes_cache:
            self._cache.put(workspace, view, key, now, part)
            self._traffic.wrote(plan.service_id, now)
        return part

    def _stored(self, read: Read, key: bytes, now: int) -> Part:
        view = read.view.name
        try:
            row = self._store.read(view, key, now)
        except Exception:  # noqa: BLE001
            # The contract has a status for a view that cannot be read; the others are still served.
            _log.warning("The view '%s' could not be read.", view, exc_info=True)
            return failed_part(view, len(read.features), UNKNOWN_STATUS)
        known = self._parts.get((view, key))
        if known is not None and known.row is row:
            return known
        if len(self._parts) >= _REMEMBERED:
            self._parts.clear()
        part = self._parts[view, key] = stored_part(view, row)
        return part
