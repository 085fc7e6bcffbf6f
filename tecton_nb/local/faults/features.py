"""The kinds of faults in what is answered: old values, missing features, another schema."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

import orjson

from ...exceptions import SettingsError
from ...wire.types import SCALAR_KINDS, DataType, JsonObject, JsonValue, ScalarType, data_type_to_json, legacy_type
from ..definitions.durations import nanoseconds
from .fields import READING, TEXT, Arrival, Check, Fault, one_of

_FEATURE = Check(
    lambda value: isinstance(value, str) and value != "", "the name of a feature, such as 'view.feature', or a pattern"
)
_TYPES = SCALAR_KINDS[1:]
_SPECIAL = {"NaN", "Infinity", "-Infinity"}


def _is_duration(value: object) -> bool:
    try:
        return bool(nanoseconds(value, where="age"))  # type: ignore[arg-type]  # refuses what is no text
    except SettingsError:
        return False


def _is_json(value: object) -> bool:
    try:
        return bool(orjson.dumps(value))
    except TypeError:
        return False


_AGE = Check(_is_duration, "a whole number and a unit, such as '10m', '1h' or '7d'")
_JSON_VALUE = Check(_is_json, "a JSON value")


@dataclass
class Column:
    """One feature of an answer, with its values in all rows, open to changes.

    Parameters
    ----------
    item
        What the answer's metadata says about it; `None` if it says nothing.
    """

    name: str
    view: str
    data_type: DataType
    item: JsonObject | None
    values: list[JsonValue]

    def restate(self, name: str, data_type: DataType) -> None:
        """Give it another name and type, also in the metadata as far as that states them."""
        self.name, self.data_type = name, data_type
        stated: dict[str, Callable[[], Any]] = {
            "name": lambda: name,
            "dataType": lambda: data_type_to_json(data_type),
            "data_type": lambda: data_type_to_json(data_type),
            "type": lambda: legacy_type(data_type),
        }
        for member in stated.keys() & (self.item or {}).keys():
            self.item[member] = stated[member]()  # type: ignore[index]  # an absent item has no members

    def lose(self) -> None:
        """Make every value null, with the status of missing data."""
        self.values = [None] * len(self.values)
        if self.item is not None and "status" in self.item:
            status = self.item["status"]
            self.item["status"] = ["MISSING_DATA"] * len(status) if isinstance(status, list) else "MISSING_DATA"


@dataclass(frozen=True)
class StaleValues(Fault):
    """Features come as they were some time ago, with the effective times of then.

    Realtime views compute from the old values.

    Parameters
    ----------
    age
        Such as ``1h``.
    """

    kind: ClassVar[str] = "stale"
    age: Annotated[str, _AGE]

    @property
    def age_nanoseconds(self) -> int:
        """How long ago that is."""
        return nanoseconds(self.age, where="age")

    def concerns(self, arrival: Arrival) -> bool:
        """Whether it may hit the request."""
        return arrival.operation in READING and arrival.plan is not None and super().concerns(arrival)


@dataclass(frozen=True)
class Altered(Fault, ABC):
    """A fault that changes columns of an answer; several of them change it one after the other."""

    operations: ClassVar[tuple[str, ...]] = (*READING, "metadata")

    def concerns(self, arrival: Arrival) -> bool:
        """Whether it may hit the request."""
        return arrival.operation in self.operations and arrival.plan is not None and super().concerns(arrival)

    @abstractmethod
    def alter(self, columns: list[Column]) -> list[Column]:
        """Return the columns to answer."""


@dataclass(frozen=True)
class AlteredFeature(Altered):
    """A fault in some of the features.

    Parameters
    ----------
    feature
        Full name, such as ``view.feature``, or a pattern.
    """

    feature: Annotated[str, _FEATURE]

    def concerns(self, arrival: Arrival) -> bool:
        """Whether it may hit the request."""
        outputs = arrival.plan.outputs if arrival.plan else ()
        return super().concerns(arrival) and any(self.names(output.name, output.view) for output in outputs)

    def names(self, feature: str, view: str) -> bool:
        """Whether the feature is one of them."""
        return fnmatchcase(feature, self.feature) and fnmatchcase(view, self.view)

    def alter(self, columns: list[Column]) -> list[Column]:
        """Return the columns to answer."""
        named = [self.names(column.name, column.view) for column in columns]
        altered = (self.alter_one(column) if hit else column for column, hit in zip(columns, named, strict=True))
        return [column for column in altered if column is not None]

    @abstractmethod
    def alter_one(self, column: Column) -> Column | None:
        """Return one of the columns as it is to be answered, `None` to leave it out."""


@dataclass(frozen=True)
class MissingFeatures(AlteredFeature):
    """Features come as null with the status MISSING_DATA."""

    kind: ClassVar[str] = "missing"
    operations: ClassVar[tuple[str, ...]] = READING

    def alter_one(self, column: Column) -> Column | None:
        """Return one of the columns as it is to be answered, `None` to leave it out."""
        column.lose()
        return column


@dataclass(frozen=True)
class RenamedFeature(AlteredFeature):
    """A feature has another name, in answers and in the service's metadata.

    Parameters
    ----------
    to
        The new full name.
    """

    kind: ClassVar[str] = "rename"
    to: Annotated[str, TEXT]

    def alter_one(self, column: Column) -> Column | None:
        """Return one of the columns as it is to be answered, `None` to leave it out."""
        column.restate(self.to, column.data_type)
        return column


@dataclass(frozen=True)
class RetypedFeature(AlteredFeature):
    """A feature has another type, in answers and in the service's metadata; values are converted.

    Parameters
    ----------
    to
        A scalar type, such as ``string``. What cannot be converted becomes null.
    """

    kind: ClassVar[str] = "retype"
    to: Annotated[str, one_of(*_TYPES)]

    def alter_one(self, column: Column) -> Column | None:
        """Return one of the columns as it is to be answered, `None` to leave it out."""
        column.values = [_converted(value, self.to) for value in column.values]
        column.restate(column.name, ScalarType(self.to))
        return column


@dataclass(frozen=True)
class RemovedFeature(AlteredFeature):
    """A feature is not there, neither in answers nor in the service's metadata."""

    kind: ClassVar[str] = "remove"

    def alter_one(self, column: Column) -> None:
        """Leave the column out."""


@dataclass(frozen=True)
class AddedFeature(Altered):
    """One feature more at the end of the vector, in answers and in the service's metadata.

    Parameters
    ----------
    feature
        Its full name.
    data_type
        A scalar type, such as ``int64``.
    value
        What it always is, as JSON: an int64 as decimal text.
    """

    kind: ClassVar[str] = "add"
    feature: Annotated[str, _FEATURE]
    data_type: Annotated[str, one_of(*_TYPES)] = "string"
    value: Annotated[Any, _JSON_VALUE] = None

    def alter(self, columns: list[Column]) -> list[Column]:
        """Return the columns to answer."""
        if not columns:
            return columns
        last = columns[-1]
        item = None if last.item is None else {k: v for k, v in last.item.items() if k in _KEPT_MEMBERS}
        added = Column(last.name, last.view, last.data_type, item, [self.value] * len(last.values))
        if item is not None and "status" in item:
            status = item["status"]
            item["status"] = ["PRESENT"] * len(status) if isinstance(status, list) else "PRESENT"
        added.restate(self.feature, ScalarType(self.data_type))
        return [*columns, added]


# An added feature belongs to no view: it has no effective time, description or tags.
_KEPT_MEMBERS = frozenset({"name", "dataType", "data_type", "type", "status"})


def _converted(value: JsonValue, kind: str) -> JsonValue:
    if value is None:
        return None
    if kind == "string":
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    if kind == "boolean":
        return bool(value)
    if kind == "timestamp" or not isinstance(value, bool | int | float | str):
        return None
    return _as_number(value, kind)


def _as_number(value: bool | float | str, kind: str) -> JsonValue:
    if value in _SPECIAL and kind != "int64":
        return value
    try:
        return float(value) if kind != "int64" else str(round(float(value)) if isinstance(value, float) else int(value))
    except (ValueError, OverflowError):
        return None
