"""The documented refusals: status, gRPC code and text as the feature server words them."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from ...exceptions import HTTP_ERRORS, TectonHttpException, shown
from ...wire.errors import write_error_body
from ...wire.requests import Locator

_LOCATORS = {
    "name": "feature_service_name",
    "id": "feature_service_id",
}
# grpc-gateway's numbers for what has no sentence of its own.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 413: 3, 415: 3, 421: 7, 431: 3, 500: 13, 503: 14, 504: 4}


def refusal(status: int, message: str) -> TectonHttpException:
    """Return the exception that a responder turns into an error answer."""
    kind = HTTP_ERRORS.get(status, TectonHttpException)
    return kind(status, HTTPStatus(status).phrase, message, code=_CODES[status])


def refusal_body(status: int, message: str) -> bytes:
    """Return the body of an error answer."""
    return write_error_body(shown(message), _CODES[status])


def unauthorized() -> TectonHttpException:
    """Return the refusal of a missing or unknown API key."""
    return refusal(
        401,
        "Missing or invalid 'Tecton-key' authorization header. "
        "It may take up to 60 seconds for a newly created API key to be usable.",
    )


def not_authorized(workspace: str) -> TectonHttpException:
    """Return the refusal of a workspace that the key may not read."""
    return refusal(
        403,
        f"Not Authorized. The Service Account must have the Consumer role on workspace `{workspace}`. "
        "It may take up to 60 seconds for a new role to take effect.",
    )


def cannot_query(service: str, workspace: str) -> TectonHttpException:
    """Return the refusal of an unknown service name by the endpoints that return features."""
    return refusal(
        404,
        f"Unable to query FeatureService `{service}` for workspace `{workspace}`. "
        "It may take up to 60 seconds for a new FeatureService to be queryable; "
        "only live workspaces can be queried.",
    )


def unknown_locator(locator: Locator, workspace: str) -> TectonHttpException:
    """Return the refusal of a name or id that is unknown."""
    member = _LOCATORS.get(locator.by, locator.by)
    suffix = "" if member.endswith("_id") else f" for workspace: {workspace}"
    return refusal(404, f"Unknown {member}: {locator.value}{suffix}")


def missing_join_key(name: str) -> TectonHttpException:
    """Return the refusal of a row without a join key."""
    return refusal(400, f"Missing required join key: `{name}`")


def unknown_join_key(name: str, expected: Iterable[str]) -> TectonHttpException:
    """Return the refusal of a join key that the service does not have."""
    return refusal(400, f"Unknown join key: {name}, expected one of: [{' '.join(expected)}]")


def missing_context(names: Iterable[str]) -> TectonHttpException:
    """Return the refusal of a row without request context that the service needs."""
    return refusal(400, f"Expected key not found: [{' '.join(names)}] in requestContextMap")


def unexpected_type(name: str, member: str, expected: str) -> TectonHttpException:
    """Return the refusal of a value that does not fit its declared type."""
    return refusal(400, f"Unexpected JSON type for {name} in {member}. Expected {expected} or null.")


def batch_too_large(size: int, maximum: int) -> TectonHttpException:
    """Return the refusal of a batch with too many rows."""
    return refusal(400, f"Batch size {size} exceeds maximum of {maximum}.")


def too_large(size: int, maximum: int) -> TectonHttpException:
    """Return the refusal of a request that reads more than one answer may hold."""
    return refusal(
        400,
        f"The data of the request ({size} bytes) exceeds the maximum of {maximum} bytes. "
        "Set allowPartialResults to get what fits.",
    )


def not_materialized(service: str, workspace: str) -> TectonHttpException:
    """Return the refusal of a service none of whose views has data."""
    return refusal(
        404, f"FeatureService `{service}` for workspace `{workspace}` has no materialized data in the online store."
    )


def timed_out() -> TectonHttpException:
    """Return the refusal of a request that took longer than the server works on one."""
    return refusal(504, "Timed out")
