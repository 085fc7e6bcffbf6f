"""The get-features answer from pieces that are bytes already.

Names, types, descriptions and tags of a feature never change, and few combinations of statuses are
ever seen. So what the plain writer of `wire.responses` says about a view is kept per combination, cut
at the effective time; an answer is these pieces put together with the values.
"""

from __future__ import annotations

from uuid import uuid4

from ...wire.body import write_json
from ...wire.responses import write_feature_items
from ..definitions.plan import Output, ServicePlan
from .answers import ITEM_OPTIONS, Row, coerced_counts, feature_item, slo_json
from .parts import Part, joined

_KEPT = 4_096


class AnswerWriter:
    """Writes get-features answers of one service with one choice of metadata.

    Parameters
    ----------
    plan
        The service.
    metadata
        Metadata options that are on.
    """

    def __init__(self, plan: ServicePlan, metadata: frozenset[str]) -> None:
        self._plan = plan
        self._has_slo = "includeSloInfo" in metadata
        self._views = {view.name: _ViewWriter(plan, view.name, metadata) for view in plan.served}
        self._has_items = not metadata.isdisjoint(ITEM_OPTIONS)

    def write(self, row: Row, *, coerces_counts: bool = False) -> bytes:
        """Return what ``write_get_features(single_reply(...))`` returns, faster."""
        parts = row.vector.parts
        texts = [part.text for part in parts] if not coerces_counts else self._coerced(parts)
        metadata = []
        if self._has_items:
            views = self._views
            items = b",".join([views[part.view].items(part) for part in parts])
            metadata.append(b'"features":[%b]' % items)
        if self._has_slo:
            metadata.append(b'"sloInfo":%b' % write_json(slo_json(row)))
        if row.vector.is_partial:
            metadata.append(b'"partialResults":true')
        end = b',"metadata":{%b}}' % b",".join(metadata) if metadata else b"}"
        return b'{"result":{"features":[%b]}%b' % (b",".join(texts), end)

    def _coerced(self, parts: list[Part]) -> list[bytes]:
        return [joined(coerced_counts(self._views[part.view].outputs, part.values)) for part in parts]


class _ViewWriter:
    """Writes the metadata items of one view."""

    def __init__(self, plan: ServicePlan, view: str, metadata: frozenset[str]) -> None:
        self.outputs = tuple(output for output in plan.outputs if output.view == view)
        self._metadata = metadata
        self._has_times = "includeEffectiveTimes" in metadata
        self._pieces: dict[tuple[str, ...], list[bytes]] = {}
        self._without_time: dict[tuple[str, ...], bytes] = {}

    def items(self, part: Part) -> bytes:
        """Return the items of the part's features, separated by commas."""
        if part.effective_time is None or not self._has_times:
            known = self._without_time.get(part.statuses)
            return self._kept_without_time(part.statuses) if known is None else known
        pieces = self._pieces.get(part.statuses)
        if pieces is None:
            pieces = self._kept_pieces(part.statuses)
        return part.effective_time.encode().join(pieces)

    def _kept_without_time(self, statuses: tuple[str, ...]) -> bytes:
        if len(self._without_time) >= _KEPT:
            self._without_time.clear()
        text = self._without_time[statuses] = self._written(statuses, None)
        return text

    def _kept_pieces(self, statuses: tuple[str, ...]) -> list[bytes]:
        # No description holds a text that nobody knew when it was written.
        place = uuid4().hex
        if len(self._pieces) >= _KEPT:
            self._pieces.clear()
        pieces = self._pieces[statuses] = self._written(statuses, place).split(place.encode())
        return pieces

    def _written(self, statuses: tuple[str, ...], effective_time: str | None) -> bytes:
        pairs: list[tuple[Output, str]] = list(zip(self.outputs, statuses, strict=True))
        return write_feature_items(
            [feature_item(output, self._metadata, (status,), effective_time) for output, status in pairs]
        )
