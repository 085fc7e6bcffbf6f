"""The inputs of one row, checked against the plan: join keys as wire values, request context as plain ones."""

from __future__ import annotations

from typing import Any

from ..exceptions import DecodeError
from ..wire.requests import FeaturesRequest, RequestRow
from ..wire.types import DataType, JsonObject, JsonValue, ScalarType
from ..wire.values import decode_input
from .columns import wire_value
from .definitions import Field
from .plan import ServicePlan
from .refusals import missing_context, missing_join_key, refusal, unexpected_type, unknown_join_key

_BOOLEAN_OPTIONS = ("readFromCache", "writeToCache", "ignoreExtraRequestContextFields", "coerceNullCountsToZero")


def check_options(request: FeaturesRequest) -> None:
    """Check the types of the request options that the documents name.

    Raises
    ------
    DecodeError
        If a flag is no boolean or the latency budget no number.
    """
    for name in _BOOLEAN_OPTIONS:
        request.option(name, default=False)
    request.latency_budget_seconds()


def join_keys(row: RequestRow, plan: ServicePlan) -> JsonObject:
    """Return the wire values of the join keys that a row brings.

    Raises
    ------
    BadRequestError
        If one is missing, unknown or has the wrong type.
    """
    expected = {key.name: key for key in plan.input_keys}
    for name in expected:
        if name not in row.join_key_map:
            raise missing_join_key(name)
    for name in row.join_key_map:
        if name not in expected:
            raise unknown_join_key(name, expected)
    return {name: _key(row.join_key_map[name], key) for name, key in expected.items()}


def request_context(row: RequestRow, plan: ServicePlan, *, ignore_extra_fields: bool) -> dict[str, Any]:
    """Return the plain values of the request context; names that the service does not use are left out.

    Raises
    ------
    BadRequestError
        If one is missing or has the wrong type.
    """
    missing = [field.name for field in plan.context if field.name not in row.request_context_map]
    if missing:
        raise missing_context(missing)
    return {
        field.name: _decoded(
            row.request_context_map[field.name], field, "requestContextMap", ignore_extra_fields=ignore_extra_fields
        )
        for field in plan.context
    }


def _key(raw: JsonValue, key: Field) -> JsonValue:
    value = _decoded(raw, key, "joinKeyMap", ignore_extra_fields=False)
    return wire_value(value, key.data_type, where=f"join key {key.name!r}")


def _decoded(raw: JsonValue, field: Field, member: str, *, ignore_extra_fields: bool) -> Any:
    try:
        return decode_input(
            raw, field.data_type, where=f"{member}.{field.name}", ignore_extra_fields=ignore_extra_fields
        )
    except DecodeError as error:
        raise _type_refusal(field, member, field.data_type, error) from None


def _type_refusal(field: Field, member: str, data_type: DataType, error: DecodeError) -> Exception:
    # The documented text knows scalars only; inside a struct or list the place matters more.
    if isinstance(data_type, ScalarType):
        return unexpected_type(field.name, member, str(data_type))
    return refusal(400, str(error))
