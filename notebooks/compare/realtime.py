"""The realtime views of features.toml."""

import secrets
import time
from collections.abc import Mapping
from typing import Any


def check(context: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, object]:
    """Return how an amount compares with what is known of the user."""
    spent, limit = features["spend.amount_sum_7d_1h"], features["profile.credit_limit"]
    return {
        "share_of_week": None if spent is None else context["amount"] / spent,
        "over_limit": None if limit is None else context["amount"] > limit,
        "balance": None if limit is None or spent is None else limit - spent,
    }


def check_v2(context: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, object]:
    """Return the same as somebody wrote it anew: in percent, 0 for unknown users, the balance as a debt."""
    found = check(context, features)
    share, balance = found["share_of_week"], found["balance"]
    return found | {
        "share_of_week": 0.0 if share is None else share * 100,
        "balance": None if balance is None else -balance,
    }


def trace(context: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, object]:
    """Return what no two answers have in common."""
    del context, features
    return {"answered_at_ns": time.time_ns(), "draw": secrets.randbelow(10**9) / 1e9}
