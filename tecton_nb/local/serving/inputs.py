"""The inputs of rows, checked against the plan: join keys as wire values, request context as plain ones."""

from __future__ import annotations

from typing import Any

from ...exceptions import DecodeError
from ...wire.types import STRING, DataType, JsonObject, JsonValue, ScalarType
from ..definitions.plan import ServicePlan
from ..definitions.views import Field
from ..storage.wire_columns import wire_value
from .quick_values import read_input
from .refusals import missing_context, missing_join_key, refusal, unexpected_type, unknown_join_key


class Inputs:
    """Checks the rows of one feature service.

    Parameters
    ----------
    plan
        What the service expects.
    """

    def __init__(self, plan: ServicePlan) -> None:
        self._keys = {key.name: key for key in plan.input_keys}
        self._context = {field.name: field for field in plan.context}

    def join_keys(self, given: JsonObject) -> JsonObject:
        """Return the wire values of the join keys that a row brings.

        Raises
        ------
        BadRequestError
            If one is missing, unknown or has the wrong type.
        """
        if given.keys() != self._keys.keys():
            self._refuse_names(given)
        return {name: _key(given[name], key) for name, key in self._keys.items()}

    def request_context(self, given: JsonObject, *, ignores_extra_fields: bool) -> dict[str, Any]:
        """Return the plain values of the request context; names that the service does not use are left out.

        Raises
        ------
        BadRequestError
            If one is missing or has the wrong type.
        """
        missing = [name for name in self._context if name not in given]
        if missing:
            raise missing_context(missing)
        return {
            name: _decoded(given[name], field, "requestContextMap", ignores_extra_fields=ignores_extra_fields)
            for name, field in self._context.items()
        }

    def _refuse_names(self, given: JsonObject) -> None:
        for name in self._keys:
            if name not in given:
                raise missing_join_key(name)
        for name in given:
            if name not in self._keys:
                raise unknown_join_key(name, self._keys)


def _key(raw: JsonValue, key: Field) -> JsonValue:
    # JSON text is its own wire value; most keys are text.
    if type(raw) is str and key.data_type is STRING:
        return raw
    value = _decoded(raw, key, "joinKeyMap", ignores_extra_fields=False)
    return wire_value(value, key.data_type, where=f"join key {key.name!r}")


def _decoded(raw: JsonValue, field: Field, member: str, *, ignores_extra_fields: bool) -> Any:
    try:
        return read_input(
            raw, field.data_type, where=f"{member}.{field.name}", ignore_extra_fields=ignores_extra_fields
        )
    except DecodeError as error:
        raise _type_refusal(field, member, field.data_type, error) from None


def _type_refusal(field: Field, member: str, data_type: DataType, error: DecodeError) -> Exception:
    # The documented text knows scalars only; inside a struct or list the place matters more.
    if isinstance(data_type, ScalarType):
        return unexpected_type(field.name, member, str(data_type))
    return refusal(400, str(error))
