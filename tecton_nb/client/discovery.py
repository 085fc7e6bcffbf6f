"""Which feature services there are. The HTTP API has no list: names come from metrics, a profile or use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from .. import columns
from ..exceptions import ForbiddenError, NotFoundError, TectonHttpException, did_you_mean, listed
from ..frames.assemble import frame_of
from ..transport.answers import unknown_service
from ..wire.requests import Locator

if TYPE_CHECKING:
    from ..metrics.services import ServiceKey


def services_frame(
    found: Mapping[ServiceKey, float | None], given_names: Iterable[str], used_names: Iterable[str]
) -> pd.DataFrame:
    """Return one row per name of a feature service, sorted; see ``columns.SERVICES``.

    Services of one name, in several workspaces, add up: `found` tells them apart by their ids only.
    """
    rows: dict[str, tuple[str | None, float | None, str]] = {}
    for (name, service_id), rate in found.items():
        first_id, sum_, _ = rows.get(name, (service_id, None, ""))
        rows[name] = (first_id, sum_ if rate is None else (sum_ or 0.0) + rate, "metrics")
    for source, names in (("profile", given_names), ("given", used_names)):
        for name in names:
            rows.setdefault(name, (None, None, source))
    ordered = sorted(rows.items())
    values: dict[str, list[object]] = {
        "name": [name for name, _ in ordered],
        "id": [found[0] for _, found in ordered],
        "requests_per_second": [found[1] for _, found in ordered],
        "source": [found[2] for _, found in ordered],
    }
    return frame_of(values, columns.SERVICES)


def may_go_without_metrics(error: TectonHttpException, names: Iterable[str]) -> bool:
    """Whether a list of services can be given although the metrics page was refused."""
    return isinstance(error, ForbiddenError | NotFoundError) and any(names)


def with_hint(error: NotFoundError, locator: Locator, names: Iterable[str]) -> NotFoundError:
    """Return the error with the likeliest name, or the names there are, in its sentence."""
    known = sorted(set(names))
    if locator.value in known:
        hint = " There is one of this name; check the workspace."
    else:
        hint = did_you_mean(locator.value, known) or (f" Known services: {listed(known)}." if known else "")
    error.sentence = unknown_service(error, locator, hint)
    return error
