"""The SLO part of an answer: how long the server and its store took, and whether the request counts."""

from __future__ import annotations

from dataclasses import dataclass

from ..exceptions import shown
from ..reprs import Card, HasCard, Kind, Status, human_bytes, human_seconds
from .body import as_list, as_object, optional_bool, optional_int, optional_number, without_empty
from .types import JsonObject, JsonValue, member

# One size under the names that servers and documents have given it, newest first.
_SIZE_NAMES = ("storeResponseSizeBytes", "dynamodbResponseSizeBytes", "dynamoDBResponseSizeBytes")


# Not frozen: one is made for every row, and setting what is frozen takes three times as long.
@dataclass(frozen=True, slots=True)
class SLOInfo(HasCard):
    """Serving time and eligibility of one row, as the server reports them; `None` is what it left out.

    No relation between the times is checked: recorded answers of real servers break each of them.

    Parameters
    ----------
    slo_eligible
        Whether the request counts for the latency objective.
    slo_ineligibility_reasons
        Why it does not; raw texts of the server.
    slo_server_time_seconds
        Server time without waiting for realtime transformations; what the objective measures.
    server_time_seconds
        All time inside the server.
    store_max_latency
        Slowest read from the online store, in seconds.
    store_response_size_bytes
        Size of everything read from the online store.
    """

    slo_eligible: bool | None = None
    slo_ineligibility_reasons: list[str] | None = None
    slo_server_time_seconds: float | None = None
    server_time_seconds: float | None = None
    store_max_latency: float | None = None
    store_response_size_bytes: int | None = None

    def facts(self) -> tuple[tuple[str, object], ...]:
        """Return what a card shows of it; nothing that the server left out."""
        said = {
            "server time": self.server_time_seconds,
            "server time for the objective": self.slo_server_time_seconds,
            "slowest store read": self.store_max_latency,
        }
        times = ((name, human_seconds(seconds)) for name, seconds in said.items() if seconds is not None)
        size = self.store_response_size_bytes
        return (
            ("service objective", self._verdict()),
            *times,
            *((("read from the store", human_bytes(size)),) if size is not None else ()),
        )

    def _verdict(self) -> Status:
        if self.slo_eligible is None:
            return Status("not said whether it counts", Kind.UNSURE)
        if self.slo_eligible:
            return Status("counts", Kind.GOOD)
        reasons = f": {', '.join(self.slo_ineligibility_reasons)}" if self.slo_ineligibility_reasons else ""
        return Status(f"does not count{reasons}", Kind.BAD)

    def _card(self) -> Card:
        return Card("SLOInfo", "", self.facts())


def read_slo_info(raw: JsonValue, where: str) -> SLOInfo | None:
    """Return what an ``sloInfo`` object says, `None` if it is absent or null."""
    if raw is None:
        return None
    info = as_object(raw, where)
    return SLOInfo(
        slo_eligible=optional_bool(info, "sloEligible", where),
        slo_ineligibility_reasons=_reasons(member(info, "sloIneligibilityReasons"), where),
        slo_server_time_seconds=optional_number(info, "sloServerTimeSeconds", where),
        server_time_seconds=optional_number(info, "serverTimeSeconds", where),
        store_max_latency=optional_number(info, "storeMaxLatency", where),
        store_response_size_bytes=_size(info, where),
    )


def slo_info_to_json(info: SLOInfo) -> JsonObject:
    """Return the ``sloInfo`` object; the size stands under its new and its old name, as recorded answers have it."""
    reasons: list[JsonValue] = [*(info.slo_ineligibility_reasons or ())]
    return without_empty(
        {
            "sloEligible": info.slo_eligible,
            "sloServerTimeSeconds": info.slo_server_time_seconds,
            "sloIneligibilityReasons": reasons,
            "dynamodbResponseSizeBytes": info.store_response_size_bytes,
            "serverTimeSeconds": info.server_time_seconds,
            "storeMaxLatency": info.store_max_latency,
            "storeResponseSizeBytes": info.store_response_size_bytes,
        }
    )


def _reasons(raw: JsonValue, where: str) -> list[str] | None:
    if raw is None:
        return None
    items = as_list(raw, f"{where}.sloIneligibilityReasons")
    return [item if isinstance(item, str) else shown(item) for item in items]


def _size(info: JsonObject, where: str) -> int | None:
    return next((size for name in _SIZE_NAMES if (size := optional_int(info, name, where)) is not None), None)
