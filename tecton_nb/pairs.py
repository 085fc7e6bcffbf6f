"""Keys as one types them on a line: ``KEY=VALUE`` read by the service's types, ``KEY:=JSON`` for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from .client.service import FeatureService
from .exceptions import InputError, quoted

_AS_TEXT = {"string", "int64", "float64", "float32", "timestamp"}


def row_of(values: Sequence[str], service: FeatureService) -> dict[str, Any]:
    """Return the row that texts such as ``user_id=C1`` and ``amount:=null`` stand for.

    Raises
    ------
    InputError
        If one of them is no such text, or names a key twice.
    """
    types = dict(zip(*(service.inputs()[column] for column in ("name", "data_type")), strict=True))
    row: dict[str, Any] = {}
    for name, value in (_pair(text, types) for text in values):
        if name in row:
            raise InputError(f"{quoted(name)} is given twice; give it once.")
        row[name] = value
    return row


def _pair(text: str, types: dict[str, str]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.removesuffix(":"):
        raise InputError(f"Cannot read {quoted(text)}: write KEY=VALUE, or KEY:=JSON for null and nested values.")
    if not name.endswith(":") and types.get(name, "string") in _AS_TEXT:
        return name, value
    try:
        return name.removesuffix(":"), orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InputError(
            f"Cannot read {quoted(value)} as JSON for {quoted(name.removesuffix(':'))}: {error}."
        ) from None
