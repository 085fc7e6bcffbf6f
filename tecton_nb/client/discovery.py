"""Which feature services there are. The HTTP API has no list: names come from metrics, a profile or use."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pandas as pd

from .. import columns
from ..exceptions import ForbiddenError, NotFoundError, TectonHttpException, did_you_mean, listed
from ..frames.assemble import frame_of
from ..transport.answers import unknown_service
from ..wire.exposition import Family
from ..wire.requests import Locator

_RATE = "feature_service_requests_rate"


def services_frame(families: Iterable[Family], given_names: Iterable[str], used_names: Iterable[str]) -> pd.DataFrame:
    """Return one row per feature service, sorted by name; see ``columns.SERVICES``."""
    rows = _from_metrics(families)
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


def _from_metrics(families: Iterable[Family]) -> dict[str, tuple[str | None, float | None, str]]:
    rows: dict[str, tuple[str | None, float | None, str]] = {}
    for sample in itertools.chain.from_iterable(family.samples for family in families):
        name = sample.labels.get("feature_service_name")
        if not name:
            continue
        service_id, rate, source = rows.get(name, (None, None, "metrics"))
        if sample.name == _RATE:
            rate = (rate or 0.0) + sample.value
        rows[name] = (service_id or sample.labels.get("feature_service_id"), rate, source)
    return rows


def names_in(families: Iterable[Family]) -> list[str]:
    """Return the names of the feature services that the metrics page mentions, sorted."""
    return sorted(_from_metrics(families))
