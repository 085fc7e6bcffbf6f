"""The realtime views of features.toml."""

from collections.abc import Mapping
from typing import Any


def check_payment(context: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, object]:
    """Return how an amount compares with what the user paid in the last week."""
    mean = features["user_payments.amount_mean_7d_1h"]
    if mean is None or context["amount"] is None:
        return {"is_unusual": None, "times_mean": None}
    times = context["amount"] / mean
    return {"is_unusual": times > 3, "times_mean": times}
