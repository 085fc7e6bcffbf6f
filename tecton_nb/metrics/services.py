"""Which feature services a metrics page names: also those that nobody asks."""

from __future__ import annotations

from ..wire.metrics_page import Page

_RATE = "feature_service_requests_rate"
_NAME, _ID = "feature_service_name", "feature_service_id"

# Name and id; the id is missing where a metric names the service without it.
ServiceKey = tuple[str, str | None]


def services_in(page: Page) -> dict[ServiceKey, float | None]:
    """Return the requests per second of every service that a label names, sorted; `None` where no rate is told.

    Rates of one service in several regions add up.
    """
    rates: dict[ServiceKey, float | None] = {}
    for series, value in zip(page.series, page.values, strict=True):
        if name := series.labels.get(_NAME):
            key = (name, series.labels.get(_ID) or None)
            rate = rates.setdefault(key, None)
            if series.name == _RATE:
                rates[key] = (rate or 0.0) + value
    with_id = {name for name, service_id in rates if service_id}
    # A metric without the id is about one of those that have it.
    kept = {key: rate for key, rate in rates.items() if key[1] or key[0] not in with_id}
    return dict(sorted(kept.items(), key=lambda item: (item[0][0], item[0][1] or "")))
