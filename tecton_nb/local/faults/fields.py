"""What every fault has: whom it hits, how often; and fields that say in words what they take."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, get_type_hints

from ...exceptions import SettingsError, did_you_mean, listed, quoted
from ..definitions.plan import ServicePlan

OPERATIONS = (
    "get-features",
    "get-features-batch",
    "query-features",
    "metadata",
    "get-feature-service-state",
    "metrics",
)
READING = OPERATIONS[:3]


@dataclass(frozen=True, slots=True)
class Check:
    """What a field takes: a test, its words, and names to suggest if there are any."""

    accepts: Callable[[Any], bool]
    wanted: str
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as faults see it.

    Parameters
    ----------
    operation
        One of `OPERATIONS`.
    plan
        The service that is asked; `None` if it is unknown, or nobody is asked, as for metrics.
    identity
        The same for the same request.
    """

    operation: str
    plan: ServicePlan | None
    identity: bytes

    @property
    def service(self) -> str:
        """Name of the service; empty if there is none."""
        return self.plan.service.name if self.plan else ""

    @property
    def views(self) -> frozenset[str]:
        """Views that the service serves or reads."""
        return frozenset() if self.plan is None else views_of(self.plan)


def views_of(plan: ServicePlan) -> frozenset[str]:
    """Return the names of the views that a service serves or reads."""
    return frozenset([*(output.view for output in plan.outputs), *(read.view.name for read in plan.reads)])


def is_number(value: object) -> bool:
    """Whether the value is a finite number, not below zero."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def is_whole(value: object) -> bool:
    """Whether the value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def one_of(*words: str) -> Check:
    """Return the check of a word that is one of a few."""
    return Check(lambda value: value in words, f"one of {listed(words)}", words)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _fits_operation(value: object) -> bool:
    return isinstance(value, str) and any(fnmatchcase(operation, value) for operation in OPERATIONS)


SECONDS = Check(is_number, "seconds, 0 or more")
TEXT = Check(_is_text, "text")
OPTIONAL_TEXT = Check(lambda value: value is None or _is_text(value), "text")
_PATTERN = Check(_is_text, "a name, or a pattern such as 'flight_*'")
_OPERATION = Check(_fits_operation, f"one of {listed(OPERATIONS)}, or a pattern of them", OPERATIONS)
_SHARE = Check(lambda value: is_number(value) and value <= 1, "a number from 0 to 1")
_AT_MOST = Check(lambda value: value is None or (is_whole(value) and value > 0), "a whole number above 0")


def check_fields(subject: object, what: str) -> None:
    """Refuse field values that the fields do not take.

    Raises
    ------
    SettingsError
        With the field, its value and what it takes.
    """
    for name, check in checks_of(type(subject)).items():
        value = getattr(subject, name)
        if not check.accepts(value):
            raise SettingsError(
                f"{what} has `{name}` = {quoted(value)}; it takes {check.wanted}.{did_you_mean(value, check.names)}"
            )


def checks_of(kind: Any) -> dict[str, Check]:
    """Return what each field of a dataclass takes."""
    hints = get_type_hints(kind, include_extras=True).items()
    return {name: hint.__metadata__[0] for name, hint in hints if hasattr(hint, "__metadata__")}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What all faults have in common.

    Parameters
    ----------
    service
        Name of the services it hits, or a pattern such as ``flight_*``.
    operation
        Which requests it hits, such as ``get-features*``. The metrics page is hit only where it is
        named, as ``metrics``.
    view
        Only services with a view of this name or pattern; a fault in values touches no other view.
    share
        How many of the requests it hits: 1 is all of them.
    at_most
        After so many hits it is over.
    name
        Under which `Faults.counts` counts it, instead of its kind.

    Raises
    ------
    SettingsError
        If a field has a value that it does not take.
    """

    kind: ClassVar[str] = ""
    is_ending: ClassVar[bool] = False
    service: Annotated[str, _PATTERN] = "*"
    operation: Annotated[str, _OPERATION] = "*"
    view: Annotated[str, _PATTERN] = "*"
    share: Annotated[float, _SHARE] = 1.0
    at_most: Annotated[int | None, _AT_MOST] = None
    name: Annotated[str | None, OPTIONAL_TEXT] = None

    def __post_init__(self) -> None:
        check_fields(self, f"The fault '{self.kind}'")

    @property
    def label(self) -> str:
        """What it is counted under."""
        return self.name or self.kind

    def concerns(self, arrival: Arrival) -> bool:
        """Whether it may hit the request."""
        if arrival.operation == "metrics":
            return self.operation == "metrics"
        return (
            fnmatchcase(arrival.operation, self.operation)
            and fnmatchcase(arrival.service, self.service)
            and (self.view == "*" or any(fnmatchcase(view, self.view) for view in arrival.views))
        )
