"""An answer's JSON taken apart into columns, changed by faults, and put together again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from ...wire.types import JsonObject
from ..definitions.plan import ServicePlan
from .features import Altered, Column


def altered(body: bytes, operation: str, plan: ServicePlan, faults: Iterable[Altered]) -> bytes:
    """Return the answer with its columns changed, in either spelling of its names.

    Parameters
    ----------
    body
        A good answer of the service.
    operation
        Which request it answers.
    """
    message = orjson.loads(body)
    if operation == "metadata":
        _alter_items(message, "featureValues" if "featureValues" in message else "feature_values", [], plan, faults)
    else:
        rows = message.get("results") if operation == "query-features" else message.get("result")
        vectors = rows if isinstance(rows, list) else [] if rows is None else [rows]
        _alter_items(message.get("metadata") or {}, "features", vectors, plan, faults)
    return orjson.dumps(message)


def _alter_items(
    parent: JsonObject, name: str, rows: list[dict[str, Any]], plan: ServicePlan, faults: Iterable[Altered]
) -> None:
    columns = _columns(parent.get(name), rows, plan)
    for fault in faults:
        columns = fault.alter(columns)
    if name in parent:
        parent[name] = [column.item for column in columns]
    for place, row in enumerate(rows):
        if "features" in row:
            row["features"] = [column.values[place] for column in columns]


def _columns(items: Any, rows: list[dict[str, Any]], plan: ServicePlan) -> list[Column]:
    """Return the answer's columns; values that were left out, as a service without features has none, stay so."""
    filled = [row["features"] for row in rows if "features" in row]
    stated = items or [None] * len(plan.outputs)
    return [
        Column(output.name, output.view, output.data_type, item, [vector[place] for vector in filled])
        for place, (output, item) in enumerate(zip(plan.outputs, stated, strict=True))
    ]
