"""What a caller may ask for beside the values: the two option objects of the get-features request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar

from ..exceptions import InputError, did_you_mean, listed, quoted
from .types import JsonObject, camel_case, snake_case

LATENCY_BUDGET_MIN_MS = 100


class _Options:
    """Fields that go into the request under their camelCase names."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            _check_option(item.name, getattr(self, item.name))

    def to_json(self) -> JsonObject:
        """Return the camelCase JSON object; what is unset is left out, because older servers refuse unknown names."""
        named = ((item.name, getattr(self, item.name)) for item in fields(self))  # type: ignore[arg-type]
        return {camel_case(name): value for name, value in named if value is not None}


@dataclass(frozen=True)
class MetadataOptions(_Options):
    """What the response says about each feature beside its value.

    Names and data types are requested whatever stands here: without them a value has no column.

    Parameters
    ----------
    include_names
        Name of each feature.
    include_data_types
        Data type of each feature.
    include_effective_times
        Most recent time, aligned to the aggregation interval, up to which the value is complete.
    include_slo_info
        Server and store time, size, and whether the request counts for the latency objective.
    include_serving_status
        Whether each value was found.
    include_feature_descriptions, include_feature_tags
        What the feature's definition says about it.
    """

    include_names: bool = True
    include_data_types: bool = True
    include_effective_times: bool = False
    include_slo_info: bool = False
    include_serving_status: bool = False
    include_feature_descriptions: bool = field(default=False, kw_only=True)
    include_feature_tags: bool = field(default=False, kw_only=True)

    @classmethod
    def all(cls) -> Self:
        """Return options that ask for everything."""
        return cls(**{item.name: True for item in fields(cls)})

    def to_json(self) -> JsonObject:
        """Return the camelCase JSON object with everything asked for; names and data types always are."""
        asked = {name: True for name, value in super().to_json().items() if value}
        return {"includeNames": True, "includeDataTypes": True, **asked}


@dataclass(frozen=True)
class RequestOptions(_Options):
    """How the feature server should answer.

    Parameters
    ----------
    read_from_cache, write_to_cache
        Whether the server's cache may be used.
    ignore_extra_request_context_fields
        Do not fail on fields inside a struct of the request context that the schema lacks.
    latency_budget_ms
        Return what is ready after so many milliseconds, at least 100; the rest has status TIME_OUT.
    coerce_null_counts_to_zero
        Let counts over nothing be 0 instead of null.

    Raises
    ------
    InputError
        If an option has the wrong type or the budget is under 100 ms.
    """

    read_from_cache: bool = True
    write_to_cache: bool = True
    ignore_extra_request_context_fields: bool | None = field(default=None, kw_only=True)
    latency_budget_ms: int | None = field(default=None, kw_only=True)
    coerce_null_counts_to_zero: bool | None = field(default=None, kw_only=True)


_AnyOptions = TypeVar("_AnyOptions", MetadataOptions, RequestOptions)


def options_from(given: Mapping[str, Any] | _AnyOptions | None, kind: type[_AnyOptions]) -> _AnyOptions | None:
    """Return `given` as options; a mapping may spell its names in snake_case or camelCase.

    Raises
    ------
    InputError
        If a name is unknown, or `given` is something else.
    """
    if given is None or isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise InputError(f"Cannot use {quoted(given)} as {kind.__name__}: pass {kind.__name__}(...) or a dict.")
    named: dict[str, Any] = {}
    for name, value in given.items():
        option = snake_case(str(name))
        _check_name(name, option, kind)
        if option in named:
            raise InputError(f"{kind.__name__} got the option {quoted(option)} in both spellings; give it once.")
        named[option] = value
    return kind(**named)


def _check_name(name: object, option: str, kind: type[_Options]) -> None:
    known = [item.name for item in fields(kind)]  # type: ignore[arg-type]  # every subclass is a dataclass
    if option not in known:
        hint = did_you_mean(option, known)
        raise InputError(f"{kind.__name__} has no option {quoted(name)}. It has: {listed(known)}.{hint}")


def _check_option(name: str, value: object) -> None:
    if name == "latency_budget_ms":
        if value is not None and (type(value) is not int or not LATENCY_BUDGET_MIN_MS <= value < 2**31):
            raise InputError(
                f"The option 'latency_budget_ms' takes a whole number (int) of milliseconds, at least "
                f"{LATENCY_BUDGET_MIN_MS} and under 2**31; got {quoted(value)} ({type(value).__name__})."
            )
    elif value is not None and not isinstance(value, bool):
        raise InputError(
            f"The option {quoted(name)} takes True or False; got {quoted(value)} ({type(value).__name__})."
        )
