"""Answers of a service with 14 features and all metadata, 2.4 KB for one row; each value is made from the row's key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

SERVICE = "fourteen"
KINDS = ("int64", "boolean", "string", "string", *["int64"] * 4, *["float64"] * 6)
NAMES = tuple(f"merchant_metrics_{i}.mean_{i}_1d" for i in range(len(KINDS)))
_SLO: dict[str, Any] = {
    "sloEligible": True,
    "sloServerTimeSeconds": 0.0118,
    "dynamodbResponseSizeBytes": 204,
    "serverTimeSeconds": 0.0123,
    "storeMaxLatency": 0.0052,
    "storeResponseSizeBytes": 204,
}


def values(key: int) -> list[Any]:
    """Return the values of a row as they stand in an answer."""
    whole = [str(key * 10**power + power) for power in (1, 3, 5, 7)]
    return [str(key), key % 2 == 0, f"merchant {key}", f"row {key}", *whole, *(key / 2**power for power in range(6))]


def answer(key: int, server_seconds: float = 0.0123) -> bytes:
    """Return the get-features answer for a row."""
    return _ONE_START + _compact(values(key)) + _ONE_MIDDLE + b"%.6f" % server_seconds + _ONE_END


def batch_answer(keys: Sequence[int]) -> bytes:
    """Return the get-features-batch answer for rows."""
    result = [{"features": values(key)} for key in keys]
    slo_infos = [_SLO for _ in keys]
    return _compact({"result": result, "metadata": _metadata(["PRESENT"] * len(keys), slo_infos)})


def metadata_answer() -> bytes:
    """Return the answer that tells what the service takes and returns."""
    features = [{"name": name, "dataType": {"type": kind}} for name, kind in zip(NAMES, KINDS, strict=True)]
    keys = [{"name": "id", "dataType": {"type": "int64"}}]
    return _compact({"featureServiceType": "DEFAULT", "inputJoinKeys": keys, "featureValues": features})


def _metadata(status: Any, slo_info: Any) -> dict[str, Any]:
    features = [
        {
            "name": name,
            "effectiveTime": "2026-05-01T00:00:00Z",
            "dataType": {"type": kind},
            "type": kind,
            "status": status,
        }
        for name, kind in zip(NAMES, KINDS, strict=True)
    ]
    return {"features": features, "sloInfo": slo_info}


def _compact(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


_ONE = _compact({"result": {"features": "?"}, "metadata": _metadata("PRESENT", _SLO)})
_ONE_START, _, _REST = _ONE.partition(b'"?"')
_ONE_MIDDLE, _, _ONE_END = _REST.partition(b"0.0123")
